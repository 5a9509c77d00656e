//! What can go wrong between us and a cluster, and what may be done about it.

use std::fmt;
use std::time::Duration;

use crate::EngineError;

/// What a caller may do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The request never left: safe to repeat.
    NeverSent,
    /// It may or may not have been carried out: look before repeating, unless it is idempotent.
    /// A broken connection, a timeout, an unconfirmed change, 408, 500 and other 5xx.
    MaybeApplied,
    /// 429: the cluster asks for less.
    Throttled,
    /// 502, 503, 504, or an answer that does not cover all shards.
    Unavailable,
    /// 404.
    NotFound,
    /// 409: something newer is there.
    Conflict,
    /// 403 by an index or cluster block.
    WriteBlocked,
    /// 401, or 403 for want of a privilege.
    Forbidden,
    /// Any other refusal; repeating will not help.
    Refused,
    /// The answer is larger than the request allows.
    TooLarge,
    /// The answer can't be understood.
    Malformed,
}

/// Which request failed. The path has its query; credentials are never part of either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// HTTP method.
    pub method: String,
    /// Path and query.
    pub path: String,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// A failed request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration can't work; nothing was sent.
    #[error("{what}")]
    Config {
        /// What is wrong, without secrets.
        what: String,
    },
    /// We refuse to send this; nothing was sent.
    #[error("refused before sending: {what}")]
    Guard {
        /// What is wrong with it.
        what: String,
    },
    /// No connection.
    #[error("{call}: can't connect")]
    Connect {
        /// The request.
        call: Box<Call>,
        /// The network's reason.
        #[source]
        source: hyper_util::client::legacy::Error,
    },
    /// The connection broke before the whole answer was there.
    #[error("{call}: connection lost before the answer")]
    Lost {
        /// The request.
        call: Box<Call>,
        /// The network's reason.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No whole answer in time.
    #[error("{call}: no answer within {after:?}")]
    Timeout {
        /// The request.
        call: Box<Call>,
        /// The time it had.
        after: Duration,
    },
    /// The cluster (or something before it) refused.
    #[error("{call}: {status}: {answer}")]
    Status {
        /// The request.
        call: Box<Call>,
        /// HTTP status.
        status: u16,
        /// The engine's reason.
        answer: Box<EngineError>,
    },
    /// The answer is larger than allowed; it was dropped.
    #[error("{call}: answer is larger than {limit} bytes")]
    TooLarge {
        /// The request.
        call: Box<Call>,
        /// The bound in bytes.
        limit: usize,
    },
    /// The answer is not what the engine's interface promises.
    #[error("{call}: answer not understood: {what}")]
    Malformed {
        /// The request.
        call: Box<Call>,
        /// What is odd.
        what: String,
    },
    /// A success that does not cover everything: a failed shard, a time limit inside the engine, a
    /// node that did not answer.
    #[error("{call}: incomplete answer: {what}")]
    Incomplete {
        /// The request.
        call: Box<Call>,
        /// What is missing.
        what: String,
    },
    /// `acknowledged: false`: not every node has confirmed the change; it may still come.
    #[error("{call}: not acknowledged: {what}")]
    Unacknowledged {
        /// The request.
        call: Box<Call>,
        /// What is missing.
        what: String,
    },
}

impl Error {
    /// A configuration that can't work.
    pub(crate) fn config(what: String) -> Error {
        Error::Config { what }
    }

    /// What may be done about it.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Error::Config { .. } | Error::Guard { .. } => Class::Refused,
            Error::Connect { .. } => Class::NeverSent,
            Error::Lost { .. } | Error::Timeout { .. } | Error::Unacknowledged { .. } => {
                Class::MaybeApplied
            }
            Error::Status { status, answer, .. } => of_status(*status, answer),
            Error::TooLarge { .. } => Class::TooLarge,
            Error::Malformed { .. } => Class::Malformed,
            Error::Incomplete { .. } => Class::Unavailable,
        }
    }

    /// A name that stays, one per way to fail.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Error::Config { .. } => "SEG-C001",
            Error::Guard { .. } => "SEG-C002",
            Error::Connect { .. } => "SEG-C003",
            Error::Lost { .. } => "SEG-C004",
            Error::Timeout { .. } => "SEG-C005",
            Error::TooLarge { .. } => "SEG-C006",
            Error::Malformed { .. } => "SEG-C007",
            Error::Incomplete { .. } => "SEG-C008",
            Error::Unacknowledged { .. } => "SEG-C009",
            Error::Status { .. } => match self.class() {
                Class::Throttled => "SEG-C011",
                Class::Unavailable => "SEG-C012",
                Class::NotFound => "SEG-C013",
                Class::Conflict => "SEG-C014",
                Class::WriteBlocked => "SEG-C015",
                Class::Forbidden => "SEG-C016",
                Class::NeverSent
                | Class::MaybeApplied
                | Class::Refused
                | Class::TooLarge
                | Class::Malformed => "SEG-C010",
            },
        }
    }

    /// The HTTP status, where there was one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Error::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The engine's name of the failure, e.g. `resource_already_exists_exception`.
    #[must_use]
    pub fn error_type(&self) -> Option<&str> {
        match self {
            Error::Status { answer, .. } if !answer.kind.is_empty() => Some(&answer.kind),
            _ => None,
        }
    }
}

fn of_status(status: u16, answer: &EngineError) -> Class {
    match status {
        429 => Class::Throttled,
        502..=504 => Class::Unavailable,
        404 => Class::NotFound,
        409 => Class::Conflict,
        403 if answer.is_block() => Class::WriteBlocked,
        401 | 403 => Class::Forbidden,
        408 | 500.. => Class::MaybeApplied,
        _ => Class::Refused,
    }
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
