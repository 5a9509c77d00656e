//! Files become generations of an index: loaded whole, compared, swapped in, and taken back.

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod common;

use std::collections::BTreeMap;
use std::io::Write;

use common::{Recipe, assert_same};
use segue_testkit::{Engine, Fault, Faults, Method, Prefix, Proxy, content};
use serde_json::{Value, json};

const RECIPE: &str = r#"
segue: 1
name: NAME
cluster: { url: "${SEGUE_CLUSTER}" }
source:
  files: "data.*"
  id: position
target: { index: "PREFIXitems-{generation}", settings: { number_of_replicas: 0 } }
cutover:
  alias: PREFIXitems
limits: { retries: 2, retry_delay: 100ms, health_wait: 20s, batch_docs: 500 }
"#;

struct Loaded<'a> {
    engine: &'a Engine,
    prefix: &'a Prefix,
    recipe: Recipe,
}

impl<'a> Loaded<'a> {
    fn new(engine: &'a Engine, prefix: &'a Prefix) -> Loaded<'a> {
        Loaded { engine, prefix, recipe: Recipe::new(engine, prefix, RECIPE) }
    }

    fn alias(&self) -> String {
        self.prefix.name("items")
    }

    fn generation(&self, number: u32) -> String {
        self.prefix.name(&format!("items-{number:06}"))
    }

    /// What the alias stands for.
    fn serves(&self) -> Vec<String> {
        let (_, on) =
            self.engine.json.call(Method::GET, &format!("/_alias/{}", self.alias()), None);
        let names = on.as_object().map(|on| on.keys().cloned().collect::<Vec<_>>());
        names
            .unwrap_or_default()
            .into_iter()
            .filter(|name| name != "error" && name != "status")
            .collect()
    }

    /// The generations that are there.
    fn generations(&self) -> Vec<String> {
        let path = format!("/{}*?expand_wildcards=all", self.prefix.name("items-"));
        let there = self.engine.json.get(&path);
        there.as_object().unwrap().keys().cloned().collect()
    }

    /// Each document of what serves, by id.
    fn documents(&self) -> BTreeMap<String, Value> {
        content(self.engine, &self.alias())
            .into_iter()
            .map(|(id, kept)| (id, kept.value()))
            .collect()
    }

    fn raw(&self) -> BTreeMap<String, String> {
        content(self.engine, &self.alias())
            .into_iter()
            .map(|(id, kept)| (id, kept.source))
            .collect()
    }
}

/// `count` rows of two columns.
fn rows(count: usize) -> String {
    let rows: String = (0..count).map(|n| format!("{n:05},{}\n", n * 7 % 1000)).collect();
    format!("code,amount\n{rows}")
}

fn truth(count: usize) -> BTreeMap<String, Value> {
    (0..count)
        .map(|n| {
            (format!("data.csv:{n}"), json!({ "code": format!("{n:05}"), "amount": n * 7 % 1000 }))
        })
        .collect()
}

#[test]
fn a_table_keeps_every_value() {
    let engine = Engine::get();
    let prefix = engine.prefix("table");
    let loaded = Loaded::new(&engine, &prefix);
    let text = "\u{feff}zip,name,serial,ip,open,opened,ratio,note\r\n\
        00501,\"Holts, \"\"ville\"\"\",12345678901234567890,10.0.0.1,true,2024-02-29,1.10,\"two\nlines\"\r\n\
        00544,Ünïcode 🦀,12345678901234567891,10.0.0.2,false,2024-03-01,-0.5,\r\n";
    loaded.recipe.write("data.csv", text.as_bytes());
    let report = loaded.recipe.run(0);
    assert_eq!(report["totals"]["read"], 2, "{report}");
    assert_eq!(loaded.serves(), [loaded.generation(1)]);
    let expected = [
        (
            "data.csv:0",
            "{\"zip\":\"00501\",\"name\":\"Holts, \\\"ville\\\"\",\"serial\":\"12345678901234567890\",\
             \"ip\":\"10.0.0.1\",\"open\":true,\"opened\":\"2024-02-29\",\"ratio\":1.10,\
             \"note\":\"two\\nlines\"}",
        ),
        (
            "data.csv:1",
            "{\"zip\":\"00544\",\"name\":\"Ünïcode 🦀\",\"serial\":\"12345678901234567891\",\
             \"ip\":\"10.0.0.2\",\"open\":false,\"opened\":\"2024-03-01\",\"ratio\":-0.5}",
        ),
    ];
    let expected = expected.map(|(id, text)| (id.to_owned(), text.to_owned())).into();
    assert_same(&loaded.raw(), &expected);
    let mapping = engine.json.get(&format!("/{}/_mapping", loaded.generation(1)));
    let properties = &mapping[loaded.generation(1)]["mappings"]["properties"];
    for (column, kind) in [
        ("zip", "text"),
        ("serial", "text"),
        ("open", "boolean"),
        ("opened", "date"),
        ("ratio", "double"),
    ] {
        assert_eq!(properties[column]["type"], kind, "{column}");
    }
}

#[test]
fn every_format_gives_the_same_documents() {
    let engine = Engine::get();
    let documents: Vec<_> = (0..1200)
        .map(|n| json!({ "n": n, "t": format!("text {n}"), "o": { "x": [n, null] } }))
        .collect();
    let lines: String = documents.iter().map(|document| format!("{document}\n")).collect();
    let array = serde_json::to_string_pretty(&documents).unwrap();
    let gzip = |text: &str| {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(text.as_bytes()).unwrap();
        out.finish().unwrap()
    };
    // Two frames, as programs write that compress in parallel.
    let zstd = |text: &str| {
        let (first, second) = text.as_bytes().split_at(text.len() / 2);
        let mut out = zstd::encode_all(first, 1).unwrap();
        out.extend(zstd::encode_all(second, 1).unwrap());
        out
    };
    for (name, bytes) in [
        ("data.jsonl", lines.clone().into_bytes()),
        ("data.json", array.clone().into_bytes()),
        ("data.ndjson.gz", gzip(&lines)),
        ("data.json.zst", zstd(&array)),
        ("data.json", lines.clone().into_bytes()),
    ] {
        let prefix = engine.prefix("format");
        let loaded = Loaded::new(&engine, &prefix);
        loaded.recipe.write(name, &bytes);
        loaded.recipe.run(0);
        let numbered = documents.iter().enumerate();
        let expected = numbered.map(|(n, document)| (format!("{name}:{n}"), document.clone()));
        assert_same(&loaded.documents(), &expected.collect());
    }
}

#[test]
fn the_next_generation_takes_over_and_can_be_taken_back() {
    let engine = Engine::get();
    let prefix = engine.prefix("swap");
    let loaded = Loaded::new(&engine, &prefix);
    loaded.recipe.write("data.csv", rows(2000).as_bytes());
    loaded.recipe.run(0);
    let again = loaded.recipe.run(0);
    assert!(again.to_string().contains("holds these files already"), "{again}");
    assert_eq!(loaded.generations(), [loaded.generation(1)]);

    loaded.recipe.write("data.csv", rows(2100).as_bytes());
    loaded.recipe.run(0);
    assert_eq!(loaded.serves(), [loaded.generation(2)]);
    assert_same(&loaded.documents(), &truth(2100));
    assert_eq!(loaded.generations(), [loaded.generation(1), loaded.generation(2)]);

    loaded.recipe.command("rollback", &["--yes"]).run().expect(0);
    assert_eq!(loaded.serves(), [loaded.generation(1)]);
    assert_same(&loaded.documents(), &truth(2000));
    let again = loaded.recipe.run(0);
    assert!(again.to_string().contains("was rolled back"), "{again}");

    // What served until now is kept, what was taken back is not.
    loaded.recipe.write("data.csv", rows(2050).as_bytes());
    loaded.recipe.run(0);
    assert_eq!(loaded.serves(), [loaded.generation(3)]);
    assert_eq!(loaded.generations(), [loaded.generation(1), loaded.generation(3)]);
    loaded.recipe.command("rollback", &["--yes"]).run().expect(0);
    assert_eq!(loaded.serves(), [loaded.generation(1)]);
}

#[test]
fn a_rollback_killed_anywhere_comes_to_an_end() {
    let engine = Engine::get();
    for (step, serving) in
        [("swap-back-announced", 2), ("swap-back-closed", 2), ("swap-back-moved", 1)]
    {
        let prefix = engine.prefix(step);
        let loaded = Loaded::new(&engine, &prefix);
        for count in [300, 310] {
            loaded.recipe.write("data.csv", rows(count).as_bytes());
            loaded.recipe.run(0);
        }
        let killed = loaded.recipe.command("rollback", &["--yes"]).env("SEGUE_DIE_AT", step).run();
        assert!(killed.code.is_none(), "{step}: {:?}", killed.code);
        // Any verb that may change something ends it first.
        let ended = loaded.recipe.command("run", &["--yes"]).run();
        assert_eq!(ended.code, Some(0), "{step}: {}", ended.stderr);
        assert_eq!(loaded.serves(), [loaded.generation(serving)], "{step}");
        engine.json.write(&loaded.alias(), &[("x", "{}")]);
        assert_eq!(loaded.recipe.command("doctor", &[]).run().code, Some(0), "{step}");
    }
}

#[test]
fn a_generation_that_an_alias_stands_for_is_not_given_up() {
    let engine = Engine::get();
    let prefix = engine.prefix("promoted");
    let loaded = Loaded::new(&engine, &prefix);
    loaded.recipe.write("data.csv", rows(1000).as_bytes());
    loaded.recipe.run(0);
    loaded.recipe.write("data.csv", rows(500).as_bytes());
    loaded.recipe.command("run", &["--yes"]).run().expect(3);
    // Somebody promotes it by hand.
    let actions = json!({ "actions": [
        { "remove": { "index": loaded.generation(1), "alias": loaded.alias() } },
        { "add": { "index": loaded.generation(2), "alias": loaded.alias() } }
    ]});
    engine.json.post("/_aliases", &actions);
    let refused = loaded.recipe.command("abandon", &["--yes"]).run().expect(3);
    assert!(refused.stderr.contains("stands for it"), "{}", refused.stderr);
    loaded.recipe.write("data.csv", rows(510).as_bytes());
    loaded.recipe.command("run", &["--yes"]).run().expect(3);
    assert_same(&loaded.documents(), &truth(500));
}

#[test]
fn an_alias_keeps_its_filter() {
    let engine = Engine::get();
    let prefix = engine.prefix("filter");
    let loaded = Loaded::new(&engine, &prefix);
    loaded.recipe.write("data.csv", rows(100).as_bytes());
    loaded.recipe.run(0);
    let filter = json!({ "range": { "amount": { "lt": 500 } } });
    let add = json!({ "index": loaded.generation(1), "alias": loaded.alias(), "filter": filter });
    engine.json.post("/_aliases", &json!({ "actions": [{ "add": add }] }));
    let filter_of = |generation: &str| {
        let there = engine.json.get(&format!("/{generation}/_alias"));
        there[generation]["aliases"][loaded.alias()]["filter"].clone()
    };
    let before = filter_of(&loaded.generation(1));
    assert!(before.is_object());
    loaded.recipe.write("data.csv", rows(105).as_bytes());
    loaded.recipe.run(0);
    assert_eq!(filter_of(&loaded.generation(2)), before);
    loaded.recipe.command("rollback", &["--yes"]).run().expect(0);
    assert_eq!(filter_of(&loaded.generation(1)), before);
}

#[test]
fn several_files_and_one_under_two_names() {
    let engine = Engine::get();
    let prefix = engine.prefix("several");
    let loaded = Loaded::new(&engine, &prefix);
    loaded.recipe.change("\"data.*\"", "[\"data.csv\", \"more.jsonl.gz\", \"data.*\"]");
    loaded.recipe.write("data.csv", rows(700).as_bytes());
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(b"{\"code\":\"x\"}\n").unwrap();
    loaded.recipe.write("more.jsonl.gz", &out.finish().unwrap());
    loaded.recipe.run(0);
    let mut expected = truth(700);
    expected.insert("more.jsonl.gz:0".to_owned(), json!({ "code": "x" }));
    assert_same(&loaded.documents(), &expected);
    loaded.recipe.link("data.csv", "data.latest.csv");
    let ended = loaded.recipe.command("plan", &[]).run().expect(3);
    assert!(ended.stdout.contains("is the same file as"), "{}", ended.stdout);
}

#[test]
fn what_would_be_a_loss_is_refused() {
    let engine = Engine::get();
    let prefix = engine.prefix("refused");
    let loaded = Loaded::new(&engine, &prefix);
    loaded.recipe.write("data.csv", b"code,amount\n");
    let empty = loaded.recipe.command("run", &["--yes"]).run().expect(3);
    assert!(empty.stdout.contains("not_empty"), "{}", empty.stdout);
    assert!(loaded.serves().is_empty());

    loaded.recipe.write("data.csv", rows(1000).as_bytes());
    loaded.recipe.run(0);
    let first = loaded.serves();
    loaded.recipe.write("data.csv", rows(800).as_bytes());
    let drift = loaded.recipe.command("run", &["--yes"]).run().expect(3);
    assert!(drift.stdout.contains("800 documents instead of 1000: 20 %"), "{}", drift.stdout);
    assert_eq!(loaded.serves(), first);

    // Somebody writes to what serves all the same.
    loaded.recipe.write("data.csv", rows(1010).as_bytes());
    engine.json.write(&loaded.alias(), &[("mine", "{}")]);
    let written = loaded.recipe.command("run", &["--yes"]).run().expect(3);
    assert!(written.stdout.contains("untouched"), "{}", written.stdout);
    assert_eq!(loaded.serves(), first);
    engine.json.write(&loaded.alias(), &[("mine", "{}")]);

    loaded.recipe.change("alias:", "discard_writes: true\n  alias:");
    loaded.recipe.run(0);
    assert_same(&loaded.documents(), &truth(1010));
}

#[test]
fn what_is_broken_is_named_with_file_and_line() {
    let engine = Engine::get();
    let good = "code,amount\n00001,1\n00002,2\n";
    let array = "[\n{\"a\":1},\n{\"a\":2},\n{\"a\":}\n]";
    let cut = {
        let text = "{\"a\":1}\n".repeat(5000);
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
        out.write_all(text.as_bytes()).unwrap();
        let whole = out.finish().unwrap();
        whole[..whole.len() / 2].to_vec()
    };
    let table: [(&str, Vec<u8>, &[&str], i32); 7] = [
        ("data.csv", format!("{good}00003\n").into(), &["data.csv:4", "1 cells", "2 columns"], 3),
        ("data.csv", format!("{good}x,1,2\n").into(), &["data.csv:4", "3 cells"], 3),
        ("data.jsonl", b"{\"a\":1}\n{\"a\":\n[1]\n".to_vec(), &["data.jsonl:2", "no JSON"], 3),
        (
            "data.jsonl",
            b"{\"a\":1}\n\n[1]\n".to_vec(),
            &["data.jsonl:3", "a list, not an object"],
            3,
        ),
        ("data.json", array.into(), &["data.json:4:6", "no JSON"], 1),
        ("data.jsonl.gz", cut, &["data.jsonl.gz", "cannot be read any further"], 1),
        ("data.csv", [good.as_bytes(), b"\xff\xfe,1\n"].concat(), &["data.csv:4", "not UTF-8"], 3),
    ];
    for (name, bytes, words, code) in table {
        let prefix = engine.prefix("broken");
        let loaded = Loaded::new(&engine, &prefix);
        loaded.recipe.write(name, &bytes);
        let ended = loaded.recipe.command("run", &["--yes"]).run().expect(code);
        let told = format!("{}{}", ended.stdout, ended.stderr);
        for word in words {
            assert!(told.contains(word), "{name}: {word:?} is not in {told}");
        }
        assert!(loaded.serves().is_empty(), "{name}");
    }
}

#[test]
fn a_bad_cell_is_no_other_value() {
    let engine = Engine::get();
    let prefix = engine.prefix("cell");
    let loaded = Loaded::new(&engine, &prefix);
    loaded.recipe.change("id: position", "id: { fields: [code] }\n  columns: { amount: long }");
    loaded.recipe.write("data.csv", b"code,amount\n00001,1\n00002,007\n,3\n00004,4\n");
    let ended = loaded.recipe.command("run", &["--yes"]).run().expect(3);
    for words in ["data.csv:3: column `amount`: `007` is not", "data.csv:4: the field `code`"] {
        assert!(ended.stdout.contains(words), "{words}: {}", ended.stdout);
    }
    loaded.recipe.change("alias:", "max_dead_letters: 2\n  alias:");
    let report = loaded.recipe.run(0);
    let expected = [("00001", 1), ("00004", 4)]
        .map(|(code, amount)| (code.to_owned(), json!({ "code": code, "amount": amount })));
    assert_same(&loaded.documents(), &expected.into());
    assert_eq!(report["totals"]["dead_lettered"]["malformed_record"], 1, "{report}");
    assert_eq!(report["totals"]["dead_lettered"]["no_id"], 1, "{report}");
}

#[test]
fn what_the_engine_refuses_is_named_with_file_and_line() {
    let engine = Engine::get();
    let prefix = engine.prefix("strict");
    let loaded = Loaded::new(&engine, &prefix);
    loaded.recipe.change("settings:", "template: t.json, settings:");
    let mapping = json!({ "dynamic": "strict", "properties": { "a": { "type": "byte" } } });
    loaded.recipe.add_file("t.json", &json!({ "mappings": mapping }));
    loaded.recipe.write("data.jsonl", b"{\"a\":1}\n{\"a\":1000}\n{\"a\":2}\n");
    let ended = loaded.recipe.command("run", &["--yes"]).run().expect(3);
    assert!(ended.stdout.contains("data.jsonl:2: "), "{}", ended.stdout);
    assert!(loaded.serves().is_empty());
}

#[test]
fn records_of_one_id_are_named_or_the_last_stands() {
    let engine = Engine::get();
    let prefix = engine.prefix("duplicate");
    let loaded = Loaded::new(&engine, &prefix);
    loaded.recipe.change("id: position", "id: { fields: [code] }");
    loaded.recipe.write("data.csv", b"code,amount\nA,1\nB,2\nA,3\nC,4\nA,5\n");
    let ended = loaded.recipe.command("run", &["--yes"]).run().expect(4);
    let words = "2 duplicate";
    assert!(ended.stdout.contains(words), "{}", ended.stdout);
    assert!(ended.stdout.contains("data.csv:2 has the id of data.csv:4"), "{}", ended.stdout);
    loaded.recipe.change("  id:", "  duplicates: last\n  id:");
    let report = loaded.recipe.run(0);
    assert_eq!(report["parts"][0]["verification"]["superseded"], 2, "{report}");
    let expected = [("A", 5), ("B", 2), ("C", 4)]
        .map(|(code, amount)| (code.to_owned(), json!({ "code": code, "amount": amount })));
    assert_same(&loaded.documents(), &expected.into());
}

#[test]
fn a_load_killed_anywhere_goes_on() {
    let engine = Engine::get();
    for step in ["swap-ready", "swap-announced", "swap-closed", "swap-moved", "swap-journalled"] {
        let prefix = engine.prefix(step);
        let loaded = Loaded::new(&engine, &prefix);
        loaded.recipe.write("data.csv", rows(300).as_bytes());
        loaded.recipe.run(0);
        loaded.recipe.write("data.csv", rows(310).as_bytes());
        let killed = loaded.recipe.command("run", &["--yes"]).env("SEGUE_DIE_AT", step).run();
        assert!(killed.code.is_none(), "{step}: {:?}", killed.code);
        loaded.recipe.run(0);
        assert_eq!(loaded.serves(), [loaded.generation(2)], "{step}");
        assert_same(&loaded.documents(), &truth(310));
        // What serves takes writes, as nobody has forbidden it.
        engine.json.write(&loaded.alias(), &[("x", "{}")]);
        assert_eq!(loaded.recipe.command("doctor", &[]).run().code, Some(0), "{step}");
    }
}

#[test]
fn a_load_that_failed_at_the_swap_leaves_what_serves() {
    let engine = Engine::get();
    for step in ["swap-announced", "swap-closed"] {
        let prefix = engine.prefix(step);
        let loaded = Loaded::new(&engine, &prefix);
        loaded.recipe.write("data.csv", rows(300).as_bytes());
        loaded.recipe.run(0);
        loaded.recipe.write("data.csv", rows(310).as_bytes());
        let failed = loaded.recipe.command("run", &["--yes"]).env("SEGUE_FAIL_AT", step).run();
        failed.expect(3);
        assert_eq!(loaded.serves(), [loaded.generation(1)], "{step}");
        engine.json.write(&loaded.alias(), &[("data.csv:0", &truth(1)["data.csv:0"].to_string())]);
        loaded.recipe.command("abandon", &["--yes"]).run().expect(0);
        assert_eq!(loaded.generations(), [loaded.generation(1)], "{step}");
        assert_same(&loaded.documents(), &truth(300));
    }
}

#[test]
fn a_load_goes_on_where_it_was() {
    let engine = Engine::get();
    let prefix = engine.prefix("resume");
    let loaded = Loaded::new(&engine, &prefix);
    loaded.recipe.write("data.csv", rows(20_000).as_bytes());
    let stopped = loaded.recipe.run_with(&["--max-batches", "15"], 5);
    assert_eq!(stopped["totals"]["read"], 7_500, "{stopped}");
    assert!(loaded.serves().is_empty());
    let report = loaded.recipe.run(0);
    assert_eq!(report["totals"]["batches"], 25, "{report}");
    assert_eq!(report["totals"]["read"], 20_000, "{report}");
    assert_same(&loaded.documents(), &truth(20_000));
}

#[test]
fn answers_that_are_lost_cost_nothing() {
    let engine = Engine::get();
    let prefix = engine.prefix("faults");
    let loaded = Loaded::new(&engine, &prefix);
    loaded.recipe.change("retries: 2", "retries: 9");
    loaded.recipe.write("data.csv", rows(20_000).as_bytes());
    let faults = Faults::seeded(7).with(Fault::DropResponse, 300).only("/_bulk").at_most(10);
    let proxy = Proxy::start(&engine, faults);
    loaded.recipe.through(&proxy.url, "run", &["--yes"]).run().expect(0);
    assert!(!proxy.faults().is_empty(), "no answer was lost");
    assert_same(&loaded.documents(), &truth(20_000));
}

#[test]
fn other_files_begin_another_generation() {
    let engine = Engine::get();
    let prefix = engine.prefix("others");
    let loaded = Loaded::new(&engine, &prefix);
    loaded.recipe.write("data.csv", rows(20_000).as_bytes());
    loaded.recipe.run_with(&["--max-batches", "5"], 5);
    assert_eq!(loaded.generations(), [loaded.generation(1)]);
    loaded.recipe.write("data.csv", rows(1_000).as_bytes());
    loaded.recipe.run(0);
    assert_eq!(loaded.generations(), [loaded.generation(2)], "the first is given up");
    assert_same(&loaded.documents(), &truth(1_000));
}

#[test]
fn an_alias_of_somebody_else_is_refused_before_anything_is_done() {
    let engine = Engine::get();
    let prefix = engine.prefix("foreign");
    let loaded = Loaded::new(&engine, &prefix);
    let theirs = prefix.name("theirs");
    let body =
        json!({ "aliases": { loaded.alias(): {} }, "settings": { "number_of_replicas": 0 } });
    engine.json.put(&format!("/{theirs}"), &body);
    loaded.recipe.write("data.csv", rows(10).as_bytes());
    let ended = loaded.recipe.command("run", &["--yes"]).run().expect(3);
    assert!(ended.stderr.contains("SEG-P172"), "{}", ended.stderr);
    assert_eq!(loaded.serves(), [theirs]);
    assert!(loaded.generations().is_empty());
}

#[test]
fn no_file_and_a_file_of_no_format_are_refused() {
    let engine = Engine::get();
    let prefix = engine.prefix("nofile");
    let loaded = Loaded::new(&engine, &prefix);
    let ended = loaded.recipe.command("plan", &[]).run().expect(3);
    assert!(ended.stdout.contains("SEG-P170"), "{}", ended.stdout);
    loaded.recipe.write("data.xyz", b"1");
    let ended = loaded.recipe.command("plan", &[]).run().expect(3);
    assert!(ended.stdout.contains("SEG-P171"), "{}", ended.stdout);
}
