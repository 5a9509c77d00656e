//! Roll-ups: the shell of [`segue_model::rollup`].
//!
//! A run looks at the sources (`survey`), reads the documents of the periods that changed (`read`),
//! writes a delta a period and key (`write`), and adds deltas up to snapshots (`snapshot`). What was seen
//! is kept beside segue's other indices ([`store`]), so that the next run reads only what changed since.
//!
//! Two runs do not meet, for the lease. Should one go on that has lost it, its writes fail: each replaces a
//! state that was read before the run's generation was seen to be in force still.

mod bookmark;
mod coverage;
mod entity;
mod flat;
mod piece;
mod read;
mod report;
mod ripple;
mod run;
mod snapshot;
mod status;
pub mod store;
mod survey;
mod write;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use segue_cluster::Cluster;
use segue_model::id::MigrationName;
use segue_model::recipe::{RollupRecipe, RollupSpec};
use segue_model::rollup::{Layout, PeriodStart};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Stop};
use crate::progress::{Listener, Progress};

pub use report::{Kept, RollupReport, Written};
pub use run::run;
pub use status::{OutputStatus, RollupStatus, SourceStatus, status};

/// Which periods are asked for, besides those that changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Roll up everything from here on, changed or not.
    pub from: Option<PeriodStart>,
    /// Nothing after this.
    pub to: Option<PeriodStart>,
}

/// A roll-up: its recipe, its cluster, and the right to stop.
#[derive(Clone, Debug)]
pub struct Rollup {
    cluster: Cluster,
    recipe: Arc<RollupRecipe>,
    folder: PathBuf,
    listener: Listener,
    cancel: CancellationToken,
    requests: Arc<AtomicU64>,
}

impl Rollup {
    /// A roll-up; `folder` is where the recipe's own files are. Sends nothing.
    pub fn new(
        cluster: Cluster,
        recipe: RollupRecipe,
        folder: PathBuf,
        listener: Listener,
        cancel: CancellationToken,
    ) -> Rollup {
        let requests = Arc::new(AtomicU64::new(0));
        Rollup { cluster, recipe: Arc::new(recipe), folder, listener, cancel, requests }
    }

    fn spec(&self) -> &RollupSpec {
        &self.recipe.rollup
    }

    fn layout(&self) -> Layout<'_> {
        Layout(&self.recipe.rollup)
    }

    fn name(&self) -> MigrationName {
        MigrationName::new(self.recipe.name.as_str())
    }

    fn label(&self, at: PeriodStart) -> String {
        self.spec().period.label(at)
    }

    /// The cluster, for so many requests.
    fn ask(&self, requests: u64) -> &Cluster {
        self.requests.fetch_add(requests, Ordering::Relaxed);
        &self.cluster
    }

    fn check_stop(&self) -> Result<(), Error> {
        if self.cancel.is_cancelled() {
            return Err(Error::Stopped(Stop::Interrupted));
        }
        Ok(())
    }

    async fn sleep(&self, time: std::time::Duration) -> Result<(), Error> {
        tokio::select! {
            () = self.cancel.cancelled() => Err(Error::Stopped(Stop::Interrupted)),
            () = tokio::time::sleep(time) => Ok(()),
        }
    }

    fn say(&self, text: String) {
        self.listener.tell(Progress::Note { part: None, text });
    }
}
