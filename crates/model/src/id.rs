//! Names and numbers that must not be mixed up.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(String);

        impl $type {
            /// Takes the text as it is; whether the engine accepts it shows when it is used.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

name!(
    /// The name of a concrete index. It can come to mean another index; see [`IndexUuid`].
    IndexName
);
name!(
    /// The name of an alias.
    AliasName
);
name!(
    /// Which incarnation of an index a name means; a re-created index has another one.
    IndexUuid
);
name!(
    /// Which history a shard follows. A restored or force-allocated shard has another one, and its
    /// sequence numbers then mean other operations.
    HistoryUuid
);
name!(
    /// A migration: the recipe's `name`. Key of journal and checkpoints.
    MigrationName
);

/// A number that the engine gave to one operation on one shard (`_seq_no`); −1 is "before all".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SeqNo(pub i64);

impl SeqNo {
    /// Before every operation of a shard.
    pub const NONE: SeqNo = SeqNo(-1);
}

impl fmt::Display for SeqNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A shard of an index, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shard(pub u32);

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which write alias of a part is in force. Each cutover attempt and each new process opens the
/// next one, and so shuts out whatever still works under an older one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u32);

impl Epoch {
    /// The one after this.
    pub fn next(self) -> Epoch {
        Epoch(self.0 + 1)
    }

    /// The hidden alias of `target` through which every bulk of this epoch goes.
    pub fn write_alias(self, target: &IndexName) -> AliasName {
        AliasName::new(format!("{}{target}-{}", crate::cutover::WRITE_ALIAS, self.0))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
