//! Connections: TCP or TLS, HTTP/1.1 only, kept for a short idle time.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::transport::{address::Address, tls};
use crate::{Error, TlsConfig};

/// A pool of connections to one cluster.
pub(crate) type Pool = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Below what servers and load balancers keep a silent connection for, so that a connection is
/// rarely closed by the other end at the moment it is used again.
const IDLE: Duration = Duration::from_secs(10);

/// How long a TCP connection may take to open, at most.
const CONNECT: Duration = Duration::from_secs(10);

/// Builds the pool; connects to nothing yet.
pub(crate) fn pool(address: &Address, rules: &TlsConfig, total: Duration) -> Result<Pool, Error> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(Duration::from_secs(30)));
    tcp.set_connect_timeout(Some(CONNECT.min(total)));
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls::client(rules, address.https)?)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .build(connector))
}
