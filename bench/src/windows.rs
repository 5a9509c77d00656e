//! Switches under writers: how long writes are refused, what deletes cost, what writers notice.

mod lag;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use segue_testkit::{Engine, Segue};
use serde_json::{Value, json};

use crate::event::make_events;
use crate::figures::Figures;
use crate::writer::Writer;

const SOURCE: &str = "bench-live";
const ALIAS: &str = "bench-alias";
const TARGET: &str = "bench-live-v2";
const KEPT: &str = "segue-before-bench-live";

/// What is switched.
#[derive(Debug, Args)]
pub struct Windows {
    /// Documents of about 0.45 kB, in two shards.
    #[arg(long, default_value_t = 1_000_000)]
    docs: u32,
    /// Switches in mode block, each under a writer by the index's name and one by an alias.
    #[arg(long, default_value_t = 20)]
    switches: u32,
    /// Switches in mode redirect.
    #[arg(long, default_value_t = 5)]
    redirects: u32,
    /// Documents a second that are written meanwhile, all writers together.
    #[arg(long, default_value_t = 500)]
    writes: u32,
    /// Measure switches and nothing else.
    #[arg(long)]
    only_switches: bool,
}

/// Measures all of it.
pub fn measure(segue: &Path, wanted: &Windows, engine: &Engine) -> anyhow::Result<Figures> {
    eprintln!("making {} events", wanted.docs);
    make_events(engine, SOURCE, wanted.docs, 5_000);
    engine.json.put(&format!("/{SOURCE}/_settings"), &json!({ "index.refresh_interval": "1s" }));
    add_alias(engine);
    let mut figures = Figures::new(wanted.docs);
    if !wanted.only_switches {
        latencies(segue, engine, &mut figures)?;
        deletes(segue, wanted, engine, &mut figures)?;
        lag::measure(&Migration::new(segue, engine, "lag", "block")?, &mut figures)?;
    }
    for (mode, count) in [("block", wanted.switches), ("redirect", wanted.redirects)] {
        for number in 0..count {
            let migration = Migration::new(segue, engine, &format!("{mode}-{number}"), mode)?;
            migration.switch(mode, wanted.writes, &mut figures)?;
        }
    }
    Ok(figures)
}

fn add_alias(engine: &Engine) {
    let add = json!({ "actions": [{ "add": { "index": SOURCE, "alias": ALIAS } }] });
    engine.json.post("/_aliases", &add);
}

/// One migration of the source, with a folder of its own.
struct Migration<'a> {
    segue: &'a Path,
    engine: &'a Engine,
    folder: tempfile::TempDir,
}

impl<'a> Migration<'a> {
    fn new(segue: &'a Path, engine: &'a Engine, name: &str, mode: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let writers = if mode == "redirect" { ", writers: index_only" } else { "" };
        let recipe = format!(
            "segue: 1\nname: bench-{name}\ncluster: {{ url: '{}' }}\nsource: {{ index: {SOURCE} }}\n\
             target: {{ index: {TARGET} }}\ncutover: {{ mode: {mode}, start: manual{writers} }}\n",
            engine.url
        );
        std::fs::write(folder.path().join("recipe.yaml"), recipe)?;
        Ok(Migration { segue, engine, folder })
    }

    /// `segue VERB`, of this migration.
    fn command(&self, verb: &str) -> Segue {
        Segue::new(self.segue)
            .args([verb])
            .args([self.folder.path().join("recipe.yaml")])
            .args(["--yes"])
            .env("SEGUE_STATE_DIR", &self.state())
            .within(Duration::from_mins(30))
    }

    /// The part in the report of `segue VERB`.
    fn part(&self, verb: &str) -> anyhow::Result<Value> {
        let ended = self.command(verb).args(["--json"]).run();
        ensure!(
            ended.code == Some(0),
            "segue {verb} ended with {:?}\n{}",
            ended.code,
            ended.stderr
        );
        Ok(ended.last_json_line()["parts"][0].clone())
    }

    fn state(&self) -> String {
        self.folder.path().join("state").to_string_lossy().into_owned()
    }

    /// Copies, switches under two writers, and sets everything back.
    fn switch(&self, mode: &str, per_second: u32, figures: &mut Figures) -> anyhow::Result<()> {
        self.part("run")?;
        let mut writers = Vec::new();
        for (how, name) in [("by the index's name", SOURCE), ("by an alias", ALIAS)] {
            writers.push((how, Writer::start(&self.engine.url, name, per_second / 2)?));
        }
        std::thread::sleep(Duration::from_secs(1));
        let part = self.part("cutover")?;
        std::thread::sleep(Duration::from_secs(1));
        let closed = part["cutover"]["closed_ms"].as_f64().context("no window in the report")?;
        figures.add(&format!("{mode}: closed by segue's clock, ms"), closed);
        for (how, writer) in writers {
            let noticed = writer.stop()?;
            ensure!(noticed.acknowledged > 0, "nothing was written {how}");
            let what = format!("{mode}, written {how}");
            figures.add(&format!("{what}: refused as writers saw it, ms"), noticed.window_ms);
            figures.add(&format!("{what}: writes refused"), noticed.refused as f64);
        }
        self.set_back();
        Ok(())
    }

    /// The same data under the old name again.
    fn set_back(&self) {
        let json = &self.engine.json;
        json.delete(&format!("/{TARGET}"));
        let body = json!({ "settings": { "index.blocks.write": null, "index.hidden": null } });
        json.post(&format!("/{KEPT}/_clone/{SOURCE}?wait_for_active_shards=1"), &body);
        json.delete(&format!("/{KEPT}"));
        add_alias(self.engine);
    }

    /// Removes what was copied, without a switch.
    fn forget(&self) {
        self.engine.json.delete(&format!("/{TARGET}"));
    }
}

/// What a writer notices of a copy beside it.
fn latencies(segue: &Path, engine: &Engine, figures: &mut Figures) -> anyhow::Result<()> {
    let mut note = |what: &str, noticed: &crate::writer::Noticed| {
        for (share, name) in [(0.5, "median"), (0.99, "99 of 100")] {
            let what = format!("bulks of a writer {what}: {name}, ms");
            figures.add(&what, noticed.latency(share));
        }
    };
    let writer = Writer::start(&engine.url, SOURCE, 500)?;
    std::thread::sleep(Duration::from_secs(15));
    note("alone", &writer.stop()?);
    let migration = Migration::new(segue, engine, "latency", "block")?;
    let writer = Writer::start(&engine.url, SOURCE, 500)?;
    migration.part("run")?;
    note("beside segue", &writer.stop()?);
    migration.forget();
    Ok(())
}

/// What the audit costs: without deletes, with some, and with the inventory lost.
fn deletes(
    segue: &Path,
    wanted: &Windows,
    engine: &Engine,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let migration = Migration::new(segue, engine, "deletes", "block")?;
    let audit = |part: &Value| part["durations_ms"]["audit"].as_f64().unwrap_or(0.0);
    figures.add("audit without deletes, ms", audit(&migration.part("run")?));
    let query = json!({ "max_docs": 1000, "query": { "function_score": {
        "query": { "match_all": {} }, "random_score": { "seed": 1, "field": "_seq_no" }
    }}, "sort": ["_score"] });
    let path = format!("/{SOURCE}/_delete_by_query?refresh=true");
    let deleted = engine.json.post(&path, &query)["deleted"].clone();
    ensure!(deleted == 1000, "{deleted} were deleted");
    figures.add("audit with 1,000 scattered deletes, ms", audit(&migration.part("verify")?));
    for entry in walk(&migration.folder.path().join("state"))? {
        if entry.extension().is_some_and(|extension| extension == "inventory") {
            std::fs::remove_file(entry)?;
        }
    }
    let rebuilt = audit(&migration.part("verify")?);
    figures.add("audit with the inventory rebuilt, ms", rebuilt);
    figures.add("inventory rebuilt, documents a second", f64::from(wanted.docs) / rebuilt * 1e3);
    migration.forget();
    Ok(())
}

/// All files below a folder.
fn walk(folder: &Path) -> anyhow::Result<Vec<std::path::PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { files.extend(walk(&path)?) } else { files.push(path) }
    }
    Ok(files)
}
