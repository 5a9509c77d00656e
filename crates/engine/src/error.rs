//! What can stop a part or a run.

use segue_model::balance::Unbalanced;
use segue_model::gate::Predicate;
use segue_model::governor::WaitingOn;
use segue_model::id::{IndexName, SeqNo, Shard};
use segue_model::journal::VerifySummary;
use segue_model::part::PartState;
use segue_model::phase::IllegalEvent;
use segue_model::position::UnknownWindow;
use segue_model::version::OpOverflow;

/// The code of a part that another process works on.
pub const LEASED: &str = "SEG-E102";

/// Why work stopped before its end without anything being wrong. Running again goes on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// The user asked for it.
    #[error("interrupted")]
    Interrupted,
    /// The number of batches given with `--max-batches` is used up.
    #[error("the number of batches allowed for this run is used up")]
    Batches,
    /// The time given with `--for` is over.
    #[error("the time allowed for this run is over")]
    Time,
    /// The cluster or this machine stayed in bad health for longer than `health_wait`.
    #[error("waited {waited_s} s for better health in vain: {}", list(reasons))]
    Health {
        /// How long, in seconds.
        waited_s: u64,
        /// What was waited on.
        reasons: Vec<WaitingOn>,
    },
    /// Writers did not pause for as long as the recipe wants before the cutover.
    #[error("waited {waited_s} s in vain for {reason}")]
    Restless {
        /// How long, in seconds.
        waited_s: u64,
        /// What was waited on.
        reason: WaitingOn,
    },
    /// Another process works on the part, and did for longer than `health_wait`.
    #[error("waited {waited_s} s in vain: {reason}")]
    Leased {
        /// How long, in seconds.
        waited_s: u64,
        /// What was waited on.
        reason: WaitingOn,
    },
}

impl Stop {
    /// Whether the user wanted it, in this run or by what it was given.
    pub fn is_asked_for(&self) -> bool {
        matches!(self, Stop::Interrupted | Stop::Batches | Stop::Time)
    }
}

fn list(reasons: &[WaitingOn]) -> String {
    reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// An error of the engine.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cluster answered with an error, or not at all.
    #[error("{doing}")]
    Cluster {
        /// What was being done.
        doing: String,
        /// What came back.
        #[source]
        source: Box<segue_cluster::Error>,
    },
    /// The run stopped on purpose; nothing is wrong.
    #[error("stopped: {0}")]
    Stopped(Stop),
    /// Source and target differ.
    #[error("source and target differ: {reason}")]
    Diverged {
        /// In one sentence, with the first documents by name.
        reason: String,
        /// What was counted.
        summary: VerifySummary,
    },
    /// The gate refused the cutover.
    #[error("the gate refuses the cutover: {}", refusals(.0))]
    Gate(Vec<Predicate>),
    /// The cutover was begun and given up; the source takes writes again.
    #[error("the cutover was backed out: {reason}")]
    BackedOut {
        /// Why.
        reason: String,
    },
    /// The rollback was given up; the target takes writes again.
    #[error("the rollback was given up: {reason}")]
    RollbackBackedOut {
        /// Why.
        reason: String,
    },
    /// A rollback would lose what was written since the switch, and nobody has accepted that.
    #[error("a rollback would lose {0}: nothing was done")]
    WouldLose(String),
    /// Journal and cluster contradict each other; nothing is done before someone has looked.
    #[error("the journal and the cluster contradict each other: {}", .0.join("; "))]
    Contradiction(Vec<String>),
    /// The names have moved: there is nothing to give up any more.
    #[error("{part} is {phase}: only what has not switched can be given up")]
    Switched {
        /// The part.
        part: IndexName,
        /// Where it stands.
        phase: String,
    },
    /// Another process has taken over the part (or switched it).
    #[error("another process has taken over {part}: {how}")]
    TakenOver {
        /// The part.
        part: IndexName,
        /// How it showed.
        how: String,
    },
    /// The source became another index, or its history was replaced, while it was being read.
    #[error("{part} is not the index it was when this pass began: {what}")]
    SourceChanged {
        /// The part.
        part: IndexName,
        /// What changed.
        what: String,
    },
    /// The source holds documents that should have been read and were not.
    #[error(
        "{part} holds documents in shard {shard} that were never read, though everything up to there \
         was: {}",
        named(numbers)
    )]
    Missed {
        /// The part.
        part: IndexName,
        /// The shard.
        shard: Shard,
        /// The numbers of the first of them.
        numbers: Vec<SeqNo>,
    },
    /// A document of the source carries a version that no number of updates explains.
    #[error(
        "{part} holds {id:?} with version {version}, written by operation {seq_no} of its shard: no \
         number of updates explains it, so writers seem to send versions of their own, which would be \
         refused after the switch"
    )]
    GivenVersion {
        /// The part.
        part: IndexName,
        /// The document.
        id: String,
        /// Its version.
        version: u64,
        /// The operation that wrote it.
        seq_no: SeqNo,
    },
    /// Incarnations and rewrites of a target are used up.
    #[error("the versions of {target} are used up; a new target is needed")]
    VersionsUsedUp {
        /// The target.
        target: IndexName,
    },
    /// Documents would have to be written once more with versions that they have already.
    #[error(
        "{reason}, and the documents of {target} keep the versions of their source's, with which \
         each is written only once: a new target is needed (`segue abandon`, then run again)"
    )]
    PreservedOnce {
        /// The target.
        target: IndexName,
        /// Why they would have to be.
        reason: String,
    },
    /// The journal cannot be folded.
    #[error("record {record} of {part} in the journal does not follow from those before it")]
    Journal {
        /// The part.
        part: String,
        /// The record's number.
        record: u64,
        /// The contradiction.
        #[source]
        source: IllegalEvent,
    },
    /// The journal is not what it should be.
    #[error("the journal is damaged: {0}")]
    JournalDamaged(String),
    /// A batch does not add up.
    #[error("the balance of shard {shard} does not add up")]
    Unbalanced {
        /// The shard.
        shard: Shard,
        /// By how much.
        #[source]
        source: Unbalanced,
    },
    /// A window finished that was never begun.
    #[error("a window does not fit its shard")]
    Window(#[from] UnknownWindow),
    /// An operation number that does not fit the version layout.
    #[error("the source has too many operations")]
    Op(#[from] OpOverflow),
    /// The pipeline could not be prepared or a lookup view could not be read.
    #[error("the pipeline failed")]
    Transform(#[from] segue_transform::Error),
    /// A file of the source cannot be read, or not to its end.
    #[error("a file of the source cannot be read")]
    File(#[from] segue_files::Error),
    /// Local state could not be read or written.
    #[error("{doing} {path}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A stored value cannot be read.
    #[error("{what} cannot be read")]
    Stored {
        /// What.
        what: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A task of ours ended without an answer: a defect.
    #[error("a task ended without an answer: {0}")]
    Task(String),
    /// The watchdog could not be started; without it no source is blocked.
    #[error("the watchdog could not be started: {0}")]
    Watchdog(String),
    /// Something failed again and again.
    #[error("{what} was given up after {attempts} attempts in {waited_s} s: {reason}")]
    GivenUp {
        /// What was tried.
        what: String,
        /// How often.
        attempts: u32,
        /// For how long, in seconds.
        waited_s: u64,
        /// What the last attempt met.
        reason: String,
    },
    /// The user lacks a privilege.
    #[error("{what} is not allowed: {reason}")]
    Forbidden {
        /// What was tried.
        what: String,
        /// What the cluster said.
        reason: String,
    },
    /// An index of segue's own is not as segue makes it.
    #[error("{index} was not made by segue: {}", wrong.join("; "))]
    OwnIndex {
        /// The index.
        index: String,
        /// What is wrong with it, field by field.
        wrong: Vec<String>,
    },
    /// Dead letters of this part cannot be retried now.
    #[error("the dead letters of {part} cannot be retried: {why}")]
    NoRetry {
        /// The part.
        part: IndexName,
        /// Why, and what to do instead.
        why: String,
    },
    /// A part with several sources does not go back.
    #[error(
        "{part} was merged with others into {target}, and does not go back by itself: nothing says which of \
         them a document that was written since belongs to; the old indices are kept as {kept}"
    )]
    NoWayBack {
        /// The part.
        part: IndexName,
        /// The target.
        target: IndexName,
        /// The kept copies.
        kept: String,
    },
    /// A document of a roll-up is refused by its index, or somebody else keeps writing it.
    #[error("{id} cannot be written to {index}: {reason}")]
    RollupRefused {
        /// The document.
        id: String,
        /// The index.
        index: String,
        /// What the cluster said.
        reason: String,
    },
    /// The recipe asks for something that cannot be done here.
    #[error("{0}")]
    Recipe(String),
}

fn named(numbers: &[SeqNo]) -> String {
    let names: Vec<_> = numbers.iter().take(10).map(|n| format!("_seq_no {n}")).collect();
    names.join(", ")
}

fn refusals(predicates: &[Predicate]) -> String {
    let lines: Vec<_> = predicates
        .iter()
        .filter(|p| !p.holds)
        .map(|p| format!("{}: {}", p.name, p.shows))
        .collect();
    lines.join("; ")
}

/// How an error ends a run, see `docs/reference/cli.md` for the exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Something failed.
    Failed,
    /// A gate refused.
    Refused,
    /// Source and target differ.
    Diverged,
    /// A limit was reached; run again.
    Limit,
    /// The user interrupted.
    Interrupted,
}

impl Error {
    /// How this error ends a run.
    pub fn ending(&self) -> Ending {
        match self {
            Error::Stopped(Stop::Interrupted) => Ending::Interrupted,
            Error::Stopped(_) => Ending::Limit,
            Error::Diverged { .. } | Error::Missed { .. } => Ending::Diverged,
            Error::Gate(_)
            | Error::BackedOut { .. }
            | Error::RollbackBackedOut { .. }
            | Error::WouldLose(_)
            | Error::Contradiction(_)
            | Error::Switched { .. }
            | Error::NoRetry { .. }
            | Error::NoWayBack { .. }
            | Error::GivenVersion { .. } => Ending::Refused,
            _ => Ending::Failed,
        }
    }

    /// The stable code of this error, with a page in `docs/errors/`.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Cluster { source, .. } => source.code(),
            Error::Stopped(Stop::Leased { .. }) => LEASED,
            Error::Stopped(_) => "SEG-E101",
            Error::Diverged { .. } => "SEG-E201",
            Error::Gate(_) => "SEG-E202",
            Error::BackedOut { .. } => "SEG-E203",
            Error::Contradiction(_) => "SEG-E204",
            Error::TakenOver { .. } => "SEG-E205",
            Error::SourceChanged { .. } => "SEG-E206",
            Error::VersionsUsedUp { .. } | Error::PreservedOnce { .. } => "SEG-E207",
            Error::Missed { .. } => "SEG-E208",
            Error::Switched { .. } => "SEG-E210",
            Error::RollbackBackedOut { .. } => "SEG-E211",
            Error::WouldLose(_) => "SEG-E212",
            Error::GivenVersion { .. } => "SEG-E213",
            Error::NoRetry { .. } => "SEG-E214",
            Error::NoWayBack { .. } => "SEG-E215",
            Error::Journal { .. } | Error::JournalDamaged(_) => "SEG-E301",
            Error::Unbalanced { .. } | Error::Window(_) | Error::Task(_) => "SEG-E302",
            Error::Op(_) => "SEG-E303",
            Error::Transform(_) => "SEG-E304",
            Error::Io { .. } => "SEG-E305",
            Error::Stored { .. } => "SEG-E306",
            Error::Watchdog(_) => "SEG-E307",
            Error::Recipe(_) => "SEG-E308",
            Error::GivenUp { .. } => "SEG-E309",
            Error::Forbidden { .. } => "SEG-E310",
            Error::File(_) => "SEG-E311",
            Error::OwnIndex { .. } => "SEG-E312",
            Error::RollupRefused { .. } => "SEG-E313",
        }
    }

    /// Whether a cluster error of this class lies at the bottom.
    pub fn is_class(&self, class: segue_cluster::Class) -> bool {
        matches!(self, Error::Cluster { source, .. } if source.class() == class)
    }
}

/// Says what was being done when the cluster failed.
pub trait Doing<T> {
    /// Wraps the error with `doing`.
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T> Doing<T> for Result<T, segue_cluster::Error> {
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|source| Error::Cluster { doing: doing(), source: Box::new(source) })
    }
}

/// The part's phase does not allow what was to be done.
pub(crate) fn illegal(part: &IndexName, state: &PartState, source: IllegalEvent) -> Error {
    Error::Journal { part: part.to_string(), record: state.records + 1, source }
}

/// An error and its causes, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
