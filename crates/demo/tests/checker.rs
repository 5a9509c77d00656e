//! Negative controls on a real engine: the checker must see every kind of damage, and none where
//! there is none. The new indices are built by the oracle itself; no migration takes part.
#![allow(clippy::unwrap_used, reason = "in a test, what goes wrong is to panic")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use segue_demo::check::{Findings, check, each};
use segue_demo::http::Http;
use segue_demo::install;
use segue_demo::invenio::{Click, Kind, Site, Volume};
use segue_demo::ledger::Ledger;
use segue_demo::oracle::Oracle;
use segue_demo::pen::Pen;
use segue_demo::watch::Watch;
use segue_demo::writers::LiveWriters;
use segue_demo::{Options, run};
use serde_json::{Value, json};

/// Removes what starts with a prefix, also when the test fails.
struct Cleared(String);

impl Drop for Cleared {
    fn drop(&mut self) {
        let prefix = std::mem::take(&mut self.0);
        let removal = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let http = Http::new(&cluster()).unwrap();
            runtime.block_on(install::remove(&http, &prefix)).unwrap();
        });
        assert!(removal.join().is_ok() || std::thread::panicking(), "cannot clear");
    }
}

struct World {
    _cleared: Cleared,
    http: Http,
    site: Site,
    ledger: Arc<Mutex<Ledger>>,
    oracle: Oracle,
}

impl World {
    async fn new(name: &str) -> Self {
        let http = Http::new(&cluster()).unwrap();
        let volume = Volume { events: 900, records: 60, months: 3 };
        let now = jiff::Timestamp::now().as_second();
        let prefix = format!("t-checker-{name}-{}-", std::process::id());
        let site = Site::new(&prefix, 7, now, volume).unwrap();
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let cleared = Cleared(prefix);
        install::templates(&http, &site).await.unwrap();
        install::records(&http, &site).await.unwrap();
        install::past(&http, &site, &ledger, |_| {}).await.unwrap();
        let oracle = Oracle::of(&site);
        Self { _cleared: cleared, http, site, ledger, oracle }
    }

    /// What a migration would do, with the oracle's own enrichment.
    async fn enrich_and_switch(&self) {
        for (kind, month) in self.site.parts() {
            let old = self.site.index(kind, month);
            let new = format!("{old}-v2.0.0");
            let body = json!({ "mappings": { "dynamic": true, "properties": {
                "size": { "type": "long" }, "subjects": { "type": "object", "dynamic": true },
                "community_ids": { "type": "keyword" } } } });
            self.http.put(&format!("/{new}"), &body).await.unwrap().success().unwrap();
            let mut lines = String::new();
            each(&self.http, &old, true, |hit| {
                let mut source = hit["_source"].as_object().unwrap().clone();
                let enriched = self.oracle.expects(&source).clone();
                source.extend(enriched);
                let action = json!({ "index": { "_id": hit["_id"] } });
                lines.push_str(&format!("{action}\n{}\n", Value::Object(source)));
            })
            .await
            .unwrap();
            let written = self.http.bulk(&format!("/{new}/_bulk"), lines).await.unwrap();
            assert_eq!(written.success().unwrap()["errors"], false);
            let actions = json!({ "actions": [
                { "remove_index": { "index": old } }, { "add": { "index": new, "alias": old } },
            ] });
            self.http.post("/_aliases", &actions).await.unwrap().success().unwrap();
        }
    }

    async fn check(&self) -> Findings {
        let ledger = std::mem::take(&mut *self.ledger.lock().unwrap());
        let findings = check(&self.http, &self.site, &ledger, &self.oracle).await.unwrap();
        *self.ledger.lock().unwrap() = ledger;
        findings
    }

    fn place(&self) -> String {
        format!("/{}", self.site.index(Kind::View, self.site.months()[1]))
    }

    fn click(&self, ordinal: u64) -> Click {
        self.site.past(Kind::View, self.site.months()[1], ordinal)
    }

    async fn get(&self, click: Click) -> (String, Value) {
        let path = format!("{}/_doc/{}", self.place(), click.mint().unwrap().id);
        let found = self.http.get(&path).await.unwrap().success().unwrap();
        (path, found["_source"].clone())
    }
}

fn cluster() -> String {
    std::env::var("SEGUE_CLUSTER").expect(
        "these tests need a real engine: set SEGUE_CLUSTER to its URL (`segue sandbox up` starts one)",
    )
}

/// What counts: lost, stale, wrong, surplus.
fn counts(findings: &Findings) -> [u64; 4] {
    [findings.lost, findings.stale, findings.wrong_enrichment, findings.surplus]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_damage_is_seen() {
    let world = World::new("damage").await;
    let http = &world.http;
    let twice = world.click(3);
    let pen = Pen::new(http.clone(), world.site.clone());
    let again = twice.again(1, twice.written_us + 1);
    pen.write(&world.ledger, &[again]).await.unwrap();
    world.enrich_and_switch().await;
    let clean = world.check().await;
    assert_eq!(counts(&clean), [0; 4], "{clean:?}");
    assert_eq!(clean.documents, 900);

    let (path, _) = world.get(world.click(0)).await;
    http.delete(&path, None).await.unwrap().success().unwrap();
    assert_eq!(counts(&world.check().await), [1, 0, 0, 0], "a deleted document");

    let (path, mut document) = world.get(twice).await;
    for (field, value) in twice.mint().unwrap().source.as_object().unwrap() {
        document[field] = value.clone();
    }
    http.put(&path, &document).await.unwrap().success().unwrap();
    assert_eq!(counts(&world.check().await), [1, 1, 0, 0], "an older content");

    let (path, mut document) = world.get(world.click(5)).await;
    document["affiliations"] = json!([{ "name": "Nowhere" }]);
    http.put(&path, &document).await.unwrap().success().unwrap();
    let (path, mut document) = world.get(world.click(6)).await;
    document.as_object_mut().unwrap().remove("subjects");
    http.put(&path, &document).await.unwrap().success().unwrap();
    assert_eq!(counts(&world.check().await), [1, 1, 2, 0], "enriched fields altered");

    let (path, document) = world.get(world.click(8)).await;
    let plain = world.click(8).mint().unwrap().source;
    let id = path.rsplit('/').next().unwrap();
    let copy = format!("/{}-copy/_doc/{id}", world.site.read_alias(Kind::View));
    http.put(&copy, &plain).await.unwrap().success().unwrap();
    assert_eq!(counts(&world.check().await), [1, 1, 2, 1], "a document twice behind the alias");

    let foreign = format!("{}/_doc/foreign", world.place());
    http.put(&foreign, &document).await.unwrap().success().unwrap();
    // Seen by the old name and through the alias.
    assert_eq!(counts(&world.check().await), [1, 1, 2, 3], "a document nobody wrote");
}

#[tokio::test(flavor = "multi_thread")]
async fn live_writers_before_and_after_the_switch_are_understood() {
    let world = World::new("live").await;
    let http = &world.http;
    let watch = Watch::start(http, &world.site, &world.ledger);
    let writers = LiveWriters::start(http, &world.site, &world.ledger, 2);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let refusals = writers.stop().await.unwrap();
    let seen = watch.end().await.unwrap();
    assert_eq!((refusals.writes, seen.above, seen.below, seen.errors), (0, 0, 0, 0), "{seen:?}");
    assert!(seen.counts > 10, "{seen:?}");
    world.enrich_and_switch().await;
    assert_eq!(counts(&world.check().await), [0; 4]);

    let writers = LiveWriters::start(http, &world.site, &world.ledger, 2);
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    writers.stop().await.unwrap();
    let findings = world.check().await;
    assert_eq!(counts(&findings), [0; 4], "{findings:?}");
    assert!(findings.as_written > 0, "{findings:?}");
    assert!(world.ledger.lock().unwrap().acknowledged_writes() > findings.documents);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watch_sees_doubled_and_vanished_documents() {
    let world = World::new("watch").await;
    let http = &world.http;
    let watch = Watch::start(http, &world.site, &world.ledger);
    tokio::time::sleep(Duration::from_millis(400)).await;
    let double = format!("/{}-copy", world.site.read_alias(Kind::View));
    let (_, document) = world.get(world.click(1)).await;
    http.put(&format!("{double}/_doc/1?refresh=true"), &document).await.unwrap().success().unwrap();
    tokio::time::sleep(Duration::from_millis(600)).await;
    http.delete(&double, None).await.unwrap().success().unwrap();
    tokio::time::sleep(Duration::from_millis(400)).await;
    let seen = watch.end().await.unwrap();
    assert!(seen.above > 0 && seen.below > 0, "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_writes_and_their_window_are_measured() {
    let world = World::new("refused").await;
    let http = &world.http;
    let block = |on: bool| json!({ "index.blocks.write": on });
    let names = format!("/{}-*/_settings", world.site.read_alias(Kind::View));
    let writers = LiveWriters::start(http, &world.site, &world.ledger, 2);
    tokio::time::sleep(Duration::from_millis(500)).await;
    http.put(&names, &block(true)).await.unwrap().success().unwrap();
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    http.put(&names, &block(false)).await.unwrap().success().unwrap();
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    let refusals = writers.stop().await.unwrap();
    assert!(refusals.reasons["cluster_block_exception"] > 0, "{refusals:?}");
    let window = refusals.longest.as_millis();
    assert!((500..5_000).contains(&window), "{window} ms");
    world.enrich_and_switch().await;
    assert_eq!(counts(&world.check().await), [0; 4], "a refused write is not a lost one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_does_nothing_is_not_good() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        docs: 400,
        records: 40,
        months: 2,
        prefix: format!("t-checker-idle-{}-", std::process::id()),
        cluster: Some(cluster()),
        ..Options::new("/bin/true".into(), folder.path().to_owned())
    };
    let _cleared = Cleared(options.prefix.clone());
    let mut said = Vec::new();
    let outcome = run(options, &mut |line| said.push(line.to_owned())).await.unwrap();
    assert!(!outcome.is_good() && !outcome.balanced, "{outcome}");
    assert_eq!((outcome.lost, outcome.stale, outcome.alias_overcount), (0, 0, 0), "{outcome}");
    assert_eq!(outcome.wrong_enrichment, outcome.documents, "{outcome}");
    assert!(outcome.documents > 400, "{outcome}");
    assert!(said.iter().any(|line| line.contains("NOT good")), "{said:?}");
}
