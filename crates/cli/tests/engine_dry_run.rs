//! A dry run shows what a run would refuse, and leaves everything as it was.

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod common;

use std::collections::BTreeMap;

use common::{REFUSED, Recipe, journal, name_of, part, state};
use segue_testkit::{Engine, Method, Prefix, Signal};
use serde_json::{Value, json};

const RECIPE: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { index: 'PREFIXday-1' }
target: { index: '{source}-v2', template: target.json }
pipeline:
  - filter: { drop_if: { field: t, equals: spam }, reason: is spam }
  - set: { schema: 2 }
cutover: { mode: block, start: manual, after_switch: target_accepts_both }
";

struct Site {
    engine: Engine,
    prefix: Prefix,
    name: String,
    recipe: Recipe,
}

impl Site {
    /// An index that takes everything: `good` documents, some of them spam, and the seven. A recipe whose
    /// target is strict.
    fn make(test: &str, good: usize) -> Site {
        let engine = Engine::get();
        let prefix = engine.prefix(test);
        let name = prefix.name("day-1");
        let body = json!({
            "settings": { "number_of_shards": 2, "number_of_replicas": 0 },
            "mappings": { "dynamic": "false", "properties": {
                "t": { "type": "text" }, "score": { "type": "long" }
            }}
        });
        engine.json.put(&format!("/{name}"), &body);
        let text = |n: usize| match n % 100 {
            0 => format!(r#"{{"v":{n},"t":"spam"}}"#),
            _ => format!(r#"{{"v":{n},"t":"words"}}"#),
        };
        let good: Vec<_> = (0..good).map(|n| (format!("d{n}"), text(n))).collect();
        let good: Vec<_> = good.iter().map(|(id, text)| (id.as_str(), text.as_str())).collect();
        engine.json.write(&name, &good);
        engine.json.write(&name, &REFUSED);
        let recipe = Recipe::new(&engine, &prefix, RECIPE);
        recipe.add_file(
            "target.json",
            &json!({
                "settings": { "number_of_replicas": 0 },
                "mappings": { "dynamic": "strict", "properties": {
                    "v": { "type": "long" }, "t": { "type": "text" }, "at": { "type": "date" },
                    "note": { "type": "keyword" }, "schema": { "type": "integer" }
                }}
            }),
        );
        Site { engine, prefix, name, recipe }
    }

    fn dry_run(&self, more: &[&str], code: i32) -> Value {
        let mut arguments = vec!["--dry-run", "--json"];
        arguments.extend(more);
        self.recipe.command("run", &arguments).run().expect(code).last_json_line()
    }

    /// Everything that a dry run could change: indices, aliases, numbers, and all that segue keeps.
    fn everything(&self) -> Value {
        let mut kept = BTreeMap::new();
        for index in ["segue-journal", "segue-checkpoints", "segue-leases", "segue-dead-letters"] {
            let path = format!("/{index}/_refresh?ignore_unavailable=true&expand_wildcards=all");
            self.engine.json.post(&path, &Value::Null);
            let query = json!({ "query": { "term": { "migration": name_of(&self.prefix) } } });
            let path = format!("/{index}/_count?ignore_unavailable=true&expand_wildcards=all");
            kept.insert(index, self.engine.json.post(&path, &query)["count"].clone());
        }
        json!({
            "state": state(&self.engine, self.prefix.as_str()),
            "journal": journal(&self.engine, &self.prefix, "day-1"),
            "kept": kept, "local": self.recipe.local_state(),
        })
    }

    /// Scratch indices.
    fn scratch(&self) -> Vec<String> {
        let there = self.engine.json.get("/segue-probe-*?expand_wildcards=all");
        there.as_object().unwrap().keys().cloned().collect()
    }
}

/// One test after the other: scratch indices of all migrations look alike.
#[test]
fn what_would_be_refused_is_grouped_and_nothing_is_left() {
    grouped();
    spread_and_clean();
    stopped_and_killed();
    from_files();
    several_of_one();
}

/// Seven of 2,001 documents are refused for three reasons.
fn grouped() {
    let site = Site::make("dry", 1994);
    let before = site.everything();
    assert_eq!(before["kept"]["segue-journal"], 0, "{before}");

    // The plan predicts what a mapping can tell.
    let plan = site.recipe.command("plan", &["--json"]).run().expect(0).json();
    let difference = &part(&plan, "day-1")["difference"];
    let lost = &difference["lost"][0];
    assert_eq!((&lost["field"], &lost["then"]), (&json!("score"), &json!("refused")), "{plan}");
    let rule = &difference["changed"][0];
    assert_eq!((&rule["what"], &rule["effect"]), (&json!("dynamic"), &json!("may_be_refused")));
    let estimate = &part(&plan, "day-1")["estimate"];
    assert_eq!((&estimate["documents"], &estimate["copies"]), (&json!(2001), &json!(1)), "{plan}");
    assert_eq!(plan["estimate"]["rate"]["basis"], "rule_of_thumb", "{plan}");
    assert!(plan["estimate"]["room"]["bytes"].as_u64().unwrap() > 0, "{plan}");
    let text = site.recipe.command("plan", &[]).run().expect(0).stdout;
    for said in [
        "- score: long; documents that have it are refused",
        "~ mapping dynamic: false -> strict",
        "+ schema: integer; written by the pipeline",
        "warning[SEG-P133]",
        "warning[SEG-P145]",
        "a rule of thumb",
    ] {
        assert!(text.contains(said), "{said} is not in\n{text}");
    }

    // Documents tell the rest.
    let tried = site.dry_run(&["--all"], 3);
    let of = part(&tried, "day-1");
    assert_eq!((&of["read"], &of["refused"]), (&json!(2001), &json!(7)), "{tried}");
    assert_eq!(of["filtered"], json!({ "is spam": 20 }), "{tried}");
    assert_eq!(of["written"], 2001 - 7 - 20, "{tried}");
    let groups = of["groups"].as_array().unwrap();
    let counts: Vec<_> = groups.iter().map(|group| group["count"].as_u64().unwrap()).collect();
    assert_eq!(counts, [4, 2, 1], "{tried}");
    for (group, field) in groups.iter().zip(["[v]", "[unknown]", "[at]"]) {
        assert!(group["group"].as_str().unwrap().contains(field), "{field}: {group}");
    }
    let mut named: Vec<_> =
        groups.iter().flat_map(|g| g["documents"].as_array().unwrap()).collect();
    named.sort_by_key(ToString::to_string);
    assert_eq!(named, REFUSED.map(|(id, _)| json!(id)).iter().collect::<Vec<_>>());
    let text = site.recipe.command("run", &["--dry-run", "--all"]).run().expect(3).stdout;
    assert!(text.contains("4 × ") && text.contains("7 would be refused"), "{text}");

    assert_eq!(site.everything(), before);
    assert_eq!(site.scratch(), [""; 0]);

    // A target that was begun is tried as it stands.
    site.recipe.run(0);
    let mapping = json!({ "properties": { "unknown": { "type": "keyword" } } });
    site.engine.json.put(&format!("/{}-v2/_mapping", site.name), &mapping);
    let before = site.everything();
    let tried = site.dry_run(&["--all"], 3);
    assert_eq!(part(&tried, "day-1")["refused"], 5, "{tried}");
    assert_eq!(site.everything(), before);
    let plan = site.recipe.command("plan", &["--json"]).run().expect(0).json();
    assert_eq!(part(&plan, "day-1")["estimate"]["documents"], 0, "{plan}");
}

/// A sample comes from everywhere; what the recipe mends is not refused any more.
fn spread_and_clean() {
    let site = Site::make("drysample", 1994);
    let tried = site.dry_run(&["--sample", "200", "--report", "/dev/null"], 3);
    let of = part(&tried, "day-1");
    assert_eq!(of["read"], 200, "{tried}");
    // Those that are refused are the newest; among what is older is spam.
    assert_eq!((&of["refused"], &tried["sample"]), (&json!(7), &json!(200)), "{tried}");
    assert!(of["filtered"]["is spam"].as_u64().unwrap() > 0, "{tried}");
    site.recipe.change("- set: { schema: 2 }", "- remove: [v, unknown, at]");
    let mended = site.dry_run(&["--sample", "5000"], 0);
    let of = part(&mended, "day-1");
    assert_eq!((&of["read"], &of["refused"]), (&json!(2001), &json!(0)), "{mended}");
    // A field that verification would miss.
    let verify = "verify: { required: [note] }\ncutover: {";
    site.recipe.change("cutover: {", verify);
    let lacking = site.dry_run(&[], 3);
    let of = part(&lacking, "day-1");
    assert_eq!(of["read"], 1000, "{lacking}");
    assert!(of["incomplete"].as_u64().unwrap() > 900, "{lacking}");
    // A plan that is refused is not tried.
    site.recipe.change(", after_switch: target_accepts_both", "");
    let refused = site.recipe.command("run", &["--dry-run"]).run().expect(3);
    assert!(refused.stderr.contains("SEG-P160"), "{}", refused.stderr);
    site.recipe.command("run", &["--sample", "3"]).run().expect(2);
    assert_eq!(site.scratch(), [""; 0]);
    assert_eq!(site.everything()["kept"]["segue-journal"], 0);
}

/// Whatever ends it, nothing is left, or nothing once the next one has begun.
fn stopped_and_killed() {
    let site = Site::make("drystop", 994);
    let before = site.everything();
    for step in ["dry_run_made", "dry_run_filled"] {
        let failed =
            site.recipe.command("run", &["--dry-run", "--json"]).env("SEGUE_FAIL_AT", step);
        let failed = failed.run().expect(1).last_json_line();
        assert_eq!(part(&failed, "day-1")["error"]["code"], "SEG-E203", "{failed}");
        assert_eq!(site.scratch(), [""; 0], "{step}");

        // A template that would show what is in it to readers of an alias.
        let (template, all) = (site.prefix.name("catcher"), site.prefix.name("all"));
        let path = format!("/_index_template/{template}");
        site.engine.json.put(&path, &json!({
            "index_patterns": ["segue-probe-*"], "template": { "aliases": { (all.as_str()): {} } }
        }));
        let died = site.recipe.command("run", &["--dry-run"]).env("SEGUE_DIE_AT", step).run();
        assert!(died.signal.is_some(), "it did not die at {step}: {}", died.stderr);
        assert_eq!(site.scratch().len(), 1, "{step}");
        let shown = site.engine.json.call(Method::GET, &format!("/_alias/{all}"), None).0;
        site.engine.json.delete(&path);
        assert_eq!(shown, 404, "{step}: the scratch index is shown by an alias");
        site.dry_run(&[], 3);
        assert_eq!(site.scratch(), [""; 0], "{step}");
    }
    // Slow enough to be interrupted.
    let limits = "limits: { docs_per_second: 100, batch_docs: 50 }\ncutover: {";
    site.recipe.change("cutover: {", limits);
    let slow = site.recipe.command("run", &["--dry-run", "--all"]);
    let ended = slow.signal_when(|| !site.scratch().is_empty(), Signal::SIGINT);
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert_eq!(site.scratch(), [""; 0]);
    assert_eq!(site.everything(), before);
}

const FILES: &str = r#"
segue: 1
name: NAME
cluster: { url: "${SEGUE_CLUSTER}" }
source: { files: "data.*", id: { fields: [code] } }
target: { index: "PREFIXitems-{generation}", template: target.json }
cutover: { alias: PREFIXitems }
"#;

/// Records of files are tried likewise.
fn from_files() {
    let engine = Engine::get();
    let prefix = engine.prefix("dryfiles");
    let recipe = Recipe::new(&engine, &prefix, FILES);
    let amount = json!({ "type": "long" });
    recipe.add_file(
        "target.json",
        &json!({
            "settings": { "number_of_replicas": 0 },
            "mappings": { "properties": { "code": { "type": "keyword" }, "amount": amount } }
        }),
    );
    let row = |n: usize| match n {
        3 | 17 => format!("{n:05},many\n"),
        40 => ",7\n".to_owned(),
        n => format!("{n:05},{n}\n"),
    };
    let rows: String = (0..200).map(row).collect();
    recipe.write("data.csv", format!("code,amount\n{rows}").as_bytes());
    let before = state(&engine, prefix.as_str());
    let dry_run = |more: &[&str]| {
        let arguments = [&["--dry-run", "--json"], more].concat();
        recipe.command("run", &arguments).run().expect(3).last_json_line()
    };
    let tried = dry_run(&[]);
    let of = &tried["parts"][0];
    assert_eq!((&of["read"], &of["written"]), (&json!(200), &json!(197)), "{tried}");
    let groups: Vec<_> =
        of["groups"].as_array().unwrap().iter().map(|g| (&g["kind"], &g["count"])).collect();
    assert_eq!(groups[0].1, 2, "{tried}");
    assert_eq!(groups[1], (&json!("no_id"), &json!(1)), "{tried}");
    assert_eq!(of["groups"][0]["documents"], json!(["data.csv:3", "data.csv:17"]), "{tried}");
    assert_eq!(dry_run(&["--sample", "10"])["parts"][0]["read"], 10);
    assert_eq!(state(&engine, prefix.as_str()), before);
    let left = engine.json.get("/segue-probe-*?expand_wildcards=all");
    assert_eq!(left, json!({}));
}

const KEYED: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { index: 'PREFIXday-1' }
target: { index: '{source}-v2', template: target.json }
pipeline:
  - explode: { field: in, as: to }
  - id: '{_id}/{to}'
verify: { required: [name] }
cutover: { mode: block, after_switch: writers_send_new_shape }
";

/// Documents of the source are counted, also where several are made of one.
fn several_of_one() {
    let engine = Engine::get();
    let prefix = engine.prefix("drykeyed");
    let name = prefix.name("day-1");
    let numbers = json!({ "properties": {
        "in": { "type": "keyword" }, "name": { "type": "keyword" }
    }});
    let body = json!({ "settings": { "number_of_replicas": 0 }, "mappings": numbers });
    engine.json.put(&format!("/{name}"), &body);
    engine.json.write(
        &name,
        &[
            ("a", r#"{"name":"n","in":["1","2","3"]}"#),
            ("b", r#"{"name":"n","in":["4","five"]}"#),
            ("c", r#"{"in":["6","7"]}"#),
            ("d", r#"{"name":"n"}"#),
        ],
    );
    let recipe = Recipe::new(&engine, &prefix, KEYED);
    let to = json!({ "to": { "type": "long" }, "name": { "type": "keyword" } });
    recipe.add_file("target.json", &json!({ "mappings": { "properties": to } }));
    let plan = recipe.command("plan", &[]).run().expect(0).stdout;
    assert!(plan.contains("~ in => to: keyword -> long; values that are no numbers are"), "{plan}");
    let arguments = ["--dry-run", "--json", "--all"];
    let tried = recipe.command("run", &arguments).run().expect(3).last_json_line();
    let of = part(&tried, "day-1");
    assert_eq!((&of["read"], &of["written"]), (&json!(4), &json!(2)), "{tried}");
    assert_eq!((&of["refused"], &of["incomplete"]), (&json!(1), &json!(1)), "{tried}");
    assert_eq!(of["groups"][0]["documents"], json!(["b"]), "{tried}");
    assert_eq!(of["incomplete_documents"], json!(["c"]), "{tried}");
    assert_eq!(of["filtered"].as_object().unwrap().len(), 1, "{tried}");
}
