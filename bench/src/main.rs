//! segue against the engine's own copy, on the same data, in one run, in turns.
//!
//! `cargo build --release --package segue && cargo run --release --package segue-bench`

mod event;
mod figures;
mod program;
mod reindex;
mod replay;

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Parser;
use segue_testkit::Engine;

use figures::Figures;
use program::Program;
use reindex::Target;

/// Paired measurements of segue.
#[derive(Debug, Parser)]
struct Wanted {
    /// Documents of about 0.45 kB, in two shards.
    #[arg(long, default_value_t = 500_000)]
    docs: u32,
    /// Records that events are enriched from.
    #[arg(long, default_value_t = 5_000)]
    records: u32,
    /// How often everything is measured.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// The release binary.
    #[arg(long, default_value = "target/release/segue")]
    segue: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let wanted = Wanted::parse();
    ensure!(wanted.segue.exists(), "build it first: cargo build --release --package segue");
    let mut options = segue_sandbox::Options::named("bench")?;
    options.heap = "2g".parse()?;
    options.fresh = true;
    let mut talk = |line: &str| eprintln!("{line}");
    let running = segue_sandbox::up(&options, &mut talk)?;
    let measured = measure(&wanted, &Engine::at(&running.url));
    segue_sandbox::remove(&options, &mut talk)?;
    print!("{}", measured?);
    Ok(())
}

fn measure(wanted: &Wanted, engine: &Engine) -> anyhow::Result<Figures> {
    eprintln!("making {} events and {} records", wanted.docs, wanted.records);
    event::make_events(engine, "bench-events", wanted.docs, wanted.records);
    event::make_records(engine, "bench-records", wanted.records);
    let mut figures = Figures::new(wanted.docs);
    for round in 0..wanted.rounds {
        eprintln!("round {}", round + 1);
        one_round(wanted, engine, round, &mut figures).context("a round failed")?;
    }
    Ok(figures)
}

fn one_round(
    wanted: &Wanted,
    engine: &Engine,
    round: u32,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    // The order turns from round to round, so that none always meets the warmer engine.
    for step in 0..5 {
        match (step + round) % 5 {
            0 => copy(wanted, engine, figures)?,
            1 => enrich(wanted, engine, figures)?,
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

fn copy(wanted: &Wanted, engine: &Engine, figures: &mut Figures) -> anyhow::Result<()> {
    let program = Program::new(&wanted.segue, &engine.url)?;
    let ran = program.run("copy", "bench-events", "", wanted.docs)?;
    clear(engine);
    figures.segue("segue copy", &ran);
    Ok(())
}

/// Enriches the events, then reads the enriched documents and writes the same bytes by the shortest
/// way there is.
fn enrich(wanted: &Wanted, engine: &Engine, figures: &mut Figures) -> anyhow::Result<()> {
    let program = Program::new(&wanted.segue, &engine.url)?;
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
