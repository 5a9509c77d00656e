//! What stops a pipeline, as opposed to what refuses one document.

use std::path::PathBuf;

use segue_model::recipe::Script;

/// What stops a pipeline. None of these is a document's fault.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of rows can't be read or written.
    #[error("lookup view {}: can't {action}", path.display())]
    Io {
        /// The view's file.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// A file of rows is incomplete, damaged or of another kind.
    #[error("lookup view {}: {problem}", path.display())]
    Torn {
        /// The view's file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A view was made for another lookup.
    #[error("lookup view {} was made for another lookup than `{name}`", path.display())]
    OtherLookup {
        /// The view's file.
        path: PathBuf,
        /// The lookup that asked for it.
        name: String,
    },
    /// A row isn't a JSON object.
    #[error("lookup `{name}`: a row isn't a json object: {problem}")]
    Row {
        /// The lookup.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Several rows have the key of a lookup that expects one.
    #[error(
        "lookup `{name}`: {rows} rows have the key `{key}`; one was expected (`multiple` allows more)"
    )]
    Ambiguous {
        /// The lookup.
        name: String,
        /// The key, cut to a readable length.
        key: String,
        /// How many rows have it.
        rows: usize,
    },
    /// A pipeline makes keys where the document has to keep its own.
    #[error("the pipeline makes ids of its own, and the document has to keep its id here")]
    Keyed,
    /// A pipeline refers to a lookup that it doesn't have.
    #[error("the pipeline copies from `{0}`, which no earlier step looks up")]
    UnknownLookup(String),
    /// A script can't be compiled.
    #[error("a script can't be compiled: line {line}, column {column}: {problem}")]
    Script {
        /// The script.
        script: Box<Script>,
        /// Line of the script, from 1.
        line: u64,
        /// Column in that line, from 1.
        column: u64,
        /// What is wrong there.
        problem: String,
    },
    /// The system gives no thread to run a script in.
    #[error("no thread for a script")]
    Thread(#[source] std::io::Error),
    /// The number of views differs from the number of lookups.
    #[error("the pipeline has {lookups} lookups, but {views} views were given")]
    Views {
        /// Lookups of the pipeline.
        lookups: usize,
        /// Views that were given.
        views: usize,
    },
}

/// Longest part of a value that a message repeats, characters.
const SHOWN: usize = 80;

/// A value for a message, cut to a readable length.
pub(crate) fn shown(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}
