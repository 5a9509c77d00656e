//! One shard of a source while it is carried: its windows, checkpoint, balance and inventory.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use segue_model::balance::Balance;
use segue_model::checkpoint::{Checkpoint, ShardIdentity};
use segue_model::id::{SeqNo, Shard};
use segue_model::position::{Window, Windows};

use crate::checkpoint_store::{CheckpointStore, Kept};
use crate::error::Error;
use crate::inventory::{Inventory, Run};

/// How long finished windows may wait for their checkpoint: what a crash makes us repeat.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// One shard while it is carried.
#[derive(Debug)]
pub(super) struct ShardCarrier {
    shard: Shard,
    store: CheckpointStore,
    state: Mutex<State>,
    kept: tokio::sync::Mutex<(Kept, Instant)>,
}

#[derive(Debug)]
struct State {
    checkpoint: Checkpoint,
    windows: Windows,
    inventory: Inventory,
}

impl ShardCarrier {
    pub(super) fn open(
        store: CheckpointStore,
        kept: Kept,
        mut checkpoint: Checkpoint,
        folder: &Path,
    ) -> Result<ShardCarrier, Error> {
        let shard = checkpoint.shard;
        let position = checkpoint.position;
        // A pass that is repeated ends its windows elsewhere: the inventory begins anew there, and
        // the audit is told by `inventory_from`.
        let stepped_back = kept.checkpoint.as_ref().is_some_and(|c| c.position > position);
        let opened = if stepped_back || position == SeqNo::NONE {
            None
        } else {
            Inventory::open(folder, shard, checkpoint.inventory_bytes, position)?
        };
        let inventory = match opened {
            Some(inventory) => inventory,
            None => {
                checkpoint.inventory_from = position;
                checkpoint.inventory_bytes = 0;
                Inventory::begin(folder, shard, position)?
            }
        };
        let windows = Windows::new(position, position, 1);
        Ok(ShardCarrier {
            shard,
            store,
            state: Mutex::new(State { checkpoint, windows, inventory }),
            kept: tokio::sync::Mutex::new((kept, Instant::now())),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A lane that panicked has not touched the state half-way: each change below is one call.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn shard(&self) -> Shard {
        self.shard
    }

    pub(super) fn position(&self) -> SeqNo {
        self.state().windows.position()
    }

    pub(super) fn balance(&self) -> Balance {
        self.state().checkpoint.balance.clone()
    }

    /// Begins a pass up to `bound`; returns how many operations lie ahead.
    pub(super) fn begin(
        &self,
        identity: ShardIdentity,
        bound: SeqNo,
        wanted: u64,
    ) -> Result<u64, String> {
        let mut state = self.state();
        let known = &state.checkpoint.identity;
        if known.index != identity.index || known.history != identity.history {
            return Err(format!("shard {} follows another history", self.shard));
        }
        state.checkpoint.identity = identity;
        let position = state.windows.position();
        state.checkpoint.pass_from = position;
        state.windows = Windows::new(position, bound, wanted);
        Ok(u64::try_from(bound.0 - position.0).unwrap_or(0))
    }

    /// The pass is not to be trusted: it is repeated from where it began.
    pub(super) fn step_back(&self) -> Result<(), Error> {
        let mut state = self.state();
        let position = state.checkpoint.pass_from;
        state.windows = Windows::new(position, position, 1);
        state.inventory.step_back(position)?;
        state.checkpoint.inventory_from = position;
        Ok(())
    }

    pub(super) fn next_window(&self) -> Option<Window> {
        self.state().windows.next_window()
    }

    /// Records a finished window.
    pub(super) fn finish(&self, window: Window, balance: &Balance, run: &Run) -> Result<(), Error> {
        balance.check().map_err(|source| Error::Unbalanced { shard: self.shard, source })?;
        let mut state = self.state();
        let state = &mut *state;
        state.inventory.add(window, run)?;
        state.windows.finish(window, balance.read)?;
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

    /// Moves the stored checkpoint to the position, after the inventory is durable up to it.
    pub(super) async fn save(&self) -> Result<(), Error> {
        let mut kept = self.kept.lock().await;
        let checkpoint = tokio::task::block_in_place(|| {
            let mut state = self.state();
            let state = &mut *state;
            state.checkpoint.inventory_bytes = state.inventory.sync()?;
            state.checkpoint.position = state.windows.position();
            Ok::<_, Error>(state.checkpoint.clone())
        })?;
        self.store.save(&mut kept.0, &checkpoint).await?;
        kept.1 = Instant::now();
        Ok(())
    }
}
