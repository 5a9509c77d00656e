//! Membership: the shell of [`segue_model::membership`].
//!
//! A run reads the members page by page (`scan`), asks which of their events there are (`events`), and
//! creates those that are missing (`write`). Changes are read from lines (`lines`) and carried out in the
//! order of each member (`apply`, `deletion`). Nothing is kept besides the events themselves: an id follows
//! from what an event says, and a document is only ever created, so that two processes, or one that was
//! killed and runs again, write nothing twice. Events that others wrote, under whatever ids, are known by
//! what they say.

mod apply;
mod deletion;
mod events;
mod lines;
mod report;
mod run;
mod scan;
mod status;
mod template;
mod write;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use segue_cluster::{Class, Cluster};
use segue_model::recipe::{EventSpec, MembershipRecipe, MembershipSpec};
use tokio_util::sync::CancellationToken;

use crate::error::{Doing, Error, Stop};
use crate::progress::{Listener, Progress};

pub use apply::{Input, apply};
pub use report::{ApplyReport, BadLine, MembershipReport, Refusals, Refused, Requested};
pub use run::{Asked, run};
pub use status::{EventIndex, MembershipStatus, status};
pub use template::TemplateState;

/// A membership: its recipe, its cluster, and the right to stop.
#[derive(Clone, Debug)]
pub struct Membership {
    cluster: Cluster,
    recipe: Arc<MembershipRecipe>,
    folder: PathBuf,
    listener: Listener,
    cancel: CancellationToken,
    requests: Arc<AtomicU64>,
}

impl Membership {
    /// A membership; `folder` is where the recipe's own files are. Sends nothing.
    pub fn new(
        cluster: Cluster,
        recipe: MembershipRecipe,
        folder: PathBuf,
        listener: Listener,
        cancel: CancellationToken,
    ) -> Membership {
        let requests = Arc::new(AtomicU64::new(0));
        Membership { cluster, recipe: Arc::new(recipe), folder, listener, cancel, requests }
    }

    fn spec(&self) -> &MembershipSpec {
        &self.recipe.membership
    }

    fn events(&self) -> &EventSpec {
        &self.recipe.membership.events
    }

    /// Stands for every index of events.
    fn pattern(&self) -> String {
        self.events().index.wildcard()
    }

    fn page(&self) -> usize {
        usize::try_from(self.recipe.limits.page_docs).unwrap_or(usize::MAX)
    }

    /// The cluster, for so many requests.
    fn ask(&self, requests: u64) -> &Cluster {
        self.requests.fetch_add(requests, Ordering::Relaxed);
        &self.cluster
    }

    fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    fn check_stop(&self) -> Result<(), Error> {
        if self.cancel.is_cancelled() {
            return Err(Error::Stopped(Stop::Interrupted));
        }
        Ok(())
    }

    async fn wait_to_retry(&self) -> Result<(), Error> {
        tokio::select! {
            () = self.cancel.cancelled() => Err(Error::Stopped(Stop::Interrupted)),
            () = tokio::time::sleep(self.recipe.limits.retry_delay) => Ok(()),
        }
    }

    fn say(&self, text: String) {
        self.listener.tell(Progress::Note { part: None, text });
    }

    /// Makes visible what has been written to the events so far.
    async fn refresh_events(&self) -> Result<(), Error> {
        let pattern = self.pattern();
        match self.ask(1).refresh(&pattern).await {
            Err(error) if error.class() == Class::NotFound => Ok(()),
            answer => answer.doing(|| format!("refreshing {pattern}")),
        }
    }
}
