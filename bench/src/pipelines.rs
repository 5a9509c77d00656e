//! What the steps of a pipeline cost: the same documents, index to index, through four of them.

use std::path::Path;

use clap::Args;
use segue_testkit::Engine;

use crate::event;
use crate::figures::Figures;
use crate::program::Program;

const SOURCE: &str = "bench-events";

/// What is carried.
#[derive(Debug, Args)]
pub struct Pipelines {
    /// Documents of about 0.45 kB, in two shards.
    #[arg(long, default_value_t = 500_000)]
    docs: u32,
    /// How often everything is measured.
    #[arg(long, default_value_t = 4)]
    rounds: u32,
}

/// Name and pipeline; the first is what the others are compared with.
const PIPELINES: [(&str, &str); 4] = [
    ("pass-through", ""),
    ("splice", "pipeline:\n  - set: { origin: bench }\n  - copy: { page: doc.referrer }\n"),
    (
        "parsed",
        "pipeline:\n  - rename: { unique_id: uid }\n  - convert: { via_api: string }\n\
         \x20 - date: { updated_timestamp: { from: iso, to_zone: '+02:00' } }\n",
    ),
    (
        "script",
        "pipeline:\n  - script: |\n      doc.uid = doc.unique_id;\n      doc.remove(\"unique_id\");\n\
         \x20     doc.via_api = if doc.via_api { \"true\" } else { \"false\" };\n\
         \x20     doc.page = doc.referrer;\n",
    ),
];

/// Measures every pipeline in every round.
///
/// # Errors
/// A run fails, or does not carry every document.
pub fn measure(segue: &Path, wanted: &Pipelines, engine: &Engine) -> anyhow::Result<Figures> {
    eprintln!("making {} events", wanted.docs);
    event::make_events(engine, SOURCE, wanted.docs, 5_000);
    let mut figures = Figures::new(wanted.docs);
    for round in 0..wanted.rounds {
        eprintln!("round {}", round + 1);
        one_round(segue, wanted.docs, engine, round as usize, &mut figures)?;
    }
    Ok(figures)
}

fn one_round(
    segue: &Path,
    docs: u32,
    engine: &Engine,
    round: usize,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let mut rates = [0.0; PIPELINES.len()];
    for step in 0..PIPELINES.len() {
        let which = (step + round) % PIPELINES.len();
        let (name, pipeline) = PIPELINES[which];
        let ran = Program::new(segue, &engine.url)?.run(name, SOURCE, pipeline, docs)?;
        crate::clear(engine);
        rates[which] = f64::from(docs) / ran.backfill_s;
        figures.add(&format!("{name}: documents a second, first pass"), rates[which]);
        let each = 1e6 / f64::from(docs);
        let first = ran.backfill_cpu_s * each;
        figures.add(&format!("{name}: own CPU of the first pass, µs a document"), first);
        let whole = ran.cpu_s * each;
        figures.add(&format!("{name}: own CPU with verification, µs a document"), whole);
    }
    // Of one round each, as the machine is not the same in all of them.
    for (rate, (name, _)) in rates.iter().zip(PIPELINES).skip(1) {
        figures.add(&format!("{name} ÷ pass-through, documents a second"), rate / rates[0]);
    }
    Ok(())
}
