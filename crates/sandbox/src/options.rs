//! What a sandbox is asked to be.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::engine::Engine;
use crate::error::Error;

/// What to start, and where to keep it.
#[derive(Debug, Clone)]
pub struct Options {
    /// The sandbox's name; sandboxes of different names live beside each other.
    pub name: String,
    /// The engine; unset means the one the home was made with, else the newest this machine's
    /// Java can run.
    pub engine: Option<Engine>,
    /// Number of nodes, a process each; unset means as many as the home was made with, else 1.
    pub nodes: Option<usize>,
    /// Where data, logs and process ids live.
    pub home: PathBuf,
    /// Where jars are kept, shared by all sandboxes.
    pub cache: PathBuf,
    /// The first HTTP port tried; a port that is taken is passed over.
    pub port_base: u16,
    /// Memory of each node's heap.
    pub heap: Heap,
    /// Throw away what an earlier start left.
    pub fresh: bool,
    /// How long a node may live: it leaves by itself afterwards.
    pub max_life: Duration,
    /// How long a start may take, downloads not counted.
    pub start_timeout: Duration,
    /// May missing Java or Maven be installed (by root, on Debian)?
    pub install: bool,
}

impl Options {
    /// The name of a sandbox that was given none.
    pub const DEFAULT_NAME: &'static str = "default";
    /// The first HTTP port tried unless said otherwise.
    pub const DEFAULT_PORT_BASE: u16 = 9201;

    /// The options of the sandbox called `name`, with its home below the user's state folder
    /// (`XDG_STATE_HOME`, else `~/.local/state`) and the jars below the user's cache folder
    /// (`XDG_CACHE_HOME`, else `~/.cache`).
    ///
    /// # Errors
    /// [`Error::Name`] for a name that can't be a folder's, [`Error::NoPlace`] where the
    /// environment names neither folder.
    pub fn named(name: &str) -> Result<Self, Error> {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return Err(Error::Name(name.to_owned()));
        }
        if !name.chars().all(fits) || name.len() > 64 {
            return Err(Error::Name(name.to_owned()));
        }
        let state = user_folder("XDG_STATE_HOME", ".local/state")?;
        let cache = user_folder("XDG_CACHE_HOME", ".cache")?;
        Ok(Self {
            name: name.to_owned(),
            engine: None,
            nodes: None,
            home: state.join("segue/sandbox").join(name),
            cache: cache.join("segue/engines"),
            port_base: Self::DEFAULT_PORT_BASE,
            heap: Heap::from_mebibytes(1024),
            fresh: false,
            max_life: Duration::from_secs(24 * 3600),
            start_timeout: Duration::from_secs(180),
            install: true,
        })
    }

    /// The name of the cluster the nodes form.
    pub(crate) fn cluster_name(&self) -> String {
        format!("segue-sandbox-{}", self.name)
    }
}

fn user_folder(variable: &str, below_home: &str) -> Result<PathBuf, Error> {
    // The specification of these variables says that a relative path is to be ignored.
    let named = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    named
        .or_else(|| Some(std::env::home_dir().filter(|p| p.is_absolute())?.join(below_home)))
        .ok_or(Error::NoPlace)
}

/// The heap of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Heap {
    mebibytes: u32,
}

impl Heap {
    /// A heap of that many mebibytes.
    #[must_use]
    pub const fn from_mebibytes(mebibytes: u32) -> Self {
        Self { mebibytes }
    }

    /// Its size in mebibytes.
    #[must_use]
    pub const fn mebibytes(self) -> u32 {
        self.mebibytes
    }
}

impl fmt::Display for Heap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}m", self.mebibytes)
    }
}

/// A text that is no heap size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no heap size: use for example 512m or 2g, and at least 256m")]
pub struct HeapError(pub String);

impl FromStr for Heap {
    type Err = HeapError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || HeapError(text.to_owned());
        let lower = text.to_ascii_lowercase();
        let (digits, factor) = match (lower.strip_suffix('g'), lower.strip_suffix('m')) {
            (Some(digits), _) => (digits, 1024),
            (None, Some(digits)) => (digits, 1),
            (None, None) => return Err(refused()),
        };
        let count: u32 = digits.parse().map_err(|_| refused())?;
        let mebibytes = count.checked_mul(factor).filter(|&size| size >= 256);
        mebibytes.map(Self::from_mebibytes).ok_or_else(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heaps_are_read() {
        for (text, mebibytes) in [
            ("2g", Some(2048)),
            ("512m", Some(512)),
            ("1G", Some(1024)),
            ("256M", Some(256)),
            ("255m", None),
            ("2", None),
            ("g", None),
            ("-1g", None),
            ("4194304g", None),
        ] {
            assert_eq!(text.parse::<Heap>().ok().map(Heap::mebibytes), mebibytes, "{text:?}");
        }
    }

    #[test]
    fn a_name_never_leaves_the_state_folder() {
        for name in ["", "..", "a/b", "-x", "a b", ".hidden", "é"] {
            assert!(matches!(Options::named(name), Err(Error::Name(_))), "{name:?}");
        }
        let options = Options::named("ci-2").expect("a fine name");
        assert!(options.home.ends_with("segue/sandbox/ci-2"), "{:?}", options.home);
    }
}
