//! A contradiction, and what to do about it.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// A contradiction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its stable name.
    #[serde(rename = "name")]
    pub kind: Kind,
    /// How bad it is.
    pub severity: Severity,
    /// What was seen, in words.
    pub what: String,
    /// What may be done next without harm.
    #[serde(skip)]
    pub next: Step,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nobody is harmed by it.
    Warning,
    /// Writes or reads go wrong by it, or could; or nobody can say.
    Error,
}

/// The stable names of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Something could not be looked at.
    CannotTell,
    /// The journal could not be read.
    JournalUnreadable,
    /// A record of the journal is missing, or there twice.
    JournalGap,
    /// A record does not follow from those before it.
    JournalUnfoldable,
    /// The part goes on all the time: what was seen does not belong together.
    Moving,
    /// A cutover was begun, has no end, and nobody works on it.
    CutoverUnended,
    /// A rollback was begun, has no end, and nobody works on it.
    RollbackUnended,
    /// A part is being given up, and nobody works on it.
    AbandonUnended,
    /// After the switch something of a redirect is left to be done, and nobody does it.
    RedirectUnended,
    /// Documents were left as the application wrote them, in the old shape.
    NotEnriched,
    /// The process that holds the lease is dead.
    LeaseOfDead,
    /// The source refuses writes, and no cutover runs.
    SourceBlocked,
    /// Nothing has the source's name.
    SourceMissing,
    /// Another index has the source's name than the one that is migrated.
    SourceReplaced,
    /// The target serves, and the journal says that the names have not moved.
    SwitchedUnrecorded,
    /// The old index serves, and the journal says that the names have moved.
    NotSwitched,
    /// The name stands for several indices.
    SeveralIndices,
    /// The name stands for an index that the journal does not know.
    ServesOther,
    /// The target is not there.
    TargetMissing,
    /// The target is another index than the one that was made.
    TargetReplaced,
    /// The target serves and refuses writes.
    TargetBlocked,
    /// Readers see the target's documents besides the source's.
    TargetShown,
    /// Readers by a name do not see the target's documents, though it serves.
    TargetHidden,
    /// What was relaxed while documents were carried still is.
    StillRelaxed,
    /// A target that was given up is still there.
    TargetLeft,
    /// A mark of an epoch that is over.
    StaleMark,
    /// A mark of an epoch that the journal does not know.
    UnknownMark,
    /// A mark on the index that serves.
    MarkOnServing,
    /// A target without any mark.
    MarkMissing,
    /// The kept copy is not there.
    KeptMissing,
    /// Something else has the kept copy's name.
    KeptReplaced,
    /// The kept copy takes writes, and nothing is carried back.
    KeptOpen,
    /// A pipeline sends writes on, and no cutover runs.
    RedirectInForce,
    /// A pipeline sends writes on to an index that is not there.
    RedirectTargetMissing,
    /// A pipeline of a redirect that is over.
    RedirectLeft,
}

impl Kind {
    /// How bad it is.
    pub fn severity(self) -> Severity {
        match self {
            Kind::AbandonUnended
            | Kind::RedirectUnended
            | Kind::NotEnriched
            | Kind::LeaseOfDead
            | Kind::StillRelaxed
            | Kind::TargetLeft
            | Kind::StaleMark
            | Kind::MarkOnServing
            | Kind::MarkMissing
            | Kind::KeptOpen
            | Kind::RedirectLeft => Severity::Warning,
            _ => Severity::Error,
        }
    }

    /// The name, as JSON and the documentation have it.
    pub fn name(self) -> String {
        match serde_json::to_value(self) {
            Ok(Value::String(name)) => name,
            _ => format!("{self:?}"),
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Warning => "warning",
            Severity::Error => "error",
        })
    }
}

/// What may be done next without harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Run it again.
    Run,
    /// Give the part up.
    Abandon,
    /// Clean up.
    Cleanup,
    /// Look again.
    Doctor,
    /// One request.
    Request {
        /// Its method.
        method: &'static str,
        /// Its path, from the slash.
        path: String,
        /// Its body.
        body: Option<Value>,
    },
}

impl Step {
    /// A look that changes nothing.
    pub fn look(path: impl Into<String>) -> Step {
        Step::Request { method: "GET", path: path.into(), body: None }
    }

    /// A change.
    pub fn put(path: impl Into<String>, body: Value) -> Step {
        Step::Request { method: "PUT", path: path.into(), body: Some(body) }
    }

    /// A change of names.
    pub fn aliases(actions: &[Value]) -> Step {
        let body = serde_json::json!({ "actions": actions });
        Step::Request { method: "POST", path: "/_aliases".to_owned(), body: Some(body) }
    }

    /// A deletion.
    pub fn delete(path: impl Into<String>) -> Step {
        Step::Request { method: "DELETE", path: path.into(), body: None }
    }

    /// The command line to type. `arguments` are the recipe with what fills its variables and chooses
    /// the part, ready for a shell; `url` is the cluster's.
    pub fn command(&self, arguments: &str, url: &str) -> String {
        let verb = match self {
            Step::Run => "run",
            Step::Abandon => "abandon",
            Step::Cleanup => "cleanup",
            Step::Doctor => "doctor",
            Step::Request { method, path, body } => {
                let url = word(&format!("{}{path}", url.trim_end_matches('/')));
                return match body {
                    None => format!("curl -X {method} {url}"),
                    Some(body) => format!(
                        "curl -X {method} {url} -H 'content-type: application/json' -d {}",
                        word(&body.to_string())
                    ),
                };
            }
        };
        format!("segue {verb} {arguments}")
    }
}

/// `text` as one word of a shell.
pub fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}
