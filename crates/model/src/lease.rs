//! A lease: one process's right to work on a part, for as long as it shows signs of life.
//!
//! Leases keep processes out of each other's way; they are not what keeps data right. Whoever lost
//! one without noticing is stopped by the write alias of a later epoch, by the checkpoint that
//! somebody else moved, and by the versions of what it writes (`docs/concepts/protocol.md`).
//!
//! The engine offers no clock that all processes share. So a lease expires when whoever wants it has
//! **seen it unchanged** for its time to live, by a clock of its own that only goes forward.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{IndexName, MigrationName};

/// Who holds a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Different for each start of a process.
    pub process: String,
    /// The machine's name, for people.
    pub host: String,
    /// The process id, there.
    pub pid: u32,
    /// What tells whether process ids mean the same: one boot of one machine, one space of ids.
    /// Empty where the system does not say.
    #[serde(default)]
    pub space: String,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} on {}", self.pid, self.host)
    }
}

/// What stands in the cluster about one part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The migration.
    pub migration: MigrationName,
    /// The part.
    pub part: IndexName,
    /// Who holds it; `None` once it was given back.
    pub holder: Option<Holder>,
    /// How often it changed hands: outdates every earlier holder.
    pub generation: u64,
    /// Counts signs of life.
    pub beat: u64,
    /// How long it lives without one, in milliseconds.
    pub ttl_ms: u64,
}

/// What a claimant finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nobody holds it: it may be taken.
    Free,
    /// Somebody does.
    Held(Holder),
}

/// Whether the process that holds a lease is known to be dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It ran on this machine, and is gone.
    Dead,
    /// It runs, or nobody here can know.
    No,
}

/// Watches one lease that somebody else holds.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    seen: Option<(u64, u64, Duration)>,
}

impl Watched {
    /// Judges what stands in the cluster. `now` is the time since this process began, by a clock that
    /// only goes forward.
    pub fn judge(&mut self, there: Option<&Lease>, known: Known, now: Duration) -> Claim {
        let Some(lease) = there else { return Claim::Free };
        let Some(holder) = &lease.holder else { return Claim::Free };
        if known == Known::Dead {
            return Claim::Free;
        }
        let state = (lease.generation, lease.beat);
        match self.seen {
            Some((generation, beat, since)) if (generation, beat) == state => {
                if now.saturating_sub(since) >= Duration::from_millis(lease.ttl_ms) {
                    return Claim::Free;
                }
            }
            _ => self.seen = Some((state.0, state.1, now)),
        }
        Claim::Held(holder.clone())
    }
}

impl Lease {
    /// The lease of the next holder.
    #[must_use]
    pub fn taken(
        there: Option<&Lease>,
        migration: &MigrationName,
        part: &IndexName,
        holder: Holder,
        ttl: Duration,
    ) -> Lease {
        Lease {
            migration: migration.clone(),
            part: part.clone(),
            holder: Some(holder),
            generation: there.map_or(0, |lease| lease.generation) + 1,
            beat: 0,
            ttl_ms: u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// The same with one more sign of life.
    #[must_use]
    pub fn beaten(&self) -> Lease {
        Lease { beat: self.beat + 1, ..self.clone() }
    }

    /// The same, given back.
    #[must_use]
    pub fn given_back(&self) -> Lease {
        Lease { holder: None, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(pid: u32) -> Holder {
        Holder { process: format!("{pid}-1"), host: "h".into(), pid, space: "s".into() }
    }

    fn lease(pid: u32) -> Lease {
        let (migration, part) = (MigrationName::new("m"), IndexName::new("a"));
        Lease::taken(None, &migration, &part, holder(pid), Duration::from_secs(30))
    }

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_nobody_holds_is_free() {
        let mut watched = Watched::default();
        assert_eq!(watched.judge(None, Known::No, at(0)), Claim::Free);
        assert_eq!(watched.judge(Some(&lease(1).given_back()), Known::No, at(0)), Claim::Free);
        assert_eq!(watched.judge(Some(&lease(1)), Known::Dead, at(0)), Claim::Free);
    }

    #[test]
    fn it_expires_only_after_it_was_seen_unchanged_for_its_whole_life() {
        let mut watched = Watched::default();
        let (one, held) = (lease(1), Claim::Held(holder(1)));
        // The first look says nothing about how long it has been so.
        assert_eq!(watched.judge(Some(&one), Known::No, at(1000)), held);
        assert_eq!(watched.judge(Some(&one), Known::No, at(1029)), held);
        let beaten = one.beaten();
        assert_eq!(watched.judge(Some(&beaten), Known::No, at(1031)), held, "a sign of life");
        assert_eq!(watched.judge(Some(&beaten), Known::No, at(1060)), held);
        assert_eq!(watched.judge(Some(&beaten), Known::No, at(1061)), Claim::Free);
    }

    #[test]
    fn another_holder_starts_its_own_time() {
        let mut watched = Watched::default();
        let one = lease(1);
        assert_eq!(watched.judge(Some(&one), Known::No, at(0)), Claim::Held(holder(1)));
        let two =
            Lease::taken(Some(&one), &one.migration.clone(), &one.part.clone(), holder(2), at(30));
        assert_eq!(two.generation, 2);
        assert_eq!(watched.judge(Some(&two), Known::No, at(31)), Claim::Held(holder(2)));
        assert_eq!(watched.judge(Some(&two), Known::No, at(60)), Claim::Held(holder(2)));
        assert_eq!(watched.judge(Some(&two), Known::No, at(61)), Claim::Free);
    }
}
