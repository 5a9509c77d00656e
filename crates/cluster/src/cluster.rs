//! One cluster, reached by one address.

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;

use crate::transport::address::Address;
use crate::transport::connector;
use crate::transport::retry::{ATTEMPTS, pause, repeatable};
use crate::transport::send::Wire;
use crate::{Auth, ClusterConfig, Distribution, Error, Request, Response};

/// A cluster. Clones share connections.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

struct Inner {
    wire: Wire,
    distribution: OnceCell<Distribution>,
}

impl Cluster {
    /// Checks the configuration; sends nothing.
    ///
    /// # Errors
    /// [`Error::Config`] for an address, credentials or certificates that can't work.
    pub fn new(config: &ClusterConfig) -> Result<Cluster, Error> {
        let (address, written) = Address::parse(&config.url)?;
        let auth = match &config.auth {
            Auth::None => &written,
            stated => stated,
        };
        let wire = Wire {
            pool: connector::pool(&address, &config.tls, config.request_timeout)?,
            authorization: auth.header()?,
            address,
            request_timeout: config.request_timeout,
        };
        Ok(Cluster { inner: Arc::new(Inner { wire, distribution: OnceCell::new() }) })
    }

    /// The address, without credentials.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.inner.wire.address.base
    }

    /// Whether the cluster is on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.inner.wire.address.loopback
    }

    /// The product's distribution, asked once.
    ///
    /// # Errors
    /// Those of [`Cluster::product`].
    pub async fn distribution(&self) -> Result<Distribution, Error> {
        let ask = async || Ok(self.product().await?.distribution);
        self.inner.distribution.get_or_try_init(ask).await.copied()
    }

    /// One attempt.
    ///
    /// # Errors
    /// [`Error::Status`] for any status that is neither a success nor allowed by the request; the
    /// other variants for what happened before an answer was whole.
    pub async fn send(&self, request: Request) -> Result<Response, Error> {
        self.inner.wire.attempt(&request).await
    }

    /// A bounded number of attempts, as long as repeating does no harm: always when the request
    /// never left, otherwise only for idempotent requests and failures that pass.
    ///
    /// # Errors
    /// Those of the last attempt.
    pub async fn call(&self, request: Request) -> Result<Response, Error> {
        let mut attempt = 1;
        loop {
            let error = match self.inner.wire.attempt(&request).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if attempt >= ATTEMPTS || !repeatable(error.class(), request.idempotent) {
                return Err(error);
            }
            let wait = pause(attempt);
            tracing::debug!(%error, attempt, ?wait, "request is repeated");
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    /// [`Cluster::call`], read as JSON.
    ///
    /// # Errors
    /// Those of [`Cluster::call`], and [`Error::Malformed`] for an answer of another shape.
    pub async fn json<T: DeserializeOwned>(&self, request: Request) -> Result<T, Error> {
        let call = request.call();
        let answer = self.call(request).await?;
        serde_json::from_slice(&answer.body)
            .map_err(|e| Error::Malformed { call, what: e.to_string() })
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("url", &self.url()).finish_non_exhaustive()
    }
}
