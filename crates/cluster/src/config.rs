//! How a cluster is reached.

use std::fmt;
use std::time::Duration;

use crate::transport::address::without_credentials;
use crate::{Auth, TlsConfig};

/// Where a cluster is, who asks, and how long one request may take.
#[derive(Clone)]
pub struct ClusterConfig {
    /// Base address, `http` or `https`, with an optional path prefix. `user:password@` in it is
    /// used as [`Auth::Basic`] when `auth` is [`Auth::None`], and is never printed.
    pub url: String,
    /// Credentials sent with every request.
    pub auth: Auth,
    /// Server certificate rules, for `https` only.
    pub tls: TlsConfig,
    /// Upper bound of one attempt, from connecting to the last byte of the answer.
    pub request_timeout: Duration,
}

impl ClusterConfig {
    /// A cluster at `url`: no credentials beyond those in the address, certificates verified, 60 s
    /// for a request.
    #[must_use]
    pub fn new(url: &str) -> ClusterConfig {
        ClusterConfig {
            url: url.to_owned(),
            auth: Auth::None,
            tls: TlsConfig::default(),
            request_timeout: Duration::from_secs(60),
        }
    }
}

impl fmt::Debug for ClusterConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterConfig")
            .field("url", &without_credentials(&self.url))
            .field("auth", &self.auth)
            .field("tls", &self.tls)
            .field("request_timeout", &self.request_timeout)
            .finish()
    }
}
