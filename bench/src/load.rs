//! Files into an index: segue, and the plain loader in Python, with the same settings and mappings.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use segue_testkit::Engine;
use serde_json::{Value, json};

use crate::figures::Figures;
use crate::process::Used;
use crate::program::{Program, Ran};
use crate::python::{Manner, Python};

const ALIAS: &str = "bench-loaded";
const PLAIN: &str = "bench-loaded-plain";

/// What is loaded.
#[derive(Debug, Args)]
pub struct Load {
    /// Rows of about 0.25 kB.
    #[arg(long, default_value_t = 500_000)]
    docs: u32,
    /// How often everything is measured.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
}

/// Loads CSV and JSON lines, by segue and by the plain loader, in every round.
///
/// # Errors
/// A load fails, or does not write every document. Without Python its figures are missing.
pub fn measure(segue: &Path, wanted: &Load, engine: &Engine) -> anyhow::Result<Figures> {
    let python = Python::ready();
    if let Err(why) = &python {
        eprintln!("no figures of the plain loader: {why:#}");
    }
    let python = python.ok();
    let folder = tempfile::tempdir()?;
    let files =
        [("CSV", csv(folder.path(), wanted.docs)?), ("JSONL", jsonl(folder.path(), wanted.docs)?)];
    let mut figures = Figures::new(wanted.docs);
    let bench = Bench { segue, engine, python, docs: wanted.docs };
    for round in 0..wanted.rounds {
        eprintln!("round {}", round + 1);
        for (format, file) in &files {
            bench.one_round(round, format, file, &mut figures)?;
        }
    }
    Ok(figures)
}

struct Bench<'a> {
    segue: &'a Path,
    engine: &'a Engine,
    python: Option<Python>,
    docs: u32,
}

impl Bench<'_> {
    fn one_round(
        &self,
        round: u32,
        format: &str,
        file: &Path,
        figures: &mut Figures,
    ) -> anyhow::Result<()> {
        for step in 0..3 {
            match (step + round) % 3 {
                0 => self.segue(format, file, figures)?,
                1 => self.plain(format, file, Manner::Plain, figures)?,
                _ => self.plain(format, file, Manner::Tuned, figures)?,
            }
        }
        Ok(())
    }

    fn segue(&self, format: &str, file: &Path, figures: &mut Figures) -> anyhow::Result<()> {
        let program = Program::new(self.segue, &self.engine.url)?;
        let Ran { backfill_s, wall_s, cpu_s, peak_mb, .. } =
            program.load(file, ALIAS, &template(), self.docs)?;
        clear(self.engine);
        figures.other(&format!("{format}, segue: loading"), backfill_s);
        let used = Used { wall_s, cpu_s, peak_mb };
        self.add(&format!("{format}, segue with types, verification and swap"), used, figures);
        Ok(())
    }

    fn plain(
        &self,
        format: &str,
        file: &Path,
        manner: Manner,
        figures: &mut Figures,
    ) -> anyhow::Result<()> {
        let Some(python) = &self.python else { return Ok(()) };
        self.engine.json.put(&format!("/{PLAIN}"), &template());
        let used = python.load(self.engine, PLAIN, file, self.docs, manner)?;
        self.engine.json.delete(&format!("/{PLAIN}"));
        let name = match manner {
            Manner::Plain => "helpers.bulk",
            Manner::Tuned => "helpers.bulk, refresh off, 1,000 at a time",
        };
        self.add(&format!("{format}, {name}"), used, figures);
        Ok(())
    }

    fn add(&self, name: &str, used: Used, figures: &mut Figures) {
        figures.other(name, used.wall_s);
        figures.add(
            &format!("{name}: own CPU, µs a document"),
            used.cpu_s * 1e6 / f64::from(self.docs),
        );
        figures.add(&format!("{name}: peak memory, MB"), used.peak_mb);
    }
}

/// Removes what was loaded and what segue keeps.
pub fn clear(engine: &Engine) {
    engine.json.delete(&format!("/{ALIAS}-*"));
    engine.json.delete("/segue-*?expand_wildcards=all");
}

/// The index of both loaders.
fn template() -> Value {
    json!({
        "settings": { "number_of_shards": 2, "number_of_replicas": 0 },
        "mappings": { "dynamic": false, "properties": {
            "number": { "type": "long" }, "amount": { "type": "double" },
            "is_robot": { "type": "boolean" }, "at": { "type": "date" },
            "visitor": { "type": "keyword" }, "title": { "type": "text" }
        }}
    })
}

/// One row, always the same for a number.
fn row(number: u32) -> [String; 6] {
    let mixed = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    [
        number.to_string(),
        format!("{}.{:02}", mixed % 9000, 1 + mixed % 99),
        (mixed.is_multiple_of(7)).to_string(),
        format!("2026-06-{:02}T{:02}:{:02}:00Z", 1 + number % 28, number / 60 % 24, number % 60),
        format!("{mixed:064x}"),
        format!(
            "a title, of \u{201c}some\u{201d} words, that belongs to visitor {} and to nobody else",
            mixed % 1000
        ),
    ]
}

const COLUMNS: [&str; 6] = ["number", "amount", "is_robot", "at", "visitor", "title"];

fn csv(folder: &Path, docs: u32) -> anyhow::Result<PathBuf> {
    let path = folder.join("rows.csv");
    let mut file = BufWriter::new(File::create(&path)?);
    writeln!(file, "{}", COLUMNS.join(","))?;
    for number in 0..docs {
        let [n, amount, robot, at, visitor, title] = row(number);
        writeln!(file, "{n},{amount},{robot},{at},{visitor},\"{title}\"")?;
    }
    file.flush()?;
    Ok(path)
}

fn jsonl(folder: &Path, docs: u32) -> anyhow::Result<PathBuf> {
    let path = folder.join("rows.jsonl");
    let mut file = BufWriter::new(File::create(&path)?);
    for number in 0..docs {
        let [n, amount, robot, at, visitor, title] = row(number);
        let (at, visitor, title) = (json!(at), json!(visitor), json!(title));
        writeln!(
            file,
            r#"{{"number":{n},"amount":{amount},"is_robot":{robot},"at":{at},"visitor":{visitor},"title":{title}}}"#
        )?;
    }
    file.flush()?;
    Ok(path)
}
