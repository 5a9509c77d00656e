//! A roll-up of many days and communities: seconds, and requests for each day and community.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use segue_testkit::Engine;
use serde_json::{Value, json};

use crate::figures::Figures;
use crate::process;

/// How far from 1970 the first day is: 2025-01-01.
const FIRST_DAY: u64 = 20_089;
const DAY_MS: u64 = 86_400_000;

/// What is rolled up.
#[derive(Debug, Args)]
pub struct Rollup {
    /// Days with events.
    #[arg(long, default_value_t = 365)]
    days: u32,
    /// Communities.
    #[arg(long, default_value_t = 50)]
    communities: u32,
    /// Events of each day and community.
    #[arg(long, default_value_t = 20)]
    events: u32,
    /// How often everything is measured.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
}

const RECIPE: &str = r"
segue: 1
name: bench-rollup
cluster: { url: 'URL' }
rollup:
  period: day
  key: { field: communities, as: community_id, all: global }
  sources:
    view:
      index: bench-rollup-events
      date: at
      metrics: { total_events: count, unique_visitors: { unique: visitor } }
  dimensions: { countries: { each: country, top: 20 } }
  delta: { index: bench-rollup-delta }
  snapshot: { index: bench-rollup-snapshot }
";

/// Rolls everything up from nothing, then once more after one late event.
///
/// # Errors
/// A run fails, or counts other than what is there.
pub fn measure(segue: &Path, wanted: &Rollup, engine: &Engine) -> anyhow::Result<Figures> {
    let events = wanted.days * wanted.communities * wanted.events;
    eprintln!("making {events} events");
    make_events(engine, wanted);
    let mut figures = Figures::new(events);
    for round in 0..wanted.rounds {
        eprintln!("round {}", round + 1);
        one_round(segue, wanted, engine, &mut figures)?;
        engine.json.delete("/bench-rollup-delta,bench-rollup-snapshot");
        engine.json.delete("/segue-*?expand_wildcards=all");
    }
    Ok(figures)
}

fn one_round(
    segue: &Path,
    wanted: &Rollup,
    engine: &Engine,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("recipe.yaml");
    std::fs::write(&file, RECIPE.replace("URL", &engine.url))?;
    let last = day_label(wanted.days - 1);
    let places = f64::from(wanted.days) * f64::from(wanted.communities + 1);
    let mut run = |name: &str, periods: u64| -> anyhow::Result<()> {
        let report_file = folder.path().join("report.json");
        let mut command = Command::new(segue);
        command.args(["rollup", "run"]).arg(&file).args(["--json", "--to", &last]);
        command.stdin(Stdio::null()).stderr(Stdio::null());
        command.stdout(std::fs::File::create(&report_file)?);
        let used = process::run(&mut command, Duration::from_mins(30), |_| Ok(()))?;
        let report: Value = serde_json::from_slice(&std::fs::read(&report_file)?)?;
        ensure!(report["periods"] == periods, "not {periods} days were rolled up: {report}");
        ensure!(report["done"] == last.as_str(), "not all is complete: {report}");
        let requests = report["requests"].as_f64().context("a report without requests")?;
        figures.other(name, used.wall_s);
        figures.add(&format!("{name}: requests"), requests);
        figures.add(&format!("{name}: requests for each day and key"), requests / places);
        figures.add(&format!("{name}: peak memory, MB"), used.peak_mb);
        Ok(())
    };
    run("everything", u64::from(wanted.days))?;
    run("nothing new", 0)?;
    let late = event(wanted.days / 2, 0, wanted.events).to_string();
    engine.json.write("bench-rollup-events", &[("late", late.as_str())]);
    engine.json.post("/bench-rollup-events/_refresh", &Value::Null);
    run("one late event", 1)?;
    engine.json.delete("/bench-rollup-events/_doc/late?refresh=true");
    Ok(())
}

fn day_label(day: u32) -> String {
    let ms = (FIRST_DAY + u64::from(day)) * DAY_MS;
    let mut label = segue_model::rollup::iso(i64::try_from(ms).unwrap_or(i64::MAX));
    label.truncate("2025-01-01".len());
    label
}

fn event(day: u32, community: u32, number: u32) -> Value {
    let country = ["US", "DE", "FR", "JP"][number as usize % 4];
    let at = (FIRST_DAY + u64::from(day)) * DAY_MS + u64::from(number) * 60_000;
    json!({
        "at": at, "communities": [format!("c{community}")], "visitor": format!("v{}", number % 7),
        "country": country
    })
}

fn make_events(engine: &Engine, wanted: &Rollup) {
    let keyword = json!({ "type": "keyword" });
    engine.json.put(
        "/bench-rollup-events",
        &json!({
            "settings": { "number_of_shards": 2, "number_of_replicas": 0 },
            "mappings": { "properties": {
                "at": { "type": "date" }, "communities": keyword, "visitor": keyword, "country": keyword
            }}
        }),
    );
    for day in 0..wanted.days {
        let places = (0..wanted.communities)
            .flat_map(|community| (0..wanted.events).map(move |number| (community, number)));
        let texts: Vec<_> = places
            .map(|(community, number)| {
                let id = format!("{day}-{community}-{number}");
                (id, event(day, community, number).to_string())
            })
            .collect();
        let pairs: Vec<_> = texts.iter().map(|(id, text)| (id.as_str(), text.as_str())).collect();
        engine.json.write("bench-rollup-events", &pairs);
    }
    engine.json.post("/bench-rollup-events/_refresh", &Value::Null);
}
