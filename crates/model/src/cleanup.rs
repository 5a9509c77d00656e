//! Whether an index that is no longer needed may be deleted.
//!
//! Deleting is the one thing that nothing takes back. So every condition has to be seen to hold, and what
//! could not be looked at speaks against it like what was seen to be wrong.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::id::{AliasName, IndexName, IndexUuid, MigrationName};
use crate::part::PartState;
use crate::phase::Phase;

/// What a part leaves behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remains {
    /// The index.
    pub index: IndexName,
    /// What it was for.
    pub role: Role,
}

/// What an index was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The copy of the source, made at the switch.
    KeptCopy,
    /// The target, after the way back.
    Target,
}

impl Remains {
    /// The index that `state` leaves behind once the part is done with it.
    pub fn of(state: &PartState) -> Option<Remains> {
        let (index, role) = match state.phase {
            Phase::Watching | Phase::Finished => {
                (state.cutover.as_ref().map(|cutover| cutover.keep.clone()), Role::KeptCopy)
            }
            Phase::RolledBack => (state.target.clone(), Role::Target),
            _ => return None,
        };
        Some(Remains { index: index?, role })
    }
}

/// An answer, or why there is none.
pub type Look<T> = Result<T, String>;

/// The index as it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Its UUID.
    pub uuid: String,
    /// The UUID of the index it was cloned from.
    pub cloned_from: Option<String>,
    /// Which migration made it, for which part, by its `_meta`.
    pub made_by: Option<(String, String)>,
    /// The names that stand for it.
    pub aliases: Vec<AliasName>,
    /// Its documents.
    pub documents: u64,
    /// Its primaries' bytes.
    pub bytes: u64,
}

/// What the source's name stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Serving {
    /// The indices behind it; of an index its own name.
    pub indices: Vec<(IndexName, IndexUuid)>,
    /// Those of them with a primary that is not started.
    pub red: Vec<IndexName>,
}

/// Everything that was seen just before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The index; none = it is gone.
    pub found: Look<Option<Found>>,
    /// What the source's name stands for.
    pub serving: Look<Serving>,
    /// Whether anybody else's journal names the index.
    pub elsewhere: Look<Vec<(MigrationName, IndexName)>>,
    /// How long ago the names moved.
    pub age: Look<Duration>,
}

/// A reason to leave an index alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "doubt", rename_all = "snake_case")]
pub enum Doubt {
    /// Something could not be looked at.
    Unseen {
        /// What, and why.
        what: String,
    },
    /// The part is not done with it.
    NotFinished {
        /// Where it stands.
        phase: String,
    },
    /// It is not the index that was made.
    Foreign {
        /// How that shows.
        why: String,
    },
    /// Names stand for it.
    Aliased {
        /// The names.
        names: Vec<AliasName>,
    },
    /// Another part or migration has to do with it.
    Elsewhere {
        /// Whose, by migration and part.
        whose: Vec<String>,
    },
    /// The source's name does not stand for the one index that it should.
    NotServing {
        /// What it stands for.
        why: String,
    },
    /// It has to stay for longer.
    TooYoung {
        /// How long ago the names moved, in seconds.
        age_s: u64,
        /// How long it stays, in seconds.
        keep_s: u64,
    },
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Doubt::Unseen { what } => write!(f, "could not be looked at: {what}"),
            Doubt::NotFinished { phase } => write!(f, "its part is {phase}"),
            Doubt::Foreign { why } => write!(f, "it is not what was made: {why}"),
            Doubt::Aliased { names } => {
                let names: Vec<_> = names.iter().map(AliasName::as_str).collect();
                write!(f, "names stand for it: {}", names.join(", "))
            }
            Doubt::Elsewhere { whose } => write!(f, "the journal of {} names it", whose.join(", ")),
            Doubt::NotServing { why } => write!(f, "{why}"),
            Doubt::TooYoung { age_s, keep_s } => {
                write!(f, "the names moved {} ago, it is kept for {}", Span(*age_s), Span(*keep_s))
            }
        }
    }
}

/// Seconds, for people.
struct Span(u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            s @ 0..120 => write!(f, "{s} s"),
            s @ 120..7_200 => write!(f, "{} min", s / 60),
            s @ 7_200..172_800 => write!(f, "{} h", s / 3_600),
            s => write!(f, "{} days", s / 86_400),
        }
    }
}

/// Every reason against deleting `remains` of the part `source`; none = it may go.
pub fn doubts(
    migration: &MigrationName,
    source: &IndexName,
    state: &PartState,
    remains: &Remains,
    seen: &Seen,
    keep: Duration,
) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    if !matches!(state.phase, Phase::Finished | Phase::RolledBack) {
        doubts.push(Doubt::NotFinished { phase: state.phase.to_string() });
    }
    let unseen = |what: &String| Doubt::Unseen { what: what.clone() };
    match &seen.found {
        Err(what) => doubts.push(unseen(what)),
        Ok(None) => {}
        Ok(Some(found)) => {
            let why = foreign(migration, source, state, remains, found);
            doubts.extend(why.map(|why| Doubt::Foreign { why }));
            if !found.aliases.is_empty() {
                doubts.push(Doubt::Aliased { names: found.aliases.clone() });
            }
        }
    }
    match &seen.serving {
        Err(what) => doubts.push(unseen(what)),
        Ok(serving) => {
            let why = not_serving(source, state, remains, serving);
            doubts.extend(why.map(|why| Doubt::NotServing { why }));
        }
    }
    match &seen.elsewhere {
        Err(what) => doubts.push(unseen(what)),
        Ok(whose) if whose.is_empty() => {}
        Ok(whose) => {
            let whose = whose.iter().map(|(migration, part)| format!("{migration} ({part})"));
            doubts.push(Doubt::Elsewhere { whose: whose.collect() });
        }
    }
    match &seen.age {
        Err(what) => doubts.push(unseen(what)),
        Ok(age) if age >= &keep => {}
        Ok(age) => {
            doubts.push(Doubt::TooYoung { age_s: age.as_secs(), keep_s: keep.as_secs() });
        }
    }
    doubts
}

fn foreign(
    migration: &MigrationName,
    source: &IndexName,
    state: &PartState,
    remains: &Remains,
    found: &Found,
) -> Option<String> {
    match remains.role {
        Role::KeptCopy => {
            let known = state.source.as_ref().map(|identity| identity.uuid.as_str());
            (known.is_none() || found.cloned_from.as_deref() != known)
                .then(|| format!("it was not cloned from {source} as it was migrated"))
        }
        Role::Target => {
            let ours = (migration.as_str().to_owned(), source.as_str().to_owned());
            if found.made_by.as_ref() != Some(&ours) {
                return Some(format!("it was not made by {migration} for {source}"));
            }
            let known = state.target_uuid.as_ref().map(IndexUuid::as_str);
            (known != Some(found.uuid.as_str())).then(|| format!("its UUID is {}", found.uuid))
        }
    }
}

fn not_serving(
    source: &IndexName,
    state: &PartState,
    remains: &Remains,
    serving: &Serving,
) -> Option<String> {
    let [(index, uuid)] = serving.indices.as_slice() else {
        let names: Vec<_> = serving.indices.iter().map(|(index, _)| index.as_str()).collect();
        return Some(match names.as_slice() {
            [] => format!("{source} stands for nothing"),
            names => format!("{source} stands for several indices: {}", names.join(", ")),
        });
    };
    if !serving.red.is_empty() {
        return Some(format!("{index}, which serves {source}, misses a primary"));
    }
    match remains.role {
        Role::KeptCopy => {
            let serves = Some(index) == state.target.as_ref();
            if !serves || Some(uuid) != state.target_uuid.as_ref() {
                return Some(format!("{source} is not served by the target, but by {index}"));
            }
        }
        Role::Target if *index == remains.index => {
            return Some(format!("{source} is still served by {index}"));
        }
        Role::Target => {}
    }
    None
}

#[cfg(test)]
#[path = "cleanup_tests.rs"]
mod tests;
