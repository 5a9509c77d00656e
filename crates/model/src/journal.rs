//! The journal: what happened, in order, append-only.
//!
//! A **record** is one event of one stream. A stream is a part, or the migration as a whole. Records
//! are numbered without gaps from 1 and created with `op_type=create`, so that of two processes that
//! append the same number exactly one succeeds; the other reads again and decides anew. Wall time
//! stands in a record for people; nothing is decided by it but whether the time
//! for which something is kept is over.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::balance::Balance;
use crate::id::{AliasName, Epoch, HistoryUuid, IndexName, IndexUuid, MigrationName, SeqNo};
use crate::observe::AliasProps;
use crate::stamp::Versioning;
use crate::version::{Incarnation, Rewrite};

/// One record of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The migration it belongs to.
    pub migration: MigrationName,
    /// The part; `None` for events of the migration as a whole.
    pub part: Option<IndexName>,
    /// Its number in the stream, from 1.
    pub number: u64,
    /// When, in milliseconds since 1970; for people, and for retention.
    pub at_ms: u64,
    /// Which process wrote it.
    pub by: String,
    /// What happened.
    pub event: Event,
}

/// What a source index was when its numbers were first relied upon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceIdentity {
    /// Its UUID.
    pub uuid: IndexUuid,
    /// Each shard's history, by shard number.
    pub histories: Vec<HistoryUuid>,
    /// The other indices, where several are merged into one target: then the UUIDs stand with commas between,
    /// and the shards are numbered through.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<IndexName>,
}

/// What a verification counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifySummary {
    /// Documents of the source that were compared.
    pub source: u64,
    /// Documents of the target that were compared.
    pub target: u64,
    /// Documents of the source that the recipe filters.
    #[serde(default)]
    pub filtered: u64,
    /// Documents of the source that are missing from the target as dead letters.
    #[serde(default)]
    pub dead_lettered: u64,
    /// Records of files whose id a later record has, where the recipe lets the last one stand.
    #[serde(default)]
    pub superseded: u64,
    /// Documents that changed in the source meanwhile; compared again in the window.
    pub lagging: u64,
    /// Divergences by class; empty when equal.
    pub divergences: BTreeMap<String, u64>,
}

/// What the way back needs to know of a source before its names move.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Before {
    /// Its aliases, with what each added.
    pub aliases: BTreeMap<AliasName, AliasProps>,
    /// Those of its settings that the kept copy has otherwise; null where it had none.
    pub settings: BTreeMap<String, Value>,
    /// The fingerprint of the recipe's pipeline, without the rows of its lookups.
    pub pipeline: String,
    /// Whether the kept copy is made with a mark, so that it has one as long as there is a way back.
    /// Older versions made it without.
    pub marked: bool,
}

/// What the cutover's window cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutoverWindow {
    /// From the block to the switch: how long the old name refused writes, in milliseconds.
    /// Unknown if the process died in between.
    pub closed_ms: Option<u64>,
    /// Documents that the last pass carried.
    pub last_pass: u64,
    /// Mode redirect: how long writes were sent on before the switch, in milliseconds.
    #[serde(default)]
    pub redirected_ms: Option<u64>,
}

/// What can happen to a migration or a part. Persisted: variants and fields are only ever added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Migration: a plan was adopted.
    PlanAdopted {
        /// Its hash.
        plan: String,
    },
    /// Migration: a lookup was pinned; every transform from here on reads this view.
    LookupPinned {
        /// The lookup, by its name in the recipe.
        lookup: String,
        /// Counts the views of this lookup, from 0.
        epoch: u8,
        /// The index that was read.
        index: IndexName,
        /// Its UUID at that time.
        uuid: IndexUuid,
        /// Each shard's global checkpoint at that time.
        checkpoints: Vec<SeqNo>,
        /// Rows in the view.
        rows: u64,
        /// The view's content, as a hash.
        hash: String,
    },
    /// The target is about to be made.
    PrepareStarted {
        /// The source as it was found.
        source: SourceIdentity,
        /// The target's name.
        target: IndexName,
        /// The pipeline's fingerprint.
        pipeline: String,
        /// Whose versions the target's documents are to carry.
        #[serde(default)]
        versioning: Versioning,
    },
    /// The target exists and is ours.
    Prepared {
        /// The target's UUID.
        target_uuid: IndexUuid,
        /// Which meaning operation numbers have.
        incarnation: Incarnation,
        /// Which projection of them is being written.
        rewrite: Rewrite,
    },
    /// A write alias is about to be put in force, and the older ones out of it.
    EpochOpened {
        /// Its number.
        epoch: Epoch,
    },
    /// Everything has to be projected anew.
    Restarted {
        /// The source as it is now.
        source: SourceIdentity,
        /// Which meaning operation numbers have from here on.
        incarnation: Incarnation,
        /// Which projection of them is being written from here on.
        rewrite: Rewrite,
        /// The pipeline's fingerprint from here on.
        pipeline: String,
        /// Why.
        reason: String,
    },
    /// The first pass is through.
    Backfilled,
    /// Passes over changes go on.
    CatchUpStarted,
    /// A comparison of source and target begins.
    VerifyStarted,
    /// Source and target are equal.
    Verified {
        /// Up to which number of each shard.
        positions: Vec<SeqNo>,
        /// What was counted.
        summary: VerifySummary,
    },
    /// Source and target differ.
    Diverged {
        /// In one sentence.
        reason: String,
        /// What was counted.
        summary: VerifySummary,
    },
    /// The cutover begins: from here on the source may be found blocked.
    CutoverStarted {
        /// The epoch whose write alias decides between switch and back-out.
        epoch: Epoch,
        /// The copy of the source that is kept for the way back.
        keep: IndexName,
        /// The names that will move, besides the source's own.
        aliases: Vec<AliasName>,
        /// The source before; unknown in records of older versions.
        #[serde(default)]
        before: Option<Box<Before>>,
    },
    /// Mode swap: the alias is about to move; from here on the generation that served may be blocked.
    SwapStarted {
        /// The epoch whose write alias decides between swap and back-out.
        epoch: Epoch,
        /// The alias.
        alias: AliasName,
        /// The generation that it stands for; none = it is new.
        from: Option<IndexName>,
    },
    /// Mode redirect: an ingest pipeline is about to send the source's writes on to the target. From
    /// here on segue writes no version of its own there.
    RedirectStarted {
        /// The target's highest number on each shard before any write of an application.
        cursor: Vec<SeqNo>,
        /// The pipeline's name.
        pipeline: String,
        /// The source's own default pipeline.
        #[serde(default)]
        default_pipeline: Option<String>,
        /// The source's own final pipeline.
        #[serde(default)]
        final_pipeline: Option<String>,
    },
    /// Mode redirect: the pipeline is in force, and every write that began before has ended.
    Redirected,
    /// Mode redirect: the closed source is carried to its end and compared.
    RedirectCarried {
        /// What became of the documents of the last pass.
        #[serde(default)]
        balance: Balance,
        /// Documents for which the application's own version in the target stands.
        #[serde(default)]
        superseded: u64,
        /// The first of their ids.
        #[serde(default)]
        named: Vec<String>,
    },
    /// Mode redirect: after the switch the last redirected write has ended, and the pipeline is gone.
    RedirectEnded {
        /// The target's highest number on each shard then.
        ends: Vec<SeqNo>,
    },
    /// Mode redirect: the part's pipeline was applied to the redirected documents.
    RedirectEnriched {
        /// Documents that were changed.
        #[serde(default)]
        enriched: u64,
        /// Documents that the pipeline leaves out or refuses: they stay as they were written.
        #[serde(default)]
        left: u64,
        /// The first of their ids, with the reason.
        #[serde(default)]
        named: Vec<String>,
    },
    /// Everything is carried over; from here on any name may be found moved.
    Switching {
        /// The target's highest number on each shard before any write of an application.
        cursor: Vec<SeqNo>,
    },
    /// The names were seen to point at the target.
    Switched {
        /// What it cost.
        window: CutoverWindow,
    },
    /// The cutover was given up; the source takes writes again.
    BackedOut {
        /// Why.
        reason: String,
    },
    /// What applications write to the target is carried back into the kept copy from here on.
    ReverseFeedStarted {
        /// Which meaning operation numbers have there: above every version the copy holds.
        incarnation: Incarnation,
    },
    /// The time to watch is over.
    WatchEnded,
    /// Stopped on purpose or by a limit.
    Paused {
        /// Why.
        reason: String,
    },
    /// Stopped by an error.
    Failed {
        /// Why.
        reason: String,
    },
    /// Goes on after a pause or a failure.
    Resumed,
    /// The way back begins: from here on the target may be found blocked.
    RollbackStarted {
        /// Whether what was written since the switch stays behind.
        #[serde(default)]
        discards: bool,
    },
    /// The way back was given up; the target takes writes again.
    RollbackBackedOut {
        /// Why.
        reason: String,
    },
    /// The old index serves again.
    RolledBack {
        /// What it cost.
        #[serde(default)]
        window: CutoverWindow,
    },
    /// Giving up begins: from here on anything that was made may be gone.
    AbandonStarted,
    /// Given up before the switch.
    Abandoned,
    /// What was given up is begun anew, as if it had never been.
    BegunAnew {
        /// Which meaning operation numbers have from here on.
        incarnation: Incarnation,
    },
    /// An index of ours is no longer needed: from here on it may be gone.
    Retired {
        /// Its name.
        index: IndexName,
        /// Its UUID.
        uuid: IndexUuid,
    },
}

impl Event {
    /// The event's name as it is stored.
    pub fn name(&self) -> &'static str {
        match self {
            Event::PlanAdopted { .. } => "plan_adopted",
            Event::LookupPinned { .. } => "lookup_pinned",
            Event::PrepareStarted { .. } => "prepare_started",
            Event::Prepared { .. } => "prepared",
            Event::EpochOpened { .. } => "epoch_opened",
            Event::Restarted { .. } => "restarted",
            Event::Backfilled => "backfilled",
            Event::CatchUpStarted => "catch_up_started",
            Event::VerifyStarted => "verify_started",
            Event::Verified { .. } => "verified",
            Event::Diverged { .. } => "diverged",
            Event::CutoverStarted { .. } => "cutover_started",
            Event::SwapStarted { .. } => "swap_started",
            Event::RedirectStarted { .. } => "redirect_started",
            Event::Redirected => "redirected",
            Event::RedirectCarried { .. } => "redirect_carried",
            Event::RedirectEnded { .. } => "redirect_ended",
            Event::RedirectEnriched { .. } => "redirect_enriched",
            Event::Switching { .. } => "switching",
            Event::Switched { .. } => "switched",
            Event::BackedOut { .. } => "backed_out",
            Event::WatchEnded => "watch_ended",
            Event::Paused { .. } => "paused",
            Event::Failed { .. } => "failed",
            Event::Resumed => "resumed",
            Event::ReverseFeedStarted { .. } => "reverse_feed_started",
            Event::RollbackStarted { .. } => "rollback_started",
            Event::RollbackBackedOut { .. } => "rollback_backed_out",
            Event::RolledBack { .. } => "rolled_back",
            Event::AbandonStarted => "abandon_started",
            Event::Abandoned => "abandoned",
            Event::BegunAnew { .. } => "begun_anew",
            Event::Retired { .. } => "retired",
        }
    }
}
