//! segue measured on real engines: its copy against the engine's own, on the same data, in one run, in
//! turns; its switch under writers; its pipelines, and its loading of files.
//!
//! `cargo build --release --package segue && cargo run --release --package segue-bench -- copy`

mod event;
mod figures;
mod load;
mod membership;
mod memory;
mod pipelines;
mod process;
mod program;
mod python;
mod reindex;
mod replay;
mod rollup;
mod windows;
mod writer;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use segue_testkit::Engine;

use figures::Figures;
use load::Load;
use membership::Membership;
use memory::Memory;
use pipelines::Pipelines;
use program::Program;
use reindex::Target;
use rollup::Rollup;
use windows::Windows;

/// Measurements of segue on an engine of their own.
#[derive(Debug, Parser)]
struct Arguments {
    /// The release binary.
    #[arg(long, global = true, default_value = "target/release/segue")]
    segue: PathBuf,
    /// Heap of the engine.
    #[arg(long, global = true, default_value = "2g")]
    heap: String,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Copying, enriching and comparing, beside the engine's own copy.
    Copy(Copying),
    /// Switching under writers: refusals, deletes, lag, and what writers notice.
    Windows(Windows),
    /// Copying through pipelines of four kinds, beside each other.
    Pipelines(Pipelines),
    /// Loading CSV and JSON lines, beside a plain loader in Python.
    Load(Load),
    /// Memory while a large file is loaded.
    Memory(Memory),
    /// Rolling up many days and communities.
    Rollup(Rollup),
    /// Events of membership for many records.
    Membership(Membership),
}

/// What is copied.
#[derive(Debug, Args)]
struct Copying {
    /// Documents of about 0.45 kB, in two shards.
    #[arg(long, default_value_t = 500_000)]
    docs: u32,
    /// Records that events are enriched from.
    #[arg(long, default_value_t = 5_000)]
    records: u32,
    /// How often everything is measured.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let segue = arguments.segue.canonicalize();
    let segue = segue.context("build it first: cargo build --release --package segue")?;
    let mut options = segue_sandbox::Options::named("bench")?;
    options.heap = arguments.heap.parse()?;
    options.fresh = true;
    let mut talk = |line: &str| eprintln!("{line}");
    let running = segue_sandbox::up(&options, &mut talk)?;
    let engine = Engine::at(&running.url);
    let measured = match &arguments.what {
        What::Copy(wanted) => measure(&segue, wanted, &engine),
        What::Windows(wanted) => windows::measure(&segue, wanted, &engine),
        What::Pipelines(wanted) => pipelines::measure(&segue, wanted, &engine),
        What::Load(wanted) => load::measure(&segue, wanted, &engine),
        What::Memory(wanted) => memory::measure(&segue, wanted, &engine),
        What::Rollup(wanted) => rollup::measure(&segue, wanted, &engine),
        What::Membership(wanted) => membership::measure(&segue, wanted, &engine),
    };
    segue_sandbox::remove(&options, &mut talk)?;
    print!("{}", measured?);
    Ok(())
}

fn measure(segue: &Path, wanted: &Copying, engine: &Engine) -> anyhow::Result<Figures> {
    eprintln!("making {} events and {} records", wanted.docs, wanted.records);
    event::make_events(engine, "bench-events", wanted.docs, wanted.records);
    event::make_records(engine, "bench-records", wanted.records);
    let mut figures = Figures::new(wanted.docs);
    for round in 0..wanted.rounds {
        eprintln!("round {}", round + 1);
        one_round(segue, wanted, engine, round, &mut figures).context("a round failed")?;
    }
    Ok(figures)
}

fn one_round(
    segue: &Path,
    wanted: &Copying,
    engine: &Engine,
    round: u32,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    // The order turns from round to round, so that none always meets the warmer engine.
    for step in 0..5 {
        match (step + round) % 5 {
            0 => copy(segue, wanted, engine, figures)?,
            1 => enrich(segue, wanted, engine, figures)?,
            2 => figures.other("_reindex", reindex::time(engine, "1", Target::Default)?),
            3 => {
                figures
                    .other("_reindex slices=auto", reindex::time(engine, "auto", Target::Default)?);
            }
            _ => figures.other(
                "_reindex slices=auto, relaxed target",
                reindex::time(engine, "auto", Target::Relaxed)?,
            ),
        }
    }
    Ok(())
}

fn copy(
    segue: &Path,
    wanted: &Copying,
    engine: &Engine,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let program = Program::new(segue, &engine.url)?;
    let ran = program.run("copy", "bench-events", "", wanted.docs)?;
    clear(engine);
    figures.segue("segue copy", &ran);
    Ok(())
}

/// Enriches the events, then reads the enriched documents and writes the same bytes by the shortest
/// way there is.
fn enrich(
    segue: &Path,
    wanted: &Copying,
    engine: &Engine,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let program = Program::new(segue, &engine.url)?;
    let ran = program.run("enrich", "bench-events", event::PIPELINE, wanted.docs)?;
    figures.segue("segue enriched", &ran);
    let seconds = replay::time(engine, "bench-events-v2", wanted.docs)?;
    clear(engine);
    figures.other("raw replay of the enriched", seconds);
    Ok(())
}

fn clear(engine: &Engine) {
    engine.json.delete("/bench-events-v2*");
    engine.json.delete("/segue-*?expand_wildcards=all");
}
