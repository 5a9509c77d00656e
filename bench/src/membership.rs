//! Events of membership for many records: how fast, and in how many requests.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Args;
use segue_testkit::Engine;
use serde_json::{Value, json};

use crate::figures::Figures;

const PREFIX: &str = "bench-";
const RECORDS: &str = "bench-rdmrecords-records";
const EVENTS: &str = "bench-stats-community-events-*";
/// Records of one bulk.
const AT_ONCE: u32 = 5_000;

/// What there are events for.
#[derive(Debug, Args)]
pub struct Membership {
    /// Records, each in one community.
    #[arg(long, default_value_t = 100_000)]
    records: u32,
    /// How often everything is measured.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
}

/// Writes the events of all records, and looks for missing ones once more, in every round.
///
/// # Errors
/// A run fails, or does not write two events for every record.
pub fn measure(segue: &Path, wanted: &Membership, engine: &Engine) -> anyhow::Result<Figures> {
    let recipe = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../recipes/invenio/community-events.yaml")
        .canonicalize()?;
    records(engine, wanted.records);
    let mut figures = Figures::new(wanted.records);
    let count = f64::from(wanted.records);
    for round in 0..wanted.rounds {
        eprintln!("round {}", round + 1);
        let events = u64::from(wanted.records) * 2;
        for (what, new) in [("none there", events), ("all there", 0)] {
            let begun = Instant::now();
            let report = run(segue, &recipe, engine)?;
            let seconds = begun.elapsed().as_secs_f64();
            ensure!(report["new"] == json!(new), "not {new} events: {report}");
            ensure!(report["old"] == json!(events - new), "not {} old: {report}", events - new);
            let requests = report["requests"].as_f64().context("no requests")?;
            figures.other(&format!("events of 2 a record, {what}"), seconds);
            figures.add(&format!("{what}: records a second"), count / seconds);
            figures.add(&format!("{what}: requests for 1,000 records"), requests / count * 1000.0);
        }
        ensure!(engine.json.count(EVENTS) == events, "not {events} events in the index");
        for year in 2020..2025 {
            engine.json.delete(&format!("/bench-stats-community-events-{year}"));
        }
    }
    Ok(figures)
}

fn run(segue: &Path, recipe: &Path, engine: &Engine) -> anyhow::Result<Value> {
    let ended = std::process::Command::new(segue)
        .args(["membership", "run", "--json"])
        .arg(recipe)
        .env("SEGUE_CLUSTER", &engine.url)
        .env("SEGUE_PREFIX", PREFIX)
        .output()
        .context("cannot start segue")?;
    let text = String::from_utf8_lossy(&ended.stderr);
    ensure!(ended.status.success(), "segue failed: {text}");
    serde_json::from_slice(&ended.stdout).context("segue printed no report")
}

/// Makes records of five years, in fifty communities.
fn records(engine: &Engine, count: u32) {
    let keyword = json!({ "type": "keyword" });
    let body = json!({
        "settings": { "number_of_shards": 1, "number_of_replicas": 0 },
        "mappings": { "properties": {
            "id": keyword, "created": { "type": "date" },
            "parent": { "properties": { "communities": { "properties": { "ids": keyword } } } },
            "metadata": { "properties": { "publication_date": keyword } }
        }}
    });
    engine.json.put(&format!("/{RECORDS}"), &body);
    let numbers: Vec<_> = (0..count).collect();
    for some in numbers.chunks(AT_ONCE as usize) {
        let records: Vec<_> = some.iter().map(|n| (format!("r{n:07}"), record(*n))).collect();
        let pairs: Vec<_> = records.iter().map(|(id, text)| (id.as_str(), text.as_str())).collect();
        engine.json.write(RECORDS, &pairs);
    }
}

fn record(number: u32) -> String {
    let (year, month, day) = (2020 + number % 5, number / 5 % 12 + 1, number / 60 % 28 + 1);
    json!({
        "id": format!("r{number:07}"),
        "created": format!("{year}-{month:02}-{day:02}T10:00:00.123456+00:00"),
        "parent": { "communities": { "ids": [format!("c{:02}", number % 50)] } },
        "metadata": { "publication_date": year.to_string(), "title": "A record of the bench ".repeat(20) }
    })
    .to_string()
}
