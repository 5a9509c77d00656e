//! One request to a cluster and its answer: address, credentials, connection, limits, retries.

pub(crate) mod address;
pub(crate) mod auth;
pub(crate) mod connector;
pub(crate) mod gzip;
pub(crate) mod probe;
pub(crate) mod request;
pub(crate) mod retry;
pub(crate) mod send;
pub(crate) mod tls;
