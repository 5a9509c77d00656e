//! What can go wrong with a sandbox.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::engine::Engine;

/// Why a sandbox could not be started, stopped or looked at.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither the environment nor the options say where to keep things.
    #[error("no place for sandboxes: set HOME, or XDG_STATE_HOME and XDG_CACHE_HOME")]
    NoPlace,
    /// The sandbox's name can't be a folder's name and a cluster's name.
    #[error("{0:?} is no name for a sandbox: use letters, digits, - and _")]
    Name(String),
    /// No JDK that the engine runs on, and none may be installed.
    #[error(
        "{engine} needs a JDK, release {} or newer, and none was found (JAVA_HOME, PATH, usual \
         folders); on Debian: apt-get install openjdk-17-jdk-headless maven",
        engine.oldest_java()
    )]
    NoJava {
        /// The engine that was to run.
        engine: Engine,
    },
    /// `mvn` is missing, and may not be installed.
    #[error(
        "the engine's jars are fetched with mvn, which was not found; on Debian: apt-get install maven"
    )]
    NoMaven,
    /// A program is missing, and may not be installed.
    #[error("{name} was not found; on Debian: apt-get install {package}")]
    NoProgram {
        /// Which program.
        name: String,
        /// The package that has it.
        package: String,
    },
    /// A program that was needed could not be run or failed.
    #[error("{program} failed: {reason}")]
    Program {
        /// Which program.
        program: String,
        /// What it said, or how it ended.
        reason: String,
    },
    /// The home holds the data of another engine or another number of nodes.
    #[error("{home} holds {found}, not {wanted}: use another name, or start fresh (its data goes)")]
    OtherShape {
        /// The sandbox's home.
        home: PathBuf,
        /// What is there.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// Fewer free ports than nodes.
    #[error("no {wanted} free ports from {from} to {to}")]
    NoPorts {
        /// How many were needed.
        wanted: usize,
        /// The first port tried.
        from: u16,
        /// The last port tried.
        to: u16,
    },
    /// A node's process ended while it was starting.
    #[error("{node} ended while starting; read {log}, which ends with:\n{tail}")]
    NodeEnded {
        /// The node's name.
        node: String,
        /// Its log.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
    /// The cluster did not form, or did not answer, in time.
    #[error(
        "the cluster did not answer within {within:?} ({seen}); read {log}, which ends with:\n{tail}"
    )]
    NotReady {
        /// How long was waited.
        within: Duration,
        /// What it last said.
        seen: String,
        /// The first node's log.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
    /// A process did not end, not even when killed.
    #[error("process {0} does not end")]
    Stuck(u32),
    /// There is no such node in the sandbox.
    #[error("the sandbox has no node {0}")]
    NoSuchNode(usize),
    /// Somebody else holds the sandbox.
    #[error("another process has held {path} for {waited:?}")]
    Busy {
        /// The lock file.
        path: PathBuf,
        /// How long was waited.
        waited: Duration,
    },
    /// A file or folder could not be used.
    #[error("cannot {doing} {path}")]
    File {
        /// What was tried, as a verb.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The sandbox's own record of itself can't be read.
    #[error("cannot read {path}: remove it, or start fresh")]
    Record {
        /// The record.
        path: PathBuf,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
}

/// Adds to an I/O result what was tried on which file.
pub(crate) trait OnFile<T> {
    fn on(self, doing: &'static str, path: impl Into<PathBuf>) -> Result<T, Error>;
}

impl<T> OnFile<T> for io::Result<T> {
    fn on(self, doing: &'static str, path: impl Into<PathBuf>) -> Result<T, Error> {
        self.map_err(|source| Error::File { doing, path: path.into(), source })
    }
}
