//! What every part of a run shares: the cluster, the journal, the limits, and the right to stop.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use segue_cluster::{Cluster, Distribution, GzipProbe};
use segue_model::id::{IndexName, MigrationName};
use segue_model::recipe::{DocsPerSecond, Limits, Recipe};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::error::{Doing, Error, Stop};
use crate::health::Health;
use crate::journal_store::JournalStore;
use crate::lease_store::Leases;
use crate::progress::Listener;

/// What the user set for this run, besides the recipe.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Where the recipe's own files are.
    pub folder: PathBuf,
    /// Where local state lives (inventories, lookup views).
    pub state_dir: PathBuf,
    /// How many bulk requests this run may send; `None` = no bound.
    pub max_batches: Option<u64>,
    /// After how long this run begins nothing more; `None` = no bound.
    pub at_most: Option<Duration>,
    /// The program that is started as watchdog (this binary), with the arguments before its own.
    pub watchdog: Vec<String>,
    /// What is to go wrong on purpose, for tests.
    pub drill: Drill,
}

/// Where a cutover is to go wrong on purpose. Only builds for debugging take it from their environment.
#[derive(Clone, Debug, Default)]
pub struct Drill {
    /// The process dies when it comes to this step.
    pub die_at: Option<String>,
    /// A cutover fails when it comes to this step, and is backed out by the process itself.
    pub fail_at: Option<String>,
}

impl Drill {
    /// Dies or fails here, if this is the step.
    ///
    /// # Errors
    /// [`Error::BackedOut`] where the step is to fail.
    pub(crate) fn at(&self, step: &str) -> Result<(), Error> {
        if self.die_at.as_deref() == Some(step) {
            std::process::abort();
        }
        if self.fail_at.as_deref() == Some(step) {
            return Err(Error::BackedOut { reason: format!("a drill fails at {step}") });
        }
        Ok(())
    }
}

/// What every part of a run shares. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Session(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    cluster: Cluster,
    distribution: Distribution,
    migration: MigrationName,
    recipe: Recipe,
    journal: JournalStore,
    leases: Leases,
    listener: Listener,
    cancel: CancellationToken,
    health: Health,
    options: RunOptions,
    batches_left: AtomicI64,
    /// When nothing more is begun.
    deadline: Option<Instant>,
    gzip: std::sync::Mutex<GzipProbe>,
    pace: Mutex<Instant>,
    cutover: Mutex<()>,
}

impl Session {
    /// Opens a session; asks the cluster what it is, and whether compressed requests work and pay.
    pub async fn open(
        cluster: Cluster,
        recipe: Recipe,
        options: RunOptions,
        listener: Listener,
        cancel: CancellationToken,
    ) -> Result<Session, Error> {
        let distribution =
            cluster.distribution().await.doing(|| "asking the cluster what it is".to_owned())?;
        let gzip = GzipProbe::start(&cluster).await;
        let migration = MigrationName::new(recipe.name.as_str());
        let process = crate::process::name();
        let journal = JournalStore::new(cluster.clone(), migration.clone(), process.clone());
        let ttl = recipe.limits.lease_ttl;
        let leases = Leases::new(cluster.clone(), migration.clone(), process, ttl);
        let health = Health::new(cluster.clone(), recipe.limits.clone(), listener.clone());
        let batches = options.max_batches.and_then(|n| i64::try_from(n).ok());
        Ok(Session(Arc::new(Shared {
            distribution,
            migration,
            journal,
            leases,
            listener,
            cancel,
            health,
            batches_left: AtomicI64::new(batches.unwrap_or(i64::MAX)),
            deadline: options.at_most.and_then(|time| Instant::now().checked_add(time)),
            options,
            gzip: std::sync::Mutex::new(gzip),
            pace: Mutex::new(Instant::now()),
            cutover: Mutex::new(()),
            cluster,
            recipe,
        })))
    }

    /// The cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.0.cluster
    }

    /// What the cluster is.
    pub fn distribution(&self) -> Distribution {
        self.0.distribution
    }

    /// The migration.
    pub fn migration(&self) -> &MigrationName {
        &self.0.migration
    }

    /// The recipe.
    pub fn recipe(&self) -> &Recipe {
        &self.0.recipe
    }

    /// The recipe's limits.
    pub fn limits(&self) -> &Limits {
        &self.0.recipe.limits
    }

    /// The journal.
    pub fn journal(&self) -> &JournalStore {
        &self.0.journal
    }

    /// The leases.
    pub fn leases(&self) -> &Leases {
        &self.0.leases
    }

    /// Who is told.
    pub fn listener(&self) -> &Listener {
        &self.0.listener
    }

    /// What the user set for this run.
    pub fn options(&self) -> &RunOptions {
        &self.0.options
    }

    /// Returns once the health of cluster and machine allows to go on.
    pub async fn healthy(&self) -> Result<(), Error> {
        tokio::select! {
            () = self.0.cancel.cancelled() => Err(Error::Stopped(Stop::Interrupted)),
            answer = self.0.health.pass() => answer,
        }
    }

    /// Why work would be held back now, each reason in words; empty where nothing speaks against going on.
    pub async fn waiting_on(&self) -> Vec<String> {
        match self.0.health.look().await {
            Ok(reasons) => reasons.iter().map(ToString::to_string).collect(),
            Err(error) => vec![crate::error::chain(&error)],
        }
    }

    /// Where the local state of `part` lives.
    pub fn part_dir(&self, part: &IndexName) -> PathBuf {
        self.migration_dir().join(part.as_str())
    }

    /// Where the local state of the migration lives.
    pub fn migration_dir(&self) -> PathBuf {
        self.0.options.state_dir.join(self.0.migration.as_str())
    }

    /// Dies or fails here, if a drill says so.
    ///
    /// # Errors
    /// [`Error::BackedOut`] where the step is to fail.
    pub(crate) fn drill(&self, step: &str) -> Result<(), Error> {
        self.0.options.drill.at(step)
    }

    /// Fails if the user wants to stop.
    pub fn check_stop(&self) -> Result<(), Error> {
        if self.0.cancel.is_cancelled() {
            return Err(Error::Stopped(Stop::Interrupted));
        }
        Ok(())
    }

    /// Fails if the time for this run is over. Asked before something is begun, not inside it.
    pub fn check_time(&self) -> Result<(), Error> {
        match self.0.deadline {
            Some(deadline) if Instant::now() >= deadline => Err(Error::Stopped(Stop::Time)),
            _ => Ok(()),
        }
    }

    /// Waits for `duration`, or fails as soon as the user wants to stop.
    pub async fn sleep(&self, duration: Duration) -> Result<(), Error> {
        tokio::select! {
            () = self.0.cancel.cancelled() => Err(Error::Stopped(Stop::Interrupted)),
            () = tokio::time::sleep(duration) => Ok(()),
        }
    }

    /// Reserves one batch. It is reserved before a window is handed out, so that windows are begun
    /// in their order and each run moves the position, however few batches it may send.
    pub fn reserve_batch(&self) -> Result<(), Error> {
        // A cutover that was begun ends: to back it out would close its writers out for nothing.
        if self.0.cutover.try_lock().is_ok() {
            self.check_time()?;
        }
        if self.0.batches_left.fetch_sub(1, Ordering::Relaxed) <= 0 {
            return Err(Error::Stopped(Stop::Batches));
        }
        Ok(())
    }

    /// Gives a batch back that was not needed.
    pub fn release_batch(&self) {
        self.0.batches_left.fetch_add(1, Ordering::Relaxed);
    }

    /// The right to cut over: one part at a time, so that no window waits for another's changes of
    /// names.
    pub async fn cutover_turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.cutover.lock().await
    }

    /// Waits until `documents` more may be sent without going over `docs_per_second`.
    pub async fn keep_pace(&self, documents: u64) -> Result<(), Error> {
        let DocsPerSecond::AtMost(rate) = self.limits().docs_per_second else { return Ok(()) };
        let wait = {
            let mut next = self.0.pace.lock().await;
            let now = Instant::now();
            let start = (*next).max(now);
            // Whole microseconds: a rate of millions a second still waits for something.
            *next = start + Duration::from_micros(documents * 1_000_000 / rate.max(1));
            start - now
        };
        if wait.is_zero() { Ok(()) } else { self.sleep(wait).await }
    }

    /// Whether the next bulk request is to be compressed.
    pub fn choose_gzip(&self) -> bool {
        self.0.gzip.lock().is_ok_and(|probe| probe.choose())
    }

    /// Records how a bulk request went.
    pub fn record_gzip(&self, gzip: bool, bytes: usize, took: Duration) {
        if let Ok(probe) = self.0.gzip.lock() {
            probe.record(gzip, bytes, took);
        }
    }
}
