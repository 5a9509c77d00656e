//! An Invenio installation for a test: its data, its writers, and the independent checker.

use std::sync::{Arc, Mutex, PoisonError};

use segue_demo::check::{Findings, check};
use segue_demo::http::Http;
use segue_demo::install;
use segue_demo::invenio::{Click, Kind, Month, Site, Volume};
use segue_demo::ledger::{Ledger, Reply};
use segue_demo::oracle::Oracle;
use segue_demo::pen::Pen;
use segue_demo::watch::{Sightings, Watch};
use segue_demo::writers::{LiveWriters, Refusals};

use crate::background::{handle, wait};
use crate::engine::{Engine, Prefix};

/// An installation: templates, records and past events under a test's own prefix.
pub struct Installation {
    /// Its names and its past.
    pub site: Site,
    /// What must be in the cluster.
    pub ledger: Arc<Mutex<Ledger>>,
    oracle: Arc<Oracle>,
    http: Http,
}

/// Live writers, and a reader that counts through the aliases all the time.
pub struct Writing {
    writers: LiveWriters,
    watch: Watch,
}

impl Installation {
    /// Installs under a prefix; the months end with the current one.
    ///
    /// # Panics
    /// If the engine refuses.
    #[must_use]
    #[track_caller]
    pub fn new(engine: &Engine, prefix: &Prefix, seed: u64, volume: Volume) -> Self {
        let http = engine.http();
        let now = jiff::Timestamp::now().as_second();
        let site = match Site::new(prefix.as_str(), seed, now, volume) {
            Ok(site) => site,
            Err(error) => panic!("{error:#}"),
        };
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let parts = (http.clone(), site.clone(), Arc::clone(&ledger));
        let installed = wait(async move {
            let (http, site, ledger) = parts;
            install::templates(&http, &site).await?;
            install::records(&http, &site).await?;
            install::past(&http, &site, &ledger, |_| {}).await
        });
        if let Err(error) = installed {
            panic!("cannot install: {error:#}");
        }
        let oracle = Arc::new(Oracle::of(&site));
        Self { site, ledger, oracle, http }
    }

    /// The same, for a recipe that redirects writes.
    #[must_use]
    pub fn redirected(self) -> Self {
        Self { site: self.site.redirected(), ..self }
    }

    /// Sets live writers and a watch over the read aliases to work, through `engine`.
    #[must_use]
    pub fn start_writing(&self, writers: u32) -> Writing {
        let _in_background = handle().enter();
        Writing {
            writers: LiveWriters::start(&self.http, &self.site, &self.ledger, writers),
            watch: Watch::start(&self.http, &self.site, &self.ledger),
        }
    }

    /// New clicks of one kind and month, made now.
    #[must_use]
    pub fn clicks(&self, kind: Kind, month: Month, count: usize) -> Vec<Click> {
        let now_us = jiff::Timestamp::now().as_microsecond();
        let mut rng = fastrand::Rng::with_seed(now_us.unsigned_abs());
        let made = (now_us..).take(count);
        made.map(|at_us| self.site.fresh(kind, month, &mut rng, at_us)).collect()
    }

    /// Writes clicks with one bulk request, as the application does, noted in the ledger.
    ///
    /// # Panics
    /// If a click cannot be made into an event.
    #[track_caller]
    pub fn write(&self, clicks: &[Click]) -> Vec<Reply> {
        let pen = Pen::new(self.http.clone(), self.site.clone());
        let (ledger, clicks) = (Arc::clone(&self.ledger), clicks.to_vec());
        match wait(async move { pen.write(&ledger, &clicks).await }) {
            Ok(written) => written.replies,
            Err(error) => panic!("{error:#}"),
        }
    }

    /// Reads everything back by the names that applications use, and compares it with the ledger and
    /// with what the records say.
    ///
    /// # Panics
    /// If it cannot be read in full.
    #[must_use]
    #[track_caller]
    pub fn check(&self) -> Findings {
        let ledger = std::mem::take(&mut *self.lock());
        let (http, site, oracle) = (self.http.clone(), self.site.clone(), Arc::clone(&self.oracle));
        let (found, ledger) = wait(async move {
            let found = check(&http, &site, &ledger, &oracle).await;
            (found, ledger)
        });
        *self.lock() = ledger;
        match found {
            Ok(findings) => findings,
            Err(error) => panic!("cannot check: {error:#}"),
        }
    }

    /// Asserts that nothing is lost, stale, wrong or there twice.
    ///
    /// # Panics
    /// If something is, with the first cases.
    #[track_caller]
    pub fn assert_sound(&self) -> Findings {
        let found = self.check();
        let wrongs = [found.lost, found.stale, found.wrong_enrichment, found.surplus];
        assert_eq!(wrongs, [0; 4], "lost, stale, wrong enrichment, surplus: {found:?}");
        found
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writing {
    /// Stops, and says how writers were refused and what was seen through the aliases.
    ///
    /// # Panics
    /// If a writer ended badly.
    #[must_use]
    #[track_caller]
    pub fn stop(self) -> (Refusals, Sightings) {
        let ended = wait(async move {
            let refusals = self.writers.stop().await?;
            anyhow::Ok((refusals, self.watch.end().await?))
        });
        match ended {
            Ok(ended) => ended,
            Err(error) => panic!("{error:#}"),
        }
    }
}
