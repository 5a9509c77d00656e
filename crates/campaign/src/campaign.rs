//! Many runs on one cluster, one after the other, and their sum.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use segue_sandbox::Engine;
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::runtime::Builder;

use crate::conduct::Struck;
use crate::faults;
use crate::ground::{Ground, talk};
use crate::plant::Plant;
use crate::recipe;
use crate::run::{Ran, Setting, run};
use crate::scenario::{Bounds, Mode, Scenario};
use crate::verdict::{Finding, Kind};
use crate::writer::Tally;

/// Whether writers delete while segue runs. Set it when segue carries deletes.
const DELETES: bool = true;
/// Findings of a run that are told; all of them are in its folder.
const TOLD: usize = 5;

/// What to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// The binary under test.
    pub segue: PathBuf,
    /// How many runs.
    pub runs: u32,
    /// Seed of the first run; each further one has the next number.
    pub seed: u64,
    /// A cluster that is there; `None`: a sandbox of the campaign's own.
    pub cluster: Option<String>,
    /// The sandbox's engine; `None`: the newest that this machine's Java can run.
    pub engine: Option<Engine>,
    /// The sandbox's nodes. With one, none is killed.
    pub nodes: usize,
    /// In how many of a hundred runs a node is killed.
    pub node_kills: u8,
    /// The only cutover mode; `None`: any that workload and binary allow.
    pub mode: Option<Mode>,
    /// Whether every workload gives versions itself.
    pub versioned: bool,
    /// Whether requests other than bulk may reach the cluster after segue has given them up.
    pub stragglers: bool,
    /// Most documents at the start of a run.
    pub documents: u32,
    /// Where a run that fails leaves its logs.
    pub logs: PathBuf,
    /// No further run is begun after so long.
    pub at_most: Option<Duration>,
    /// Damage done on purpose, to see it found.
    pub plant: Option<Plant>,
    /// Set from outside to end after the run that is under way.
    pub stop: Arc<AtomicBool>,
}

/// The sum of a campaign. As JSON it is one flat object with a number for each kind of finding.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Runs that were carried out.
    pub runs: u32,
    /// Findings by kind.
    pub findings: BTreeMap<Kind, u64>,
    /// Seeds of the runs with findings.
    pub failed_seeds: Vec<u64>,
    /// What the writers did.
    pub tally: Tally,
    /// What was done to segue.
    pub struck: Struck,
    /// What was done to its network.
    pub network: BTreeMap<String, u64>,
    /// Documents compared in the end.
    pub documents: u64,
    /// Runs by cutover mode and by pipeline.
    pub drawn: BTreeMap<String, u64>,
    /// Seed of the first run.
    pub seed: u64,
    /// Engine and version.
    pub engine: String,
    /// How long the runs took, the start of the cluster not counted.
    pub took: Duration,
}

impl Outcome {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.values().all(|count| *count == 0)
    }

    /// How often something of this kind was found.
    #[must_use]
    pub fn found(&self, kind: Kind) -> u64 {
        self.findings.get(&kind).copied().unwrap_or(0)
    }

    /// One flat JSON object.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut all = Map::new();
        all.insert("runs".into(), json!(self.runs));
        for kind in Kind::ALL {
            let name = json!(kind).as_str().unwrap_or_default().to_owned();
            all.insert(name, json!(self.found(kind)));
        }
        let seconds = self.took.as_secs_f64();
        let each = seconds / f64::from(self.runs.max(1));
        all.insert("seconds_per_run".into(), json!((each * 100.0).round() / 100.0));
        all.insert("seconds".into(), json!(seconds.round()));
        all.extend(object(&self.struck));
        all.extend(object(&self.tally));
        all.insert("documents".into(), json!(self.documents));
        all.insert("network".into(), json!(self.network));
        all.insert("drawn".into(), json!(self.drawn));
        all.insert("engine".into(), json!(self.engine));
        all.insert("seed".into(), json!(self.seed));
        all.insert("failed_seeds".into(), json!(self.failed_seeds));
        Value::Object(all)
    }

    fn add(&mut self, scenario: &Scenario, ran: &Ran) {
        self.runs += 1;
        for finding in &ran.findings {
            *self.findings.entry(finding.kind).or_default() += 1;
        }
        if !ran.findings.is_empty() {
            self.failed_seeds.push(scenario.seed);
        }
        self.tally += ran.tally;
        self.struck += ran.struck;
        self.documents += ran.documents;
        let versions =
            if scenario.workload.versioned { "preserved versions" } else { "own versions" };
        let words = [format!("{:?}", scenario.mode), format!("{:?}", scenario.pipeline)];
        for word in words.into_iter().chain([versions.to_owned()]) {
            *self.drawn.entry(word.to_lowercase()).or_default() += 1;
        }
    }
}

fn object(value: &impl Serialize) -> Map<String, Value> {
    json!(value).as_object().cloned().unwrap_or_default()
}

/// Carries out a campaign.
///
/// # Errors
/// A cluster that cannot be started or does not answer, a run that cannot be carried out or judged.
/// What is wrong with segue is no error but part of the outcome.
///
/// # Panics
/// If the binary cannot be started.
pub fn campaign(options: &Options) -> anyhow::Result<Outcome> {
    let runtime =
        Builder::new_multi_thread().worker_threads(2).enable_all().build().context("no runtime")?;
    let handle = runtime.handle().clone();
    let ground = match &options.cluster {
        Some(url) => Ground::at(handle, url)?,
        None => Ground::sandbox(handle, options.engine, options.nodes)?,
    };
    std::fs::create_dir_all(&options.logs).context("cannot make the folder for logs")?;
    let bounds = Bounds {
        documents: options.documents,
        deletes: DELETES,
        redirect: knows_redirect(options)?,
        mode: options.mode,
        versioned: options.versioned,
        // What is planted is a document under its own id.
        fan_out: options.plant.is_none(),
        surroundings: ground.surroundings(options.node_kills, options.stragglers),
    };
    talk(&format!(
        "{}: {} runs from seed {}, {} nodes, deletes: {}, redirect: {}",
        ground.engine,
        options.runs,
        options.seed,
        bounds.surroundings.nodes,
        bounds.deletes,
        bounds.redirect
    ));
    let mut outcome =
        Outcome { seed: options.seed, engine: ground.engine.clone(), ..Outcome::default() };
    let begun = Instant::now();
    for number in 0..options.runs {
        let late = options.at_most.is_some_and(|at_most| begun.elapsed() > at_most);
        if late || options.stop.load(Ordering::Relaxed) {
            break;
        }
        let scenario = Scenario::draw(options.seed.wrapping_add(u64::from(number)), &bounds);
        one(options, &ground, &scenario, &mut outcome)?;
    }
    outcome.took = begun.elapsed();
    for seat in &ground.seats {
        for (fault, count) in seat.proxy.faults() {
            *outcome.network.entry(faults::name(fault)).or_default() += count;
        }
    }
    Ok(outcome)
}

fn one(
    options: &Options,
    ground: &Ground,
    scenario: &Scenario,
    outcome: &mut Outcome,
) -> anyhow::Result<()> {
    let seed = scenario.seed;
    let folder = options.logs.join(format!("seed-{seed}"));
    if folder.exists() {
        std::fs::remove_dir_all(&folder).context("cannot remove older logs")?;
    }
    std::fs::create_dir_all(&folder).context("cannot make a folder for logs")?;
    std::fs::write(folder.join("scenario.txt"), format!("{scenario:#?}\n"))?;
    let begun = Instant::now();
    let setting = Setting { ground, segue: &options.segue, plant: options.plant };
    let ran = run(&setting, scenario, &folder)
        .with_context(|| format!("the run of seed {seed} (logs in {})", folder.display()))?;
    outcome.add(scenario, &ran);
    talk(&line(scenario, &ran, begun.elapsed()));
    if ran.findings.is_empty() {
        std::fs::remove_dir_all(&folder).context("cannot remove the logs of a clean run")?;
    } else {
        tell(options, scenario, &ran.findings, &folder, ground);
    }
    Ok(())
}

fn line(scenario: &Scenario, ran: &Ran, took: Duration) -> String {
    let Scenario { seed, mode, pipeline, old_name, shards, .. } = scenario;
    let Struck { starts, kills, node_kills, .. } = ran.struck;
    let Tally { acknowledged, refused, unknown, .. } = ran.tally;
    let word = if ran.findings.is_empty() { "clean" } else { "FAILED" };
    format!(
        "seed {seed}: {word} in {:.1} s: {mode:?} {pipeline:?} {old_name:?} {shards} shards, \
         {starts} starts, {kills} kills, {node_kills} nodes, {acknowledged} writes, \
         {refused} refused, {unknown} open, {} documents",
        took.as_secs_f64(),
        ran.documents
    )
}

fn tell(
    options: &Options,
    scenario: &Scenario,
    findings: &[Finding],
    folder: &Path,
    ground: &Ground,
) {
    talk(&format!("{scenario:#?}"));
    for finding in findings.iter().take(TOLD) {
        talk(&format!("{:?}: {}", finding.kind, finding.what));
        if let Some(found) = &finding.found {
            talk(&format!("  found {found}"));
        }
        if let Some(history) = &finding.history {
            talk(&format!("  history {}", json!(history)));
        }
    }
    let versioned = if options.versioned { " --versioned" } else { "" };
    let mode = options.mode.map(|mode| format!(" --mode {}", mode.word())).unwrap_or_default();
    talk(&format!(
        "{} findings; logs in {}; again with --seed {} --runs 1 --nodes {} --node-kills {} \
         --documents {}{mode}{versioned}",
        findings.len(),
        folder.display(),
        scenario.seed,
        ground.seats.len(),
        options.node_kills,
        options.documents
    ));
}

/// Asks the binary whether it takes a recipe with the mode `redirect`.
fn knows_redirect(options: &Options) -> anyhow::Result<bool> {
    let file = options.logs.join("probe.yaml");
    std::fs::write(&file, recipe::probe()).context("cannot write a recipe")?;
    let status = Command::new(&options.segue)
        .args(["recipe", "check"])
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {}", options.segue.display()))?;
    std::fs::remove_file(&file).context("cannot remove a recipe")?;
    Ok(status.success())
}
