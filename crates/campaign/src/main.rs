//! `cargo xtask campaign` builds this program and the one under test, and starts it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use segue_campaign::{Engine, Mode, Options, Plant, campaign};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Exit code of a campaign that found something.
const FOUND: u8 = 4;

/// Random workloads under random faults; the last line is one JSON object.
#[derive(Debug, Parser)]
#[command(name = "campaign", bin_name = "cargo xtask campaign")]
struct Arguments {
    /// How many runs.
    #[arg(long, default_value_t = 20)]
    runs: u32,
    /// Seed of the first run; the others follow it. Unset = a random one.
    #[arg(long)]
    seed: Option<u64>,
    /// opensearch-3 or opensearch-2; unset = the newest that this machine's Java can run.
    #[arg(long)]
    engine: Option<Engine>,
    /// Nodes of the cluster, each a process; with more than one, some runs kill one of them.
    #[arg(long, default_value_t = 3)]
    nodes: usize,
    /// In how many of a hundred runs a node is killed.
    #[arg(long, default_value_t = 15, value_name = "PERCENT")]
    node_kills: u8,
    /// Only this cutover mode: block or redirect.
    #[arg(long)]
    mode: Option<Mode>,
    /// Only workloads that give their documents versions of their own, which are preserved.
    #[arg(long, conflicts_with = "mode")]
    versioned: bool,
    /// Most documents at the start of a run.
    #[arg(long, default_value_t = 2_000)]
    documents: u32,
    /// Begin no further run after so many seconds.
    #[arg(long, value_name = "SECONDS")]
    at_most: Option<u64>,
    /// Where runs that fail leave their logs.
    #[arg(long, default_value = "target/campaign")]
    logs: PathBuf,
    /// Use this cluster, and kill none of its nodes.
    #[arg(long, env = "SEGUE_CLUSTER", value_name = "URL")]
    cluster: Option<String>,
    /// The program under test; unset = `segue` beside this program.
    #[arg(long, value_name = "FILE")]
    segue: Option<PathBuf>,
    /// Damage what a run left, to see the checker find it: lost, stale, extra or block.
    #[arg(long)]
    plant: Option<Plant>,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FOUND),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<bool> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)))
            .context("cannot listen for signals")?;
    }
    let segue = match arguments.segue {
        Some(segue) => segue,
        None => std::env::current_exe().context("where is this program?")?.with_file_name("segue"),
    };
    let options = Options {
        segue,
        runs: arguments.runs,
        // Short enough to be typed.
        seed: arguments.seed.unwrap_or_else(|| u64::from(fastrand::u32(..))),
        cluster: arguments.cluster.filter(|url| !url.is_empty()),
        engine: arguments.engine,
        nodes: arguments.nodes,
        node_kills: arguments.node_kills,
        mode: arguments.mode,
        versioned: arguments.versioned,
        stragglers: true,
        documents: arguments.documents,
        logs: arguments.logs,
        at_most: arguments.at_most.map(Duration::from_secs),
        plant: arguments.plant,
        stop,
    };
    let outcome = campaign(&options)?;
    println!("{}", outcome.json());
    Ok(outcome.is_clean())
}
