//! Events of joining and leaving communities, through the binary on a real engine.

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod common;

use common::Recipe;
use segue_testkit::{Engine, Fault, Faults, Prefix, Proxy, Signal};
use serde_json::{Value, json};

const C: &str = "5f0c2a64";

/// An installation with records and nothing else.
struct Site {
    engine: Engine,
    prefix: Prefix,
    recipe: Recipe,
}

/// What an event says: record, community, kind, time.
type Said = (String, String, String, String);

impl Site {
    fn new(test: &str) -> Site {
        let engine = Engine::get();
        let prefix = engine.prefix(test);
        let recipe = Recipe::community_events(&engine, &prefix);
        let keyword = json!({ "type": "keyword" });
        let mappings = json!({
            "settings": { "number_of_shards": 2, "number_of_replicas": 0 },
            "aliases": { prefix.name("rdmrecords-records"): {} },
            "mappings": { "properties": {
                "id": keyword, "created": { "type": "date" },
                "parent": { "properties": { "communities": { "properties": { "ids": keyword } } } },
                "metadata": { "properties": { "publication_date": keyword } },
            } }
        });
        engine.json.put(&format!("/{}", prefix.name("rdmrecords-records-record-v7")), &mappings);
        Site { engine, prefix, recipe }
    }

    fn records(&self, records: &[(String, String)]) {
        let pairs: Vec<_> = records.iter().map(|(id, text)| (id.as_str(), text.as_str())).collect();
        for some in pairs.chunks(2000) {
            self.engine.json.write(&self.prefix.name("rdmrecords-records-record-v7"), some);
        }
    }

    fn events(&self) -> String {
        self.prefix.name("stats-community-events-*")
    }

    /// The documents of all events, in the order of what they say.
    fn documents(&self) -> Vec<Value> {
        self.engine.json.post(&format!("/{}/_refresh", self.events()), &Value::Null);
        let sort =
            json!([{ "event_date": "asc" }, { "record_id": "asc" }, { "community_id": "asc" }]);
        let query = json!({ "size": 10_000, "sort": sort });
        let found = self.engine.json.post(&format!("/{}/_search", self.events()), &query);
        found["hits"]["hits"].as_array().unwrap().iter().map(|hit| hit["_source"].clone()).collect()
    }

    fn said(&self) -> Vec<Said> {
        let text = |event: &Value, field: &str| event[field].as_str().unwrap().to_owned();
        let fields = ["record_id", "community_id", "event_type", "event_date"];
        let said = |event: &Value| {
            let [record, community, kind, date] = fields.map(|field| text(event, field));
            (record, community, kind, date)
        };
        self.documents().iter().map(said).collect()
    }

    fn apply(&self, lines: &[Value], code: i32) -> Value {
        let text: Vec<_> = lines.iter().map(Value::to_string).collect();
        self.recipe.write("changes.jsonl", text.join("\n").as_bytes());
        let file = self.recipe.beside("changes.jsonl");
        self.recipe.membership("apply", &["--changes", &file], code)
    }

    /// Writes events as the application does, under ids of the engine's.
    fn written_by_application(&self, year: &str, events: &[Value]) {
        let index = self.prefix.name(&format!("stats-community-events-{year}"));
        let documents: Vec<_> = events.iter().map(Value::to_string).collect();
        let id = |(n, event): (usize, &Value)| format!("Zk{n}Qb{}Xw", event["record_id"]);
        let ids: Vec<_> = events.iter().enumerate().map(id).collect();
        let pairs = ids.iter().zip(&documents).map(|(id, text)| (id.as_str(), text.as_str()));
        let pairs: Vec<_> = pairs.collect();
        for some in pairs.chunks(2000) {
            self.engine.json.write(&index, some);
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let name = self.prefix.name("stats-community-events-v1.0.0");
            let path = format!("/_index_template/{name}");
            let any = json!({ "index_patterns": [self.events()], "priority": 7 });
            self.engine.json.put(&path, &any);
            self.engine.json.delete(&path);
        }
    }
}

fn record(id: &str, created: &str, communities: &[&str]) -> (String, String) {
    let record = json!({
        "id": id, "created": created, "parent": { "communities": { "ids": communities } },
        "metadata": { "publication_date": "2020-10" }
    });
    (id.to_owned(), record.to_string())
}

fn change(record: &str, community: &str, action: &str, at: &str) -> Value {
    json!({ "record": record, "community": community, "action": action, "at": at })
}

fn event(record: &str, community: &str, kind: &str, date: &str) -> Value {
    json!({
        "record_id": record, "community_id": community, "event_type": kind, "event_date": date,
        "is_deleted": false, "timestamp": "2024-01-01T00:00:00.5+00:00"
    })
}

fn said(events: &[(&str, &str, &str, &str)]) -> Vec<Said> {
    let own = |(a, b, c, d): &(&str, &str, &str, &str)| {
        ((*a).to_owned(), (*b).to_owned(), (*c).to_owned(), (*d).to_owned())
    };
    events.iter().map(own).collect()
}

/// The counts of a report.
fn counts(report: &Value) -> [u64; 3] {
    ["processed", "new", "old"].map(|name| report[name].as_u64().unwrap())
}

#[test]
fn joining_and_leaving_become_events() {
    let site = Site::new("memberlive");
    let at = |time: &str| format!("2024-01-01T{time}");
    let (ten, eleven, before) = (at("10:00:00"), at("11:00:00"), at("10:59:59"));
    let lines = [
        change("e1", C, "add", &ten),
        change("e2", C, "add", &ten),
        change("e2", C, "remove", &eleven),
        change("e3", C, "remove", &eleven),
        change("e4", C, "add", &ten),
        change("e4", C, "add", &eleven),
        change("e5", C, "remove", &eleven),
        change("e5", C, "remove", &at("12:00:00")),
        change("e6", C, "remove", &eleven),
        change("e6", C, "add", &at("12:00:00")),
    ];
    let report = site.apply(&lines, 0);
    assert_eq!(report["written"], 11, "{report}");
    let noon = at("12:00:00");
    let expected = said(&[
        ("e1", C, "added", &ten),
        ("e2", C, "added", &ten),
        ("e4", C, "added", &ten),
        ("e3", C, "added", &before),
        ("e5", C, "added", &before),
        ("e6", C, "added", &before),
        ("e2", C, "removed", &eleven),
        ("e3", C, "removed", &eleven),
        ("e5", C, "removed", &eleven),
        ("e6", C, "removed", &eleven),
        ("e6", C, "added", &noon),
    ]);
    assert_eq!(site.said(), expected);

    // The same file once more, and each line in a run of its own, change nothing.
    let documents = site.documents();
    let again = site.apply(&lines, 0);
    assert_eq!((&again["written"], &again["updated"]), (&json!(0), &json!(0)), "{again}");
    for line in &lines {
        assert_eq!(site.apply(std::slice::from_ref(line), 0)["written"], 0, "{line}");
    }
    assert_eq!(site.documents(), documents);
    let alias = site.prefix.name("stats-community-events");
    assert_eq!(site.engine.json.count(&alias), 11);
}

#[test]
fn events_of_the_application_are_known_by_what_they_say() {
    let site = Site::new("memberapp");
    site.recipe.membership("apply", &["--changes", "/dev/null"], 0);
    site.written_by_application(
        "2024",
        &[
            event("r1", C, "added", "2024-01-01T10:00:00+00:00"),
            event("r2", C, "added", "2024-01-01T10:00:00+00:00"),
            event("r2", C, "removed", "2024-01-02T10:00:00.250+00:00"),
        ],
    );
    let lines = [
        change("r1", C, "add", "2024-01-01T10:00:00"),
        change("r1", C, "add", "2024-03-01T10:00:00"),
        change("r2", C, "remove", "2024-01-02T10:00:00.250"),
        change("r2", C, "remove", "2024-01-03T10:00:00"),
    ];
    let report = site.apply(&lines, 0);
    assert_eq!(report["written"], 0, "{report}");
    assert_eq!(site.documents().len(), 3);

    // The run knows them, too.
    site.records(&[
        record("r1", "2023-05-05T00:00:00", &[C]),
        record("r3", "2023-05-05T00:00:00", &[]),
    ]);
    let report = site.recipe.membership("run", &[], 0);
    assert_eq!(counts(&report), [2, 2, 1], "global of both are new: {report}");
}

#[test]
fn what_is_missing_is_written_once() {
    let site = Site::new("memberfill");
    let created = "2024-06-15T10:00:00.123456+00:00";
    site.records(&[record("r1", created, &[C]), record("r2", "2023-12-31T23:59:59", &[C])]);
    let look = site.recipe.membership("run", &["--dry-run"], 0);
    assert_eq!(counts(&look), [2, 4, 0], "{look}");
    assert_eq!(look["template"]["installed"], false, "{look}");
    assert!(site.engine.json.get(&format!("/{}", site.events())).as_object().unwrap().is_empty());
    let report = site.recipe.membership("run", &[], 0);
    assert_eq!(counts(&report), [2, 4, 0], "{report}");
    assert_eq!(report["template"]["written"], true, "{report}");
    let documents = site.documents();
    let first = documents.iter().find(|event| event["event_date"] == created).unwrap();
    assert_eq!(first["record_created_date"], created);
    assert_eq!(first["record_published_date"], "2020-10-01");
    assert_eq!((&first["is_deleted"], &first["event_type"]), (&json!(false), &json!("added")));
    let counted = |year: &str| {
        site.engine.json.count(&site.prefix.name(&format!("stats-community-events-{year}")))
    };
    assert_eq!((counted("2024"), counted("2023")), (2, 2), "by the year of the event");
    let again = site.recipe.membership("run", &[], 0);
    assert_eq!(counts(&again), [2, 0, 4], "{again}");
    assert_eq!(again["template"]["differences"], json!([]), "{again}");
    assert_eq!(site.documents(), documents);

    // Somebody changes the template: the difference is shown, and undone.
    let name = site.prefix.name("stats-community-events-v1.0.0");
    let other = json!({ "index_patterns": [site.events()], "priority": 7 });
    site.engine.json.put(&format!("/_index_template/{name}"), &other);
    let text = site.recipe.of_kind("membership", "status", &[]).run().expect(0).stdout;
    assert!(text.contains("~ priority: 7 → 100"), "{text}");
    assert!(text.contains("2 members, 0 without events, 0 with some missing"), "{text}");
    let status = site.recipe.membership("status", &[], 0);
    assert!(status["last_written"].as_str().unwrap().starts_with("20"), "{status}");
    site.recipe.membership("run", &[], 0);
    let status = site.recipe.membership("status", &[], 0);
    assert_eq!(status["template"]["differences"], json!([]), "{status}");
}

#[test]
fn a_range_or_ids_can_be_chosen() {
    let site = Site::new("memberonly");
    site.records(&[
        record("r1", "2024-01-01T00:00:00", &[C]),
        record("r2", "2024-01-02T23:59:59.999", &[C]),
        record("r3", "2024-01-03T00:00:00", &[C, "other"]),
    ]);
    let range = ["--only", "created=2024-01-01..2024-01-02"];
    let report = site.recipe.membership("run", &range, 0);
    assert_eq!(counts(&report), [2, 4, 0], "{report}");
    let report = site.recipe.membership("run", &["--only", "id=r3", "--only", "group=other"], 0);
    assert_eq!(counts(&report), [1, 1, 0], "{report}");
    let status = site.recipe.membership("status", &[], 0);
    assert_eq!(
        (&status["members"], &status["without_events"], &status["incomplete"], &status["missing"]),
        (&json!(3), &json!(0), &json!(1), &json!(2)),
        "{status}"
    );
    let wrong =
        site.recipe.of_kind("membership", "run", &["--only", "month=2024-01"]).run().expect(2);
    assert!(wrong.stderr.contains("`month` is nothing to choose by"), "{}", wrong.stderr);
}

#[test]
fn many_communities_many_records_two_at_once_and_a_kill() {
    let site = Site::new("membermany");
    let many: Vec<String> = (0..40).map(|n| format!("c{n:02}")).collect();
    let names: Vec<_> = many.iter().map(String::as_str).collect();
    let mut records = vec![record("wide", "2024-01-01T00:00:00", &names)];
    records.extend((0..3000).map(|n| record(&format!("r{n}"), "2024-05-01T00:00:00", &[C])));
    site.records(&records);
    let (last, pages) =
        ("group: community }\n", "group: community }\nlimits: { page_docs: 100 }\n");
    site.recipe.change(last, pages);
    // Killed on its way, then two at once.
    let run = || site.recipe.of_kind("membership", "run", &["--json"]);
    let killed = run().signal_when(|| site.engine.json.count(&site.events()) > 0, Signal::SIGKILL);
    let there = site.engine.json.count(&site.events());
    assert!(there > 0 && there < 6041, "killed on its way: {there}, {killed:?}");
    let (one, two) = (run().start(), run().start());
    let reports = [one.end().expect(0).json(), two.end().expect(0).json()];
    for report in &reports {
        let [processed, new, old] = counts(report);
        assert_eq!((processed, new + old), (3001, 6041), "{report}");
    }
    assert_eq!(site.engine.json.count(&site.events()), 6041);
    let rest = site.recipe.membership("run", &[], 0);
    assert_eq!(counts(&rest), [3001, 0, 6041], "{rest}");
    assert!(rest["requests"].as_u64().unwrap() < 150, "{rest}");
    // More events of a page of records than fit into one answer are all seen.
    site.recipe.change("page_docs: 100", "page_docs: 5000");
    let look = site.recipe.membership("run", &["--dry-run"], 0);
    assert_eq!(counts(&look), [3001, 0, 6041], "{look}");
    assert!(look["requests"].as_u64().unwrap() < 30, "{look}");
}

#[test]
fn deletion_is_written_into_all_events_of_a_record() {
    let site = Site::new("memberdelete");
    site.recipe.membership("apply", &["--changes", "/dev/null"], 0);
    let many: Vec<_> = (0..12_000)
        .map(|n| {
            let (hour, minute, second) = (n / 3600, n / 60 % 60, n % 60);
            // Read to its end, the history ends otherwise than where a page of it does.
            let kind = if (n % 2 == 0) == (n < 6000) { "added" } else { "removed" };
            event("r1", C, kind, &format!("2024-01-01T{hour:02}:{minute:02}:{second:02}"))
        })
        .collect();
    site.written_by_application("2024", &many);
    site.written_by_application("2024", &[event("r2", C, "added", "2024-01-01T00:00:00")]);
    let counted = |query: Value| {
        site.engine.json.post(&format!("/{}/_refresh", site.events()), &Value::Null);
        let found = site
            .engine
            .json
            .post(&format!("/{}/_count", site.events()), &json!({ "query": query }));
        found["count"].as_u64().unwrap()
    };
    let gone = "2026-02-03T04:05:06";
    let deleted = [json!({ "record": "r1", "action": "delete", "at": gone })];
    let report = site.apply(&deleted, 0);
    assert_eq!(report["updated"], 12_000, "{report}");
    assert_eq!(counted(json!({ "term": { "is_deleted": true } })), 12_000);
    assert_eq!(counted(json!({ "term": { "deleted_date": gone } })), 12_000);
    assert_eq!(site.apply(&deleted, 0)["updated"], 0, "once more");

    // What is written for a record that was deleted says so; the history of 12,000 is read to its end.
    let later = [
        change("r1", C, "remove", "2024-06-01T00:00:00"),
        change("r1", C, "add", "2024-06-02T00:00:00"),
    ];
    let report = site.apply(&later, 0);
    assert_eq!(report["written"], 2, "it was in the community: {report}");
    assert_eq!(counted(json!({ "term": { "is_deleted": true } })), 12_002);

    // In the order of the file: restored in the end, and both events of the second record deleted.
    let lines = [
        json!({ "record": "r1", "action": "restore" }),
        change("r2", C, "remove", "2024-06-02T00:00:00"),
        json!({ "record": "r2", "action": "delete", "at": gone }),
        json!({
            "record": "r1", "community": C, "action": "add", "at": "2024-07-01T00:00:00",
            "deleted": false
        }),
    ];
    let report = site.apply(&lines, 0);
    assert_eq!((&report["written"], &report["updated"]), (&json!(1), &json!(12_004)), "{report}");
    assert_eq!(counted(json!({ "term": { "is_deleted": true } })), 2);
    assert_eq!(counted(json!({ "exists": { "field": "deleted_date" } })), 2);

    // What a line says after a deletion holds for its community alone.
    let lines = [
        change("r3", "global", "add", "2024-01-01T00:00:00"),
        change("r3", C, "add", "2024-01-01T00:00:00"),
        json!({ "record": "r3", "action": "delete", "at": gone }),
        json!({
            "record": "r3", "community": C, "action": "add", "at": "2024-07-01T00:00:00",
            "deleted": false
        }),
    ];
    let report = site.apply(&lines, 0);
    assert_eq!((&report["written"], &report["updated"]), (&json!(2), &json!(3)), "{report}");
    let of_r3 = |event: &&Value| event["record_id"] == "r3" && event["is_deleted"] == true;
    site.engine.json.post(&format!("/{}/_refresh", site.events()), &Value::Null);
    let query = json!({ "size": 10, "query": { "term": { "record_id": "r3" } } });
    let found = site.engine.json.post(&format!("/{}/_search", site.events()), &query);
    let hits: Vec<_> = found["hits"]["hits"].as_array().unwrap().iter().collect();
    let events: Vec<_> = hits.iter().map(|hit| &hit["_source"]).collect();
    let deleted: Vec<_> = events.iter().copied().filter(|event| of_r3(event)).collect();
    assert_eq!((events.len(), deleted.len()), (2, 1), "{found}");
    assert_eq!(deleted[0]["community_id"], "global");
}

#[test]
fn bad_lines_are_named_and_nothing_is_done() {
    let site = Site::new("memberbad");
    let text = [
        change("r1", C, "add", "2024-01-01T10:00:00").to_string(),
        String::new(),
        r#"{"record":"r1","community":"x","action":"ad","at":"2024-01-01"}"#.to_owned(),
        r#"{"record":"r1""#.to_owned(),
    ]
    .join("\n");
    site.recipe.write("bad.jsonl", text.as_bytes());
    let file = site.recipe.beside("bad.jsonl");
    let command = site.recipe.of_kind("membership", "apply", &["--changes", &file]);
    let ended = command.run().expect(2);
    assert!(ended.stderr.contains("bad.jsonl:3:32: `ad` is no action"), "{}", ended.stderr);
    assert!(ended.stderr.contains("bad.jsonl:4:14: not JSON"), "{}", ended.stderr);
    assert!(
        ended.stdout.contains("2 lines cannot be carried out: nothing was done"),
        "{}",
        ended.stdout
    );
    assert!(site.engine.json.get(&format!("/{}", site.events())).as_object().unwrap().is_empty());

    // A pipe can be read only once: what comes before the bad line is carried out.
    let pipe = site.recipe.beside("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let running =
        site.recipe.of_kind("membership", "apply", &["--changes", &pipe, "--json"]).start();
    std::fs::write(&pipe, &text).unwrap();
    let ended = running.end().expect(1);
    assert!(ended.stderr.contains("pipe:3:32"), "{}", ended.stderr);
    assert_eq!((&ended.json()["written"], &ended.json()["done_to_line"]), (&json!(1), &json!(1)));
}

#[test]
fn what_is_refused_is_never_silent() {
    let site = Site::new("memberrefused");
    let index = site.prefix.name("stats-community-events-2024");
    let strict = json!({ "mappings": { "dynamic": "strict", "properties": {
        "record_id": { "type": "keyword" }, "community_id": { "type": "keyword" },
        "event_type": { "type": "keyword" }, "event_date": { "type": "date" },
        "timestamp": { "type": "date" }
    }}});
    site.engine.json.put(&format!("/{index}"), &strict);
    let long = "x".repeat(500);
    site.records(&[
        record("r1", "2024-01-01T00:00:00", &[C]),
        record("r2", "2023-01-01T00:00:00", &[C]),
        record("r4", "2023-01-01T00:00:00", &[&long]),
        ("r3".to_owned(), json!({ "id": "r3" }).to_string()),
    ]);
    let report = site.recipe.membership("run", &[], 3);
    assert_eq!(report["new"], 3, "{report}");
    assert_eq!(report["refused"]["count"], 4, "two, an id that is too long, and no date: {report}");
    let reasons = report["refused"]["first"].to_string();
    for reason in ["strict", "`created` is not one text", "too long"] {
        assert!(reasons.contains(reason), "{reason}: {report}");
    }
    let alias =
        site.engine.json.get(&format!("/_alias/{}", site.prefix.name("stats-community-events")));
    assert!(alias.get(&index).is_some(), "an index that was there gets the name, too: {alias}");
    let applied = site.apply(&[change("r1", C, "add", "2024-01-01T00:00:00")], 3);
    assert_eq!(
        (&applied["refused"]["count"], &applied["changes"]),
        (&json!(1), &json!(0)),
        "{applied}"
    );
}

#[test]
fn other_verbs_know_what_it_is() {
    let site = Site::new("memberverbs");
    let checked = site.recipe.of_kind("recipe", "check", &[]).run().expect(0);
    assert!(checked.stdout.contains("is well-formed"), "{}", checked.stdout);
    let ended = site.recipe.command("run", &["--yes"]).run().expect(2);
    assert!(ended.stderr.contains("this is a recipe of membership"), "{}", ended.stderr);
    let shown = site.recipe.command("bookmarks", &["--json"]).run().expect(0).json();
    assert_eq!(shown["bookmarks"], json!([]));
    site.recipe.command("bookmarks", &["clear", "--all", "--yes"]).run().expect(2);
}

#[test]
fn a_member_in_two_indices_of_a_name_is_met_once() {
    let site = Site::new("membertwice");
    site.records(&[record("r1", "2024-01-01T00:00:00", &[C])]);
    let next = site.prefix.name("rdmrecords-records-record-v8");
    let keyword = json!({ "type": "keyword" });
    let body = json!({
        "aliases": { site.prefix.name("rdmrecords-records"): {} },
        "mappings": { "properties": { "id": keyword, "created": { "type": "date" } } }
    });
    site.engine.json.put(&format!("/{next}"), &body);
    let (id, text) = record("r1", "2024-01-01T00:00:00.001", &[C]);
    let (_, other) = record("r2", "2024-01-01T00:00:00.001", &[]);
    let (_, twice) = record("r2", "2024-01-01T00:00:00.002", &[]);
    let records = [(id.as_str(), text.as_str()), ("r2", &other), ("r2-again", &twice)];
    site.engine.json.write(&next, &records);
    let report = site.recipe.membership("run", &[], 0);
    assert_eq!(counts(&report), [4, 3, 3], "{report}");
    assert_eq!(site.engine.json.count(&site.events()), 3);
}

#[test]
fn answers_that_are_lost_lose_and_double_nothing() {
    let site = Site::new("memberfaults");
    let records: Vec<_> =
        (0..600).map(|n| record(&format!("r{n}"), "2024-05-01T00:00:00", &[C])).collect();
    site.records(&records);
    let (last, limits) = (
        "group: community }\n",
        "group: community }\nlimits: { page_docs: 100, retry_delay: 50ms, retries: 20 }\n",
    );
    site.recipe.change(last, limits);
    let faults = Faults::seeded(7).only("_bulk").at_most(30);
    let faults = faults
        .with(Fault::DropResponse, 250)
        .with(Fault::CutRequest, 150)
        .with(Fault::Refuse(429), 150)
        .with(Fault::Refuse(503), 150);
    let proxy = Proxy::start(&site.engine, faults);
    let report = site.recipe.of_kind("membership", "run", &["--json"]);
    let report = report.cluster(&proxy.url).run().expect(0).json();
    assert!(proxy.faults().len() >= 2, "{:?}", proxy.faults());
    let [processed, new, old] = counts(&report);
    assert_eq!((processed, new + old), (600, 1200), "{report}");
    assert_eq!(site.engine.json.count(&site.events()), 1200);

    let lines: Vec<_> = (0..600)
        .flat_map(|n| {
            let id = format!("r{n}");
            let deleted = json!({ "record": id, "action": "delete", "at": "2024-07-01T00:00:00" });
            [change(&id, C, "remove", "2024-06-01T00:00:00"), deleted]
        })
        .collect();
    let text: Vec<_> = lines.iter().map(Value::to_string).collect();
    site.recipe.write("changes.jsonl", text.join("\n").as_bytes());
    let file = site.recipe.beside("changes.jsonl");
    let apply = |url: &str| {
        let apply = site.recipe.of_kind("membership", "apply", &["--changes", &file, "--json"]);
        apply.cluster(url)
    };
    // Two at once, one of them with lost answers.
    let struck = Faults::seeded(9).only("_bulk").at_most(20).with(Fault::DropResponse, 300);
    proxy.set(struck);
    let (one, two) = (apply(&proxy.url).start(), apply(&site.engine.url).start());
    let reports = [one.end().expect(0).json(), two.end().expect(0).json()];
    let events = site.documents();
    assert_eq!(events.len(), 1800, "{reports:?}");
    assert!(events.iter().all(|event| event["is_deleted"] == true), "{reports:?}");
    let removed = events.iter().filter(|event| event["event_type"] == "removed").count();
    assert_eq!(removed, 600);
    let again = apply(&site.engine.url).run().expect(0).json();
    assert_eq!((&again["written"], &again["updated"]), (&json!(0), &json!(0)), "{again}");
}

#[test]
fn a_cluster_that_keeps_refusing_is_an_error() {
    let site = Site::new("membergivenup");
    site.records(&[record("r1", "2024-05-01T00:00:00", &[C])]);
    let (last, limits) =
        ("group: community }\n", "group: community }\nlimits: { retry_delay: 10ms, retries: 2 }\n");
    site.recipe.change(last, limits);
    site.recipe.membership("apply", &["--changes", "/dev/null"], 0);
    let index = site.prefix.name("stats-community-events-2024");
    let blocked = json!({ "settings": { "index.blocks.write": true } });
    site.engine.json.put(&format!("/{index}"), &blocked);
    let ended = site.recipe.of_kind("membership", "run", &["--json"]).run().expect(1);
    assert!(ended.stderr.contains("SEG-E309"), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
}

#[test]
fn an_index_that_cannot_say_it_ends_the_search() {
    let site = Site::new("memberunmapped");
    let index = site.prefix.name("stats-community-events-2024");
    let keyword = json!({ "type": "keyword" });
    let body = json!({ "mappings": { "dynamic": false, "properties": {
        "record_id": keyword, "community_id": keyword, "event_type": keyword,
        "event_date": { "type": "date" }, "timestamp": { "type": "date" }
    }}});
    site.engine.json.put(&format!("/{index}"), &body);
    site.written_by_application("2024", &[event("r1", C, "added", "2024-01-01T00:00:00")]);
    let (last, limits) =
        ("group: community }\n", "group: community }\nlimits: { retry_delay: 10ms, retries: 2 }\n");
    site.recipe.change(last, limits);
    let line = json!({ "record": "r1", "action": "delete", "at": "2024-07-01T00:00:00" });
    site.recipe.write("changes.jsonl", line.to_string().as_bytes());
    let file = site.recipe.beside("changes.jsonl");
    let apply = site.recipe.of_kind("membership", "apply", &["--changes", &file]);
    let ended = apply.run().expect(1);
    assert!(ended.stderr.contains("the index may lack the fields"), "{}", ended.stderr);
}
