//! One demo from begin to end.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;

use crate::check::{self, Findings};
use crate::http::Http;
use crate::install;
use crate::invenio::{Site, Volume};
use crate::ledger::Ledger;
use crate::migration::{Migration, Ran};
use crate::oracle::Oracle;
use crate::outcome::{Outcome, grouped};
use crate::pen::lock;
use crate::watch::{Sightings, Watch};
use crate::writers::{LiveWriters, Refusals};

/// What all names of a demo start with unless said otherwise.
pub const PREFIX: &str = "demo-";
/// The sandbox that the demo runs in.
const SANDBOX: &str = "demo";
/// How long writers go on after the last switch.
const AFTERMATH: Duration = Duration::from_secs(3);

/// How a demo is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// Usage events of the past, in all months and both kinds.
    pub docs: u64,
    /// Records that the events are about.
    pub records: u32,
    /// Months, the current one included.
    pub months: u32,
    /// Live writers.
    pub writers: u32,
    /// What all names of the demo in a cluster start with; whatever has such a name is removed first.
    pub prefix: String,
    /// Seed of all data.
    pub seed: u64,
    /// Leave the engine running and the data in it.
    pub keep: bool,
    /// Print the outcome as one JSON line on stdout.
    pub json: bool,
    /// URL of a cluster to use instead of a sandbox.
    pub cluster: Option<String>,
    /// The binary to run.
    pub segue: PathBuf,
    /// A folder for the recipe and the report.
    pub work_dir: PathBuf,
}

impl Options {
    /// The usual demo, run by the binary `segue`, with its files below `work_dir`.
    #[must_use]
    pub fn new(segue: PathBuf, work_dir: PathBuf) -> Self {
        Self {
            docs: 240_000,
            records: 5_000,
            months: 12,
            writers: 2,
            prefix: PREFIX.to_owned(),
            seed: 1,
            keep: false,
            json: false,
            cluster: None,
            segue,
            work_dir,
        }
    }
}

/// Runs a demo. `talk` gets lines for people. With [`Options::json`] the last thing is one line on
/// stdout. Whether all was well is the outcome's [`is_good`](Outcome::is_good).
///
/// # Errors
/// An engine that cannot be had, a cluster that refuses the demo's data, a binary that does not
/// start or end, or an interruption by Ctrl-C.
pub async fn run(options: Options, talk: &mut dyn FnMut(&str)) -> anyhow::Result<Outcome> {
    let begun = Instant::now();
    let _alone = alone(&options.work_dir)?;
    let theatre = Theatre::open(&options, talk).await?;
    let played = tokio::select! {
        played = Box::pin(play(&options, &theatre.url, begun, talk)) => played,
        signal = tokio::signal::ctrl_c() => {
            signal.context("cannot listen for Ctrl-C")?;
            Err(anyhow::anyhow!("interrupted"))
        }
    };
    theatre.close(&options, talk).await?;
    let outcome = played?;
    if options.json {
        println!("{}", serde_json::to_string(&outcome)?);
    }
    Ok(outcome)
}

/// Takes the work folder for this demo, until the file is closed. Two demos at once would use the
/// same names and spoil each other's result.
fn alone(work_dir: &Path) -> anyhow::Result<File> {
    let label = || format!("cannot use {}", work_dir.display());
    std::fs::create_dir_all(work_dir).with_context(label)?;
    let file = File::create(work_dir.join("lock")).with_context(label)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("another demo is running ({} is locked)", work_dir.display())
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(label),
    }
}

async fn play(
    options: &Options,
    url: &str,
    begun: Instant,
    talk: &mut dyn FnMut(&str),
) -> anyhow::Result<Outcome> {
    let http = Http::new(url)?;
    let engine = engine(&http).await?;
    talk(&format!("engine: {engine} at {url}"));
    let volume = Volume { events: options.docs, records: options.records, months: options.months };
    let now = jiff::Timestamp::now().as_second();
    let site = Site::new(&options.prefix, options.seed, now, volume)?.redirected();
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    furnish(&http, &site, &ledger, talk).await?;
    let oracle = Oracle::of(&site);

    let migration = Migration::prepare(&options.segue, &options.work_dir, url, &options.prefix)?;
    let live = Live {
        watch: Watch::start(&http, &site, &ledger),
        writers: LiveWriters::start(&http, &site, &ledger, options.writers),
    };
    talk(&format!(
        "{} live writers write, and a reader counts through the aliases",
        options.writers
    ));
    let ran = migrate(&migration, options, talk).await?;
    tokio::time::sleep(AFTERMATH).await;
    let (refusals, sightings) = live.end().await?;
    talk("writers stopped; reading everything back and comparing");
    let ledger = std::mem::take(&mut *lock(&ledger));
    let findings = check::check(&http, &site, &ledger, &oracle).await?;
    let mut outcome = judge(&ledger, findings, sightings, &refusals, &ran);
    outcome.engine = engine;
    outcome.wall_s = hundredths(begun.elapsed().as_secs_f64());
    talk(&outcome.to_string());
    Ok(outcome)
}

async fn furnish(
    http: &Http,
    site: &Site,
    ledger: &Mutex<Ledger>,
    talk: &mut dyn FnMut(&str),
) -> anyhow::Result<()> {
    install::remove(http, site.prefix()).await?;
    install::forget(http).await?;
    install::templates(http, site).await?;
    install::records(http, site).await?;
    talk(&format!("{} records written", grouped(site.records().into())));
    let begun = Instant::now();
    let mut written = 0;
    install::past(http, site, ledger, |count| written = count).await?;
    let (events, indices) = (grouped(written), site.parts().count());
    let seconds = begun.elapsed().as_secs_f64();
    talk(&format!("{events} usage events written to {indices} monthly indices in {seconds:.1} s"));
    Ok(())
}

async fn migrate(
    migration: &Migration,
    options: &Options,
    talk: &mut dyn FnMut(&str),
) -> anyhow::Result<Ran> {
    talk(&format!("$ {}", migration.command_line("plan")));
    let exit = migration.plan().await?;
    if exit != 0 {
        bail!("segue plan ended with {exit}");
    }
    talk(&format!("$ {}", migration.command_line("run")));
    // Generous: ten times slower than a slow machine.
    let patience = Duration::from_secs(1_200 + options.docs / 200);
    migration.run(patience).await
}

struct Live {
    watch: Watch,
    writers: LiveWriters,
}

impl Live {
    async fn end(self) -> anyhow::Result<(Refusals, Sightings)> {
        let refusals = self.writers.stop().await?;
        Ok((refusals, self.watch.end().await?))
    }
}

fn judge(
    ledger: &Ledger,
    findings: Findings,
    sightings: Sightings,
    refusals: &Refusals,
    ran: &Ran,
) -> Outcome {
    let documents = ledger.owed_documents();
    let mut examples = findings.examples;
    examples.extend(sightings.examples);
    Outcome {
        documents,
        acknowledged_writes: ledger.acknowledged_writes(),
        lost: findings.lost,
        stale: findings.stale,
        wrong_enrichment: findings.wrong_enrichment,
        written_after_switch: findings.as_written,
        alias_overcount: sightings.above + findings.surplus,
        alias_drops: sightings.below,
        alias_errors: sightings.errors,
        refused_writes: refusals.writes,
        refusal_window_ms: u64::try_from(refusals.longest.as_millis()).unwrap_or(u64::MAX),
        balanced: ran.report.pointer("/totals/balanced") == Some(&Value::Bool(true)),
        wall_s: 0.0,
        docs_per_second: hundredths(documents as f64 / ran.took.as_secs_f64().max(0.001)),
        engine: String::new(),
        segue_exit: ran.exit,
        refusal_reasons: refusals.reasons.clone(),
        examples,
    }
}

/// The product and version behind a URL. Some builds answer `GET /` with a 405.
async fn engine(http: &Http) -> anyhow::Result<String> {
    let root = http.get("/").await.context("the cluster does not answer")?;
    let root = root.json().unwrap_or_default();
    let name = match root["version"]["distribution"].as_str() {
        Some("opensearch") => "OpenSearch",
        Some(other) => other,
        None => "Elasticsearch",
    };
    Ok(format!("{name} {}", root["version"]["number"].as_str().unwrap_or("of unknown version")))
}

fn hundredths(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// Where the demo plays: a cluster that was there, or a sandbox.
struct Theatre {
    url: String,
    /// The sandbox, if the demo itself started it.
    started: bool,
}

impl Theatre {
    async fn open(options: &Options, talk: &mut dyn FnMut(&str)) -> anyhow::Result<Self> {
        if let Some(url) = &options.cluster {
            return Ok(Self { url: url.clone(), started: false });
        }
        let running = aside(talk, |talk| {
            let options = segue_sandbox::Options::named(SANDBOX)?;
            segue_sandbox::up(&options, talk)
        })
        .await?;
        Ok(Self { url: running.url, started: running.started })
    }

    async fn close(self, options: &Options, talk: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
        if !self.started {
            return Ok(());
        }
        if options.keep {
            talk(&format!(
                "the engine stays up at {}; its names start with {}",
                self.url, options.prefix
            ));
            return Ok(());
        }
        aside(talk, |talk| {
            let options = segue_sandbox::Options::named(SANDBOX)?;
            segue_sandbox::down(&options, talk)
        })
        .await?;
        Ok(())
    }
}

/// Runs something that blocks on a thread of its own, its talk passed on.
async fn aside<T: Send + 'static>(
    talk: &mut dyn FnMut(&str),
    work: impl FnOnce(&mut segue_sandbox::Talk<'_>) -> Result<T, segue_sandbox::Error> + Send + 'static,
) -> anyhow::Result<T> {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel::<String>();
    let worker = tokio::task::spawn_blocking(move || {
        work(&mut |line: &str| {
            // Nobody listens any more only when the demo is being dropped.
            let _unheard = tell.send(line.to_owned());
        })
    });
    while let Some(line) = told.recv().await {
        talk(&line);
    }
    Ok(worker.await.context("the sandbox panicked")??)
}

#[cfg(test)]
mod tests {
    use super::alone;

    #[test]
    fn a_second_demo_is_turned_away() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("new");
        let first = alone(&below).unwrap();
        assert!(alone(&below).unwrap_err().to_string().starts_with("another demo is running"));
        drop(first);
        alone(&below).unwrap();
    }
}
