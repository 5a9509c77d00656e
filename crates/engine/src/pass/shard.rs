//! One shard of a source while it is carried: its windows, checkpoint, balance and inventory.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use segue_model::audit::Numbers;
use segue_model::balance::Balance;
use segue_model::checkpoint::{Checkpoint, Continuation, ShardIdentity};
use segue_model::id::{Epoch, SeqNo, Shard};
use segue_model::pass::{Log, Reach};
use segue_model::position::{Window, Windows};
use segue_model::version::Incarnation;

use crate::checkpoint_store::{CheckpointStore, Kept};
use crate::error::Error;
use crate::inventory::{Entry, Inventory, Place, Relied, Run};

/// How long finished windows may wait for their checkpoint: what a crash makes us repeat.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// The epoch before which nobody wrote to the target.
const FIRST_EPOCH: Epoch = Epoch(1);
/// In place of the number after which a whole inventory begins.
const LOST: SeqNo = SeqNo(0);

/// One shard while it is carried.
#[derive(Debug)]
pub(crate) struct ShardCarrier {
    shard: Shard,
    store: CheckpointStore,
    state: Mutex<State>,
    kept: tokio::sync::Mutex<(Kept, Instant)>,
}

#[derive(Debug)]
struct State {
    checkpoint: Checkpoint,
    windows: Windows,
    /// The highest number given out when the last pass had ended; `None` = not known.
    shown_to: Option<SeqNo>,
    /// What the checkpoint's `pass_from` becomes once the pass has held.
    then_from: SeqNo,
    inventory: Inventory,
    /// Whether the target may hold documents of the shard, under older numbers than those of the
    /// pass.
    written_before: bool,
}

impl State {
    fn step_back(&mut self, position: SeqNo) {
        self.windows = Windows::new(position, position, 1);
        self.written_before = true;
    }
}

impl ShardCarrier {
    pub(super) fn open(
        store: CheckpointStore,
        kept: Kept,
        mut checkpoint: Checkpoint,
        folder: &Path,
        epoch: Epoch,
    ) -> Result<ShardCarrier, Error> {
        let shard = checkpoint.shard;
        let position = checkpoint.position;
        let (inventory, whole) =
            inventory(folder, shard, kept.checkpoint.as_ref(), checkpoint.incarnation, epoch)?;
        checkpoint.inventory_from = if whole { SeqNo::NONE } else { LOST };
        let windows = Windows::new(position, position, 1);
        let written_before = epoch > FIRST_EPOCH;
        Ok(ShardCarrier {
            shard,
            store,
            state: Mutex::new(State {
                then_from: checkpoint.pass_from,
                checkpoint,
                windows,
                shown_to: None,
                inventory,
                written_before,
            }),
            kept: tokio::sync::Mutex::new((kept, Instant::now())),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A lane that panicked has not touched the state half-way: each change below is one call.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn shard(&self) -> Shard {
        self.shard
    }

    pub(crate) fn position(&self) -> SeqNo {
        self.state().windows.position()
    }

    pub(super) fn balance(&self) -> Balance {
        self.state().checkpoint.balance.clone()
    }

    /// Begins a pass up to where `log` says it ends; returns how many operations lie ahead.
    pub(super) fn begin(&self, identity: ShardIdentity, log: Log, wanted: u64) -> u64 {
        let mut state = self.state();
        let other_primary = identity.primary_term != state.checkpoint.identity.primary_term;
        let reach = Reach {
            position: state.windows.position(),
            pass_from: state.checkpoint.pass_from,
            shown_to: state.shown_to,
        };
        let begun = reach.begin(log, other_primary);
        if begun.position < reach.position {
            state.step_back(begun.position);
        }
        state.checkpoint.identity = identity;
        state.written_before |= begun.position > SeqNo::NONE;
        (state.then_from, state.shown_to) = (begun.pass_from, None);
        state.windows = Windows::new(begun.position, log.pass_end(), wanted);
        u64::try_from(log.pass_end().0 - begun.position.0).unwrap_or(0)
    }

    /// The pass has ended and held; `max_seq_no` was asked for since.
    pub(super) fn end(&self, max_seq_no: SeqNo) {
        let mut state = self.state();
        state.checkpoint.pass_from = state.then_from;
        state.shown_to = Some(max_seq_no);
    }

    /// Whether its numbers mean the same operations as those of `now`.
    pub(super) fn follows(&self, now: &ShardIdentity) -> bool {
        self.state().checkpoint.continuation(now) != Continuation::Void
    }

    /// The pass is not to be trusted: it is repeated from where it began.
    pub(super) fn step_back(&self) {
        let mut state = self.state();
        let position = state.checkpoint.pass_from;
        state.step_back(position);
    }

    pub(super) fn next_window(&self) -> Option<Window> {
        self.state().windows.next_window()
    }

    /// How many retries of dead letters its balance knows of.
    pub(crate) fn retries(&self) -> u64 {
        self.state().checkpoint.retries
    }

    /// Notes in the balance what became of dead letters of `kinds` in the retry `number`. The caller
    /// saves. No pass may run meanwhile.
    pub(crate) fn retried<'a>(
        &self,
        number: u64,
        kinds: impl IntoIterator<Item = &'a str>,
        outcome: &Balance,
    ) -> Result<(), Error> {
        let mut state = self.state();
        let checkpoint = &mut state.checkpoint;
        checkpoint.balance.retry(kinds, outcome);
        checkpoint.retries = checkpoint.retries.max(number);
        let checked = checkpoint.balance.check();
        checked.map_err(|source| Error::Unbalanced { shard: self.shard, source })
    }

    /// Notes what is about to be sent.
    pub(crate) fn note(&self, run: &Run) -> Result<(), Error> {
        self.state().inventory.add(run)
    }

    /// Whether the target may hold an older version of what is read now. Within the very first pass
    /// no document is read twice.
    pub(super) fn written_before(&self) -> bool {
        self.state().written_before
    }

    /// Records a finished window.
    pub(super) fn finish(&self, window: Window, balance: &Balance) -> Result<(), Error> {
        balance.check().map_err(|source| Error::Unbalanced { shard: self.shard, source })?;
        let mut state = self.state();
        let state = &mut *state;
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
    pub(crate) async fn save(&self) -> Result<(), Error> {
        let mut kept = self.kept.lock().await;
        let checkpoint = tokio::task::block_in_place(|| {
            let mut state = self.state();
            let state = &mut *state;
            let Relied { bytes, mark } = state.inventory.sync()?;
            (state.checkpoint.inventory_bytes, state.checkpoint.inventory_mark) = (bytes, mark);
            state.checkpoint.position = state.windows.position();
            Ok::<_, Error>(state.checkpoint.clone())
        })?;
        self.store.save(&mut kept.0, &checkpoint).await?;
        kept.1 = Instant::now();
        Ok(())
    }

    /// Whether the inventory holds every number from which the target may hold a document.
    pub(crate) fn is_inventory_whole(&self) -> bool {
        self.state().checkpoint.inventory_from == SeqNo::NONE
    }

    /// Says that it does.
    pub(crate) fn inventory_is_whole(&self) {
        self.state().checkpoint.inventory_from = SeqNo::NONE;
    }

    /// Looks at the numbers that were read and are not settled.
    pub(crate) fn with_held<T>(&self, look: impl FnOnce(&Numbers) -> T) -> T {
        look(self.state().inventory.held())
    }

    /// The runs of the inventory in which some of `numbers` may stand.
    pub(crate) fn places(&self, numbers: &Numbers) -> Vec<Place> {
        self.state().inventory.places(numbers)
    }

    /// The entries of a run.
    pub(crate) fn entries(&self, place: Place) -> Result<Vec<Entry>, Error> {
        self.state().inventory.entries(place)
    }

    /// How many documents of the target it stands for: of the written ones, and of the refused ones.
    pub(crate) fn made(&self) -> (u64, u64) {
        self.state().inventory.made()
    }

    /// Notes that `numbers`, ascending, need no further look.
    pub(crate) fn settle(&self, numbers: &[SeqNo]) -> Result<(), Error> {
        self.state().inventory.settle(numbers)
    }
}

/// Opens the inventory of a shard; whether it holds all that the target may hold.
///
/// The numbers of another incarnation mean other operations. Those of another rewrite are the same,
/// and what they wrote still stands in the target.
fn inventory(
    folder: &Path,
    shard: Shard,
    kept: Option<&Checkpoint>,
    incarnation: Incarnation,
    epoch: Epoch,
) -> Result<(Inventory, bool), Error> {
    let opened = match kept {
        Some(kept) if kept.incarnation == incarnation => {
            let relied = Relied { bytes: kept.inventory_bytes, mark: kept.inventory_mark };
            let whole = kept.inventory_from == SeqNo::NONE;
            Inventory::open(folder, shard, relied)?.map(|inventory| (inventory, whole))
        }
        // Whoever died before its first checkpoint has left a file behind, if it had sent anything.
        None if incarnation == Incarnation::FIRST && epoch > FIRST_EPOCH => {
            Inventory::open(folder, shard, Relied::default())?.map(|inventory| {
                let whole = !inventory.is_empty();
                (inventory, whole)
            })
        }
        None if incarnation == Incarnation::FIRST => Some((Inventory::begin(folder, shard)?, true)),
        _ => None,
    };
    match opened {
        Some(opened) => Ok(opened),
        None => Ok((Inventory::begin(folder, shard)?, false)),
    }
}
