//! What the pipeline costs per document, on one thread.
//!
//! ```text
//! cargo run --release -p segue-transform --example pipeline_cost
//! ```

#![allow(clippy::unwrap_used, reason = "an example may stop where a program may not")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use segue_model::recipe::{Path, Recipe, Step};
use segue_transform::{Bound, Document, Program, ViewBuilder, has_fields};

/// Documents of a measurement.
const DOCUMENTS: usize = 1_000_000;
const RECORDS: usize = 5_000;

fn main() {
    let events = events();
    let bytes: usize = events.iter().map(String::len).sum::<usize>() / events.len();
    println!("documents of {bytes} bytes, {RECORDS} records");
    let folder = tempfile::tempdir().unwrap();
    let recipe = recipe();
    let set = steps("  - set: { schema: 2 }\n");
    let key = steps("  - filter: { drop_if: { field: recid, equals: none }, reason: r }\n");
    let parsed = steps(
        "  - rename: { visitor_id: visitor.id }\n  - convert: { via_api: string }\n  \
         - date: { timestamp: { from: iso, to: epoch_millis } }\n",
    );
    let splice = steps("  - copy: { record: doc.recid }\n  - set: { schema: 2 }\n");
    let script = steps("  - script: 'doc.day = doc.timestamp.sub_string(0, 10);'\n");
    let looped = steps("  - script: 'for c in [\"a\", \"b\", \"c\"] { doc[c] = doc.recid; }'\n");
    let many = steps("  - script: 'let l = []; for i in 0..500 { l.push(i); } doc.n = l.len();'\n");
    let copy = &recipe.pipeline[..2];
    for (name, bound) in [
        ("pass through", bind(&[], folder.path())),
        ("scan, one test, copy", bind(&key, folder.path())),
        ("scan and splice a constant", bind(&set, folder.path())),
        ("splice: copy and set", bind(&splice, folder.path())),
        ("parsed: rename, convert, date", bind(&parsed, folder.path())),
        ("script, one member", bind(&script, folder.path())),
        ("script, a loop", bind(&looped, folder.path())),
        ("script, 500 values: large stack", bind(&many, folder.path())),
        ("usage events, lookup and copy", bind(copy, folder.path())),
        ("usage events, whole recipe", bind(&recipe.pipeline, folder.path())),
    ] {
        measure(name, &events, &bound);
    }
    let bound = bind_with_cache(&recipe.pipeline, folder.path(), 64 << 10);
    measure("whole recipe, hardly any cache", &events, &bound);
    let required = [Path::parse("recid").unwrap(), Path::parse("timestamp").unwrap()];
    let start = Instant::now();
    let missing = (0..DOCUMENTS)
        .filter(|at| {
            has_fields(black_box(events[at % events.len()].as_bytes()), &required).is_some()
        })
        .count();
    report("required fields", start, missing);
}

fn measure(name: &str, events: &[String], bound: &Bound) {
    let mut out = Vec::with_capacity(8 << 20);
    let mut worker = bound.worker();
    run(&mut worker, events, &mut out);
    let mut best = f64::MAX;
    for _ in 0..3 {
        let start = Instant::now();
        for at in 0..DOCUMENTS / events.len() {
            black_box(at);
            run(&mut worker, events, &mut out);
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("{name:32} {:.3} µs", best / DOCUMENTS as f64 * 1e6);
}

fn report(name: &str, start: Instant, check: usize) {
    let each = start.elapsed().as_secs_f64() / DOCUMENTS as f64 * 1e6;
    println!("{name:32} {each:.3} µs ({check})");
}

fn run(worker: &mut segue_transform::Worker, events: &[String], out: &mut Vec<u8>) {
    for event in events {
        if out.len() > 5 << 20 {
            out.clear();
        }
        let document = Document { id: "1", routing: None, source: event.as_bytes() };
        black_box(worker.apply(document, out).unwrap());
    }
}

fn recipe() -> Recipe {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recipes/invenio/usage-events.yaml");
    let text = std::fs::read_to_string(file).unwrap();
    Recipe::parse(&text, file, &BTreeMap::new(), &|_| None).unwrap()
}

fn steps(pipeline: &str) -> Vec<Step> {
    let text = format!(
        "segue: 1\nname: t\ncluster: {{ url: http://h }}\nsource: {{ index: a }}\n\
         target: {{ index: b }}\npipeline:\n{pipeline}"
    );
    Recipe::parse(&text, "t", &BTreeMap::new(), &|_| None).unwrap().pipeline
}

fn bind(steps: &[Step], folder: &std::path::Path) -> Bound {
    bind_with_cache(steps, folder, 16 << 20)
}

fn bind_with_cache(steps: &[Step], folder: &std::path::Path, bytes: usize) -> Bound {
    let program = Program::compile(steps).unwrap();
    let mut views = Vec::new();
    for spec in program.lookups() {
        let mut builder = ViewBuilder::new(spec, &folder.join("rows")).unwrap();
        for n in 0..RECORDS {
            builder.add(record(n).as_bytes()).unwrap();
        }
        views.push(Arc::new(builder.finish().unwrap()));
    }
    program.bind_with_cache(views, bytes).unwrap()
}

fn events() -> Vec<String> {
    let event = |n: usize| {
        let record = n * 7919 % RECORDS;
        format!(
            r#"{{"timestamp":"2025-06-14T09:{:02}:{:02}","recid":"rec{record:05}-g4b38","parent_recid":"q2w3e-r4t56","unique_id":"ui_rec{record:05}-g4b38","visitor_id":"{:056x}","unique_session_id":"{:056x}","country":"US","referrer":"https://example.org/","via_api":false,"is_robot":false,"is_machine":false,"updated_timestamp":"2025-06-14T09:55:02.123456"}}"#,
            n / 60 % 60,
            n % 60,
            n * 31,
            n * 37
        )
    };
    (0..20_000).map(event).collect()
}

fn record(n: usize) -> String {
    format!(
        r#"{{"id":"rec{n:05}-g4b38","access":{{"status":"open"}},"files":{{"types":["pdf"]}},"parent":{{"communities":{{"ids":["c0ffee00-0000-0000-0000-000000000000"]}}}},"custom_fields":{{"journal:journal":{{"title":"N/A"}}}},"metadata":{{"resource_type":{{"@v":"r::1","id":"textDocument-journalArticle","title":{{"en":"Journal article"}},"props":{{"type":"textDocument","subtype":"journalArticle"}}}},"publisher":"Knowledge Commons","languages":[{{"id":"eng","title":{{"en":"English"}}}}],"subjects":[{{"id":"s1","subject":"History","scheme":"FAST"}}],"rights":[{{"id":"cc-by-sa-4.0","title":{{"en":"BY-SA"}}}}],"creators":[{{"affiliations":[{{"name":"Henry Ford College"}}]}}],"contributors":[{{"affiliations":[{{"id":"03rmrcq20","name":"Contributor Institution"}}]}}],"funding":[{{"funder":{{"id":"00k4n6c31","name":"Funder 00k4n6c31"}}}}]}}}}"#
    )
}
