//! Sabotage: a guard of the protocol taken away, to see that the model notices.

use std::fmt;

use segue_model::invariants::Invariant;

/// A guard that is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// Bulks are plain index operations.
    PlainWrites,
    /// A pass ends at the highest number given out.
    EndAtMaxSeqNo,
    /// The source is refreshed before its checkpoint is asked for.
    RefreshFirst,
    /// Bulks do not go through the write mark.
    UnfencedBulks,
    /// The switch does not take the write mark.
    UnfencedSwitch,
    /// The source is opened without the opening mark.
    UnfencedOpening,
    /// The source is closed by its name, so that a request that comes late closes it again.
    LateClose,
    /// The source is not closed.
    NoBlock,
    /// The source is closed by its settings, which does not wait for writes under way.
    BlockBySettings,
    /// No audit of deletes.
    NoAudit,
    /// The audit of deletes is not repeated with the source closed.
    AuditOnlyBefore,
    /// The target forgets deletes while late bulks of the epoch are on their way.
    ForgetEarly,
    /// Dead letters are written after the switch with a version of ours.
    ReplayByVersion,
    /// No watchdog.
    NoWatchdog,
    /// Records of the journal are written over.
    JournalOverwrites,
    /// A position reached under an earlier primary is relied upon.
    TrustOldPrimary,
    /// What a primary said is relied upon before it is known to be the one we think.
    RelyAtOnce,
    /// The last pass of a redirect writes versions of ours.
    RedirectByVersion,
    /// A redirect does not wait for requests that began before.
    NoDrain,
    /// A redirect neither waits for them nor closes the source.
    RedirectUnblocked,
    /// A target is made without a mark.
    NoFirstMark,
}

/// A sabotage, where it shows, and which promises may break by it.
#[derive(Clone, Copy, Debug)]
pub struct Control {
    /// What is taken away.
    pub sabotage: Sabotage,
    /// The scenario in which it shows.
    pub scenario: &'static str,
    /// The promise that breaks first.
    pub breaks: Invariant,
}

use Invariant as I;
use Sabotage as S;

const fn control(sabotage: S, scenario: &'static str, breaks: I) -> Control {
    Control { sabotage, scenario, breaks }
}

/// Every negative control.
pub const CONTROLS: [Control; 21] = [
    control(S::PlainWrites, "late bulks", I::NothingStale),
    control(S::EndAtMaxSeqNo, "copy", I::NothingLost),
    control(S::RefreshFirst, "copy", I::NothingLost),
    control(S::UnfencedBulks, "late bulks", I::NothingResurrected),
    control(S::UnfencedSwitch, "cutover", I::NothingStale),
    control(S::UnfencedOpening, "cutover", I::NothingStale),
    control(S::LateClose, "cutover", I::NotLeftClosed),
    control(S::NoBlock, "copy", I::NothingStale),
    control(S::BlockBySettings, "copy", I::NothingStale),
    control(S::NoAudit, "copy", I::NothingResurrected),
    control(S::AuditOnlyBefore, "copy", I::NothingResurrected),
    control(S::ForgetEarly, "late bulks", I::NothingResurrected),
    control(S::ReplayByVersion, "after the switch", I::NothingStale),
    control(S::NoWatchdog, "cutover", I::NotLeftClosed),
    control(S::JournalOverwrites, "cutover", I::OneJournal),
    control(S::NoFirstMark, "taken over", I::OwnConflicts),
    control(S::TrustOldPrimary, "failover", I::NothingLost),
    control(S::RelyAtOnce, "failover and crash", I::NothingLost),
    control(S::RedirectByVersion, "redirect", I::NothingStale),
    control(S::NoDrain, "redirect", I::NothingRefused),
    control(S::RedirectUnblocked, "redirect", I::OneTaker),
];

impl fmt::Display for Sabotage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            S::PlainWrites => "plain index operations",
            S::EndAtMaxSeqNo => "a pass ends at max_seq_no",
            S::RefreshFirst => "refresh before the checkpoint is read",
            S::UnfencedBulks => "bulks without the write alias",
            S::UnfencedSwitch => "a switch without must_exist",
            S::UnfencedOpening => "opening without the opening mark",
            S::LateClose => "closing without the closing mark",
            S::TrustOldPrimary => "a position of an earlier primary is relied upon",
            S::RelyAtOnce => "a pass is relied upon before it has held",
            S::NoBlock => "no block",
            S::BlockBySettings => "block by settings",
            S::NoAudit => "no delete audit",
            S::AuditOnlyBefore => "audit not repeated in the window",
            S::ForgetEarly => "tombstones expire under a late bulk",
            S::ReplayByVersion => "external version after the switch",
            S::NoWatchdog => "no watchdog",
            S::JournalOverwrites => "journal without op_type=create",
            S::RedirectByVersion => "a redirect with external versions in the last pass",
            S::NoDrain => "a redirect without the drains",
            S::RedirectUnblocked => "a redirect without block and drains",
            S::NoFirstMark => "a target without a first mark",
        })
    }
}
