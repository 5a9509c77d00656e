//! How far one file is: its windows, its checkpoint and its balance.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use segue_model::balance::Balance;
use segue_model::checkpoint::{Checkpoint, ShardIdentity};
use segue_model::id::{SeqNo, Shard};
use segue_model::position::{Prefix, Window};

use crate::checkpoint_store::{CheckpointStore, Kept};
use crate::error::Error;
use crate::pass::Lineage;

/// How long finished windows may wait for their checkpoint: what a crash makes us repeat.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// How far one file is.
#[derive(Debug)]
pub(super) struct Ledger {
    store: CheckpointStore,
    state: Mutex<State>,
    kept: tokio::sync::Mutex<(Kept, Instant)>,
}

#[derive(Debug)]
struct State {
    checkpoint: Checkpoint,
    windows: Prefix,
}

impl Ledger {
    /// Goes on where `kept` says, if that is about the same file.
    pub(super) fn open(
        store: CheckpointStore,
        kept: Kept,
        number: Shard,
        identity: &ShardIdentity,
        lineage: &Lineage,
    ) -> Ledger {
        let written = (lineage.incarnation, lineage.rewrite);
        let same = |kept: &Checkpoint| kept.identity == *identity;
        let known = kept.checkpoint.clone().filter(same);
        let start = || Checkpoint::start(number, identity.clone(), written.0, written.1);
        let checkpoint = known.unwrap_or_else(start);
        let windows = Prefix::new(checkpoint.position);
        Ledger {
            store,
            state: Mutex::new(State { checkpoint, windows }),
            kept: tokio::sync::Mutex::new((kept, Instant::now())),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A lane that panicked has not touched the state half-way: each change below is one call.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn position(&self) -> SeqNo {
        self.state().windows.position()
    }

    pub(super) fn balance(&self) -> Balance {
        self.state().checkpoint.balance.clone()
    }

    /// The window from what was handed out last up to `to`.
    pub(super) fn hand_out(&self, to: SeqNo) -> Option<Window> {
        self.state().windows.hand_out(to)
    }

    /// Records a finished window.
    pub(super) fn finish(&self, window: Window, balance: &Balance) -> Result<(), Error> {
        let mut state = self.state();
        let shard = state.checkpoint.shard;
        balance.check().map_err(|source| Error::Unbalanced { shard, source })?;
        state.windows.finish(window)?;
        state.checkpoint.balance.add(balance);
        Ok(())
    }

    /// Moves the stored checkpoint if that was not done for a while.
    pub(super) async fn save_if_due(&self) -> Result<(), Error> {
        match self.kept.try_lock() {
            Ok(kept) if kept.1.elapsed() >= SAVE_EVERY => {}
            _ => return Ok(()),
        }
        self.save().await
    }

    /// Moves the stored checkpoint to the position.
    pub(super) async fn save(&self) -> Result<(), Error> {
        let mut kept = self.kept.lock().await;
        let checkpoint = {
            let mut state = self.state();
            state.checkpoint.position = state.windows.position();
            state.checkpoint.clone()
        };
        self.store.save(&mut kept.0, &checkpoint).await?;
        kept.1 = Instant::now();
        Ok(())
    }
}
