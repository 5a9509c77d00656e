//! What makes a file, or the rest of it, unreadable.

use std::path::{Path, PathBuf};

/// Why a file cannot be read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be opened.
    #[error("cannot open {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Reading failed on the way; a compressed file that ends too early, too.
    #[error("{path}:{line}: cannot be read any further")]
    Read {
        /// The file.
        path: PathBuf,
        /// The line that was reached, from 1.
        line: u64,
        /// What the system or the decompressor said.
        #[source]
        source: std::io::Error,
    },
    /// It is not written as it should be, and nothing after this place can be told apart.
    #[error("{path}:{line}:{column}: {reason}")]
    Broken {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The column, from 1; 0 = not known.
        column: u64,
        /// What is wrong.
        reason: String,
    },
    /// Its header cannot name columns.
    #[error("{path}:1: {reason}")]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl Error {
    pub(crate) fn read(path: &Path, line: u64, source: std::io::Error) -> Error {
        Error::Read { path: path.to_owned(), line, source }
    }

    pub(crate) fn header(path: &Path, reason: impl Into<String>) -> Error {
        Error::Header { path: path.to_owned(), reason: reason.into() }
    }
}
