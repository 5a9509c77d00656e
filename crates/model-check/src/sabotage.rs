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
    /// A target or a kept copy is made without a mark.
    NoFirstMark,
    /// A back-out that finds no marks opens the source, whoever has closed it.
    OpenWithoutMarks,
    /// A rollback moves the names without a last pass.
    NoLastFeed,
    /// What is fed back has versions of an incarnation that the kept copy knows.
    SameIncarnation,
    /// The window of a rollback does not count.
    NoCounts,
    /// The kept copy is closed by its name.
    UnfencedKept,
    /// A rollback without a feed marks the kept copy only once its watchdog runs.
    LateMark,
    /// A target is deleted by its name alone.
    UnfencedDelete,
    /// A redirect is taken back without feeding back.
    NoFeedBack,
    /// A redirect is taken back without waiting for what is still sent on.
    NoUndoDrain,
    /// What is fed back replaces whatever the source has.
    UndoOverwrites,
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
pub const CONTROLS: [Control; 41] = [
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
    control(S::NoLastFeed, "rollback", I::NothingStale),
    control(S::NoBlock, "rollback", I::OneTaker),
    control(S::BlockBySettings, "rollback", I::OneTaker),
    control(S::SameIncarnation, "rollback", I::NothingStale),
    control(S::NoCounts, "rollback", I::NothingResurrected),
    control(S::UnfencedSwitch, "rollback late", I::OneTaker),
    control(S::LateClose, "rollback late", I::NotLeftClosed),
    control(S::UnfencedOpening, "rollback and crash", I::OneTaker),
    control(S::NoWatchdog, "rollback and crash", I::NotLeftClosed),
    control(S::UnfencedBulks, "rollback taken over", I::OwnConflicts),
    control(S::NoFirstMark, "rollback taken over", I::OwnConflicts),
    control(S::UnfencedKept, "end of the watch", I::NotLeftClosed),
    control(S::UnfencedKept, "rollback without a feed", I::NotLeftClosed),
    control(S::LateMark, "rollback without a feed", I::NotLeftClosed),
    control(S::LateClose, "abandon", I::NotLeftClosed),
    control(S::OpenWithoutMarks, "begun anew after a cutover", I::NothingStale),
    control(S::UnfencedDelete, "begun anew", I::NotLeftClosed),
    control(S::NoFeedBack, "redirect taken back", I::NothingStale),
    control(S::NoUndoDrain, "redirect taken back", I::NothingStale),
    control(S::UndoOverwrites, "redirect taken back", I::NothingStale),
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
            S::NoFirstMark => "a target or a kept copy without a first mark",
            S::OpenWithoutMarks => "opening where there are no marks",
            S::NoLastFeed => "a rollback without the last feed",
            S::SameIncarnation => "a feed in an incarnation that is there",
            S::NoCounts => "a rollback without counts in the window",
            S::UnfencedKept => "closing the kept copy by its name",
            S::NoFeedBack => "a redirect taken back without feeding back",
            S::NoUndoDrain => "a redirect taken back without the drain",
            S::UndoOverwrites => "feeding back over what is newer",
            S::UnfencedDelete => "giving up by a plain delete",
            S::LateMark => "a rollback that marks the kept copy after its watchdog",
        })
    }
}
