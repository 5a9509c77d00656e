//! One attempt: send, read the answer within its bounds, tell failures apart.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue,
    USER_AGENT,
};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;

use crate::transport::address::Address;
use crate::transport::connector::Pool;
use crate::transport::gzip;
use crate::transport::request::{Request, Response};
use crate::{Call, EngineError, Error};

/// What every request to one cluster shares.
pub(crate) struct Wire {
    pub(crate) pool: Pool,
    pub(crate) address: Address,
    pub(crate) authorization: Option<HeaderValue>,
    pub(crate) request_timeout: Duration,
}

/// A refusal's text is short; a proxy's page need not be read to its end.
const MAX_REFUSAL: usize = 1 << 20;

impl Wire {
    /// One attempt within the request's time.
    pub(crate) async fn attempt(&self, request: &Request) -> Result<Response, Error> {
        let after = request.timeout.unwrap_or(self.request_timeout);
        match tokio::time::timeout(after, Box::pin(self.exchange(request))).await {
            Ok(result) => result,
            Err(_) => Err(Error::Timeout { call: request.call(), after }),
        }
    }

    async fn exchange(&self, request: &Request) -> Result<Response, Error> {
        let outgoing = self.outgoing(request).await?;
        let answer = self.pool.request(outgoing).await.map_err(|source| {
            let call = request.call();
            if source.is_connect() {
                Error::Connect { call, source }
            } else {
                Error::Lost { call, source: Box::new(source) }
            }
        })?;
        let status = answer.status();
        let good = status.is_success() || request.allowed == Some(status.as_u16());
        let limit = if good { request.max_response } else { MAX_REFUSAL };
        let body = read(request, answer, limit).await;
        if good {
            return Ok(Response { status: status.as_u16(), body: body? });
        }
        // The status is known even if its explanation got lost on the way.
        let answer = body.map(|body| EngineError::parse(&body)).unwrap_or_default();
        let (call, status) = (request.call(), status.as_u16());
        Err(Error::Status { call, status, answer: Box::new(answer) })
    }

    async fn outgoing(&self, request: &Request) -> Result<http::Request<Full<Bytes>>, Error> {
        let mut builder = http::Request::builder()
            .method(request.method.clone())
            .uri(format!("{}{}", self.address.base, request.path))
            .header(USER_AGENT, concat!("segue/", env!("CARGO_PKG_VERSION")));
        if let Some(value) = &self.authorization {
            builder = builder.header(AUTHORIZATION, value);
        }
        // On the same machine compression only costs CPU, which the engine needs more.
        if request.accept_gzip && !self.address.loopback {
            builder = builder.header(ACCEPT_ENCODING, "gzip");
        }
        if let Some(kind) = request.content_type {
            builder = builder.header(CONTENT_TYPE, kind);
        }
        let mut body = request.body.clone();
        if request.gzip_body {
            body = compressed(body).await.map_err(|e| bad_request(request, &e.to_string()))?;
            builder = builder.header(CONTENT_ENCODING, "gzip");
        }
        builder.body(Full::new(body)).map_err(|e| bad_request(request, &e.to_string()))
    }
}

impl Request {
    /// The request as errors name it.
    pub(crate) fn call(&self) -> Box<Call> {
        Box::new(Call { method: self.method.to_string(), path: self.path.clone() })
    }
}

fn bad_request(request: &Request, why: &str) -> Error {
    Error::Guard { what: format!("{}: {why}", request.call()) }
}

async fn compressed(plain: Bytes) -> std::io::Result<Bytes> {
    if plain.len() < gzip::OFFLOAD {
        return gzip::compress(&plain);
    }
    tokio::task::spawn_blocking(move || gzip::compress(&plain)).await?
}

async fn read(
    request: &Request,
    answer: http::Response<Incoming>,
    limit: usize,
) -> Result<Bytes, Error> {
    let packed = answer.headers().get(CONTENT_ENCODING).is_some_and(|v| v == "gzip");
    let announced = announced_length(&answer);
    // Dropping an unread body closes its connection, so the rest is not transferred.
    if announced.is_some_and(|length| length > limit) && request.method != http::Method::HEAD {
        return Err(Error::TooLarge { call: request.call(), limit });
    }
    let body = collect(request, answer.into_body(), announced, limit).await?;
    if packed && !body.is_empty() { unpacked(request, body, limit).await } else { Ok(body) }
}

fn announced_length(answer: &http::Response<Incoming>) -> Option<usize> {
    answer.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn collect(
    request: &Request,
    mut body: Incoming,
    announced: Option<usize>,
    limit: usize,
) -> Result<Bytes, Error> {
    // One buffer for the whole answer: hits are read out of it without copies.
    let mut buffer = Vec::with_capacity(announced.unwrap_or(4096).min(limit));
    while let Some(frame) = body.frame().await {
        let frame = frame
            .map_err(|source| Error::Lost { call: request.call(), source: Box::new(source) })?;
        let Ok(part) = frame.into_data() else { continue };
        if buffer.len() + part.len() > limit {
            return Err(Error::TooLarge { call: request.call(), limit });
        }
        buffer.extend_from_slice(&part);
    }
    Ok(Bytes::from(buffer))
}

async fn unpacked(request: &Request, packed: Bytes, limit: usize) -> Result<Bytes, Error> {
    let plain = if packed.len() < gzip::OFFLOAD / 4 {
        gzip::decompress(&packed, limit)
    } else {
        let packed = Arc::new(packed);
        tokio::task::spawn_blocking(move || gzip::decompress(&packed, limit))
            .await
            .map_err(std::io::Error::other)
            .and_then(|plain| plain)
    };
    match plain {
        Ok(Some(plain)) => Ok(plain),
        Ok(None) => Err(Error::TooLarge { call: request.call(), limit }),
        Err(e) => Err(Error::Malformed { call: request.call(), what: format!("gzip: {e}") }),
    }
}
