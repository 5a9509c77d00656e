//! What a run tells while it goes on. The caller shows it; nothing depends on it.

use std::sync::Arc;
use std::time::Duration;

use segue_model::id::IndexName;

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Progress {
    /// A part entered a phase.
    Phase {
        /// The part.
        part: IndexName,
        /// The phase, as text.
        phase: String,
    },
    /// How many documents a part's pass is expected to carry.
    Expected {
        /// The part.
        part: IndexName,
        /// Documents.
        documents: u64,
    },
    /// Documents were carried.
    Carried {
        /// The part.
        part: IndexName,
        /// Documents read.
        documents: u64,
        /// Bytes of the bulk requests.
        bytes: u64,
    },
    /// Documents were compared.
    Compared {
        /// The part.
        part: IndexName,
        /// Documents of both sides.
        documents: u64,
    },
    /// A step ended.
    Step {
        /// The part; `None` for the run as a whole.
        part: Option<IndexName>,
        /// What it was.
        step: &'static str,
        /// How long it took.
        took: Duration,
    },
    /// Nothing is sent for now.
    Waiting {
        /// Why; empty when the wait is over.
        reasons: Vec<String>,
    },
    /// Something worth reading.
    Note {
        /// The part; `None` for the run as a whole.
        part: Option<IndexName>,
        /// What.
        text: String,
    },
}

/// Who is told.
#[derive(Clone)]
pub struct Listener(Arc<dyn Fn(Progress) + Send + Sync>);

impl Listener {
    /// Tells `tell`.
    pub fn new(tell: impl Fn(Progress) + Send + Sync + 'static) -> Listener {
        Listener(Arc::new(tell))
    }

    /// Passes one thing on.
    pub fn tell(&self, progress: Progress) {
        (self.0)(progress);
    }

    /// A note about `part`.
    pub fn note(&self, part: &IndexName, text: impl Into<String>) {
        self.tell(Progress::Note { part: Some(part.clone()), text: text.into() });
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listener")
    }
}
