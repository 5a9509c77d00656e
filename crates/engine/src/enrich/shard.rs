//! One shard of a target while it is enriched: its position, and what became of its documents.

use std::time::{Duration, Instant};

use segue_model::balance::Balance;
use segue_model::checkpoint::{Checkpoint, Continuation, ShardIdentity};
use segue_model::id::{IndexName, SeqNo, Shard};
use segue_model::pass::{Log, Reach};
use segue_model::version::{Incarnation, Rewrite};

use crate::checkpoint_store::{CheckpointStore, Kept};
use crate::error::Error;

/// How long a position may wait to be stored: what a crash makes us look at once more.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// One shard while it is enriched.
#[derive(Debug)]
pub(super) struct EnrichedShard {
    store: CheckpointStore,
    kept: Kept,
    saved: Instant,
    checkpoint: Checkpoint,
    end: SeqNo,
    /// What the checkpoint's `pass_from` becomes once the pass has held.
    then_from: SeqNo,
    /// The highest number given out when the last pass had ended; `None` = not known.
    shown_to: Option<SeqNo>,
}

/// The shard where it was left, else at `begin`. Where its numbers mean other operations by now, from the
/// very beginning: to look at a document that has been enriched costs time and does nothing.
pub(super) fn resume(
    store: CheckpointStore,
    kept: Kept,
    number: u32,
    now: ShardIdentity,
    begin: Option<SeqNo>,
) -> EnrichedShard {
    // Nothing is written with a version, so none of its fields says anything here.
    let written = (Incarnation::FIRST, Rewrite::FIRST);
    let start = |identity: ShardIdentity, from: SeqNo| {
        let start = Checkpoint::start(Shard(number), identity, written.0, written.1);
        Checkpoint { position: from, pass_from: from, ..start }
    };
    let from = begin.unwrap_or(SeqNo::NONE);
    let before = kept.checkpoint.clone().unwrap_or_else(|| start(now.clone(), from));
    let balance = before.balance.clone();
    let checkpoint = Checkpoint::resume(Some(before), Shard(number), now.clone(), written)
        .unwrap_or_else(|| Checkpoint { balance, ..start(now, SeqNo::NONE) });
    EnrichedShard {
        store,
        kept,
        saved: Instant::now(),
        end: checkpoint.position,
        then_from: checkpoint.pass_from,
        shown_to: None,
        checkpoint,
    }
}

impl EnrichedShard {
    pub(super) fn shard(&self) -> Shard {
        self.checkpoint.shard
    }

    pub(super) fn position(&self) -> SeqNo {
        self.checkpoint.position
    }

    pub(super) fn end_of_pass(&self) -> SeqNo {
        self.end
    }

    /// Begins a pass up to where `log` says it ends; how many operations lie ahead.
    pub(super) fn begin(
        &mut self,
        target: &IndexName,
        now: ShardIdentity,
        log: Log,
    ) -> Result<u64, Error> {
        if self.checkpoint.continuation(&now) == Continuation::Void {
            let what = format!("shard {} follows another history", self.shard());
            return Err(Error::SourceChanged { part: target.clone(), what });
        }
        let other_primary = now.primary_term != self.checkpoint.identity.primary_term;
        let reach = Reach {
            position: self.checkpoint.position,
            pass_from: self.checkpoint.pass_from,
            shown_to: self.shown_to.take(),
        };
        let begun = reach.begin(log, other_primary);
        self.checkpoint.identity = now;
        self.checkpoint.position = begun.position;
        self.then_from = begun.pass_from;
        self.end = log.pass_end();
        Ok(u64::try_from(self.end.0 - begun.position.0).unwrap_or(0))
    }

    /// Everything up to `position` was looked at.
    pub(super) fn finish(&mut self, position: SeqNo, balance: &Balance) -> Result<(), Error> {
        let shard = self.shard();
        balance.check().map_err(|source| Error::Unbalanced { shard, source })?;
        self.checkpoint.balance.add(balance);
        self.checkpoint.position = position;
        Ok(())
    }

    /// The pass has ended and held; `max_seq_no` was asked for since.
    pub(super) fn end(&mut self, max_seq_no: SeqNo) {
        self.checkpoint.pass_from = self.then_from;
        self.shown_to = Some(max_seq_no);
    }

    /// The pass is not to be trusted: it is repeated from where it began.
    pub(super) fn step_back(&mut self) {
        self.checkpoint.position = self.checkpoint.pass_from;
    }

    /// Stores the position if that was not done for a while.
    pub(super) async fn save_if_due(&mut self) -> Result<(), Error> {
        if self.saved.elapsed() < SAVE_EVERY {
            return Ok(());
        }
        self.save().await
    }

    /// Stores the position.
    pub(super) async fn save(&mut self) -> Result<(), Error> {
        self.store.save(&mut self.kept, &self.checkpoint).await?;
        self.saved = Instant::now();
        Ok(())
    }
}
