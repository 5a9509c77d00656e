//! `segue try` shows what the pipeline makes of documents, and changes nothing.

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod common;

use common::{Recipe, make_index, state};
use segue_testkit::{Engine, Prefix};
use serde_json::{Value, json};

const RECIPE: &str = r#"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { index: 'PREFIXday-{n}', match: { n: '\d+' } }
target: { index: '{source}-v2' }
pipeline:
  - lookup: { index: 'PREFIXbrands', key: brand, match: id, as: brand }
  - copy: { brand_name: brand.name }
  - filter: { drop_if: { field: robot, equals: true }, reason: robots }
  - date: { at: { from: [iso, dd.MM.yyyy], to: epoch_millis } }
  - split: { tags: ',' }
  - default: { kind: plain }
  - truncate: { title: 5 }
verify: { required: [title] }
cutover: { mode: block, start: manual, after_switch: target_accepts_both }
"#;

/// Two days, one with a document for each outcome, and the brands.
fn installed(engine: &Engine, prefix: &Prefix) -> Recipe {
    let body = json!({ "settings": { "number_of_replicas": 0 }, "mappings": { "dynamic": false } });
    for name in ["day-1", "day-2", "brands"] {
        engine.json.put(&format!("/{}", prefix.name(name)), &body);
    }
    let brands = [("b", r#"{"id":7,"name":"Ä & Co"}"#)];
    engine.json.write(&prefix.name("brands"), &brands);
    let documents = [
        ("plain", r#"{"n":1.10,"brand":"7","at":"01.06.2025","tags":"x,y","title":"Grüße!!"}"#),
        ("robot", r#"{"robot":true,"title":"r"}"#),
        ("odd", r#"{"at":"yesterday","title":"o"}"#),
        ("bare", r#"{"n":12345678901234567890123}"#),
    ];
    engine.json.write(&prefix.name("day-1"), &documents);
    engine.json.write(&prefix.name("day-2"), &[("plain", r#"{"title":"two"}"#)]);
    for name in ["day-1", "day-2"] {
        engine.json.post(&format!("/{}/_refresh", prefix.name(name)), &json!({}));
    }
    Recipe::new(engine, prefix, RECIPE)
}

fn objects(stdout: &str) -> Vec<Value> {
    stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn documents_are_shown_before_and_after_with_what_would_happen() {
    let engine = Engine::get();
    let prefix = engine.prefix("try");
    let recipe = installed(&engine, &prefix);
    let before = state(&engine, prefix.as_str());
    let ids = ["--id", "plain", "--id", "robot", "--id", "odd", "--id", "bare", "--json"];
    let ended = recipe.command("try", &ids).run().expect(0);
    let tried = objects(&ended.stdout);
    let of = |id: &str, day: &str| {
        let part = prefix.name(day);
        let mut found = tried.iter().filter(|t| t["id"] == id && t["part"] == part.as_str());
        found.next().unwrap_or_else(|| panic!("{id} of {day} is not in {}", ended.stdout)).clone()
    };
    assert_eq!(tried.len(), 5, "{}", ended.stdout);
    let plain = of("plain", "day-1");
    assert_eq!((&plain["outcome"], &plain["reason"]), (&json!("written"), &Value::Null));
    assert_eq!(plain["before"]["tags"], "x,y");
    // Spellings stay, which parsed values would not show.
    let line =
        r#""after":{"n":1.10,"brand":"7","at":1748736000000,"tags":["x","y"],"title":"Grüße","#;
    assert!(ended.stdout.contains(line), "{}", ended.stdout);
    assert_eq!(plain["after"]["brand_name"], "Ä & Co");
    assert_eq!(plain["after"]["kind"], "plain");
    assert_eq!(of("plain", "day-2")["after"]["title"], "two");
    let robot = of("robot", "day-1");
    assert_eq!((&robot["outcome"], &robot["reason"]), (&json!("filtered"), &json!("robots")));
    assert_eq!(robot["after"], Value::Null);
    let odd = of("odd", "day-1");
    assert_eq!(odd["outcome"], "dead_letter");
    assert!(odd["reason"].as_str().unwrap().starts_with("field `at`: \"yesterday\""), "{odd}");
    let bare = of("bare", "day-1");
    assert_eq!(
        (&bare["outcome"], &bare["reason"]),
        (&json!("incomplete"), &json!("required field title is missing"))
    );
    assert!(ended.stdout.contains(r#""after":{"n":12345678901234567890123,"#), "{}", ended.stdout);

    let text = recipe.command("try", &["--id", "robot", "--id", "odd"]).run().expect(0).stdout;
    assert!(text.contains("=> filtered: robots"), "{text}");
    assert!(text.contains("=> dead letter: field `at`"), "{text}");
    assert!(text.contains("    \"robot\": true,\n"), "{text}");

    assert_eq!(state(&engine, prefix.as_str()), before, "something was changed");
    assert_eq!(recipe.local_state(), [] as [std::path::PathBuf; 0], "something was left");
    let status = recipe.command("status", &["--json"]).run().expect(0).last_json_line();
    assert_eq!(status["parts"], json!([]), "something was begun");
}

#[test]
fn what_is_tried_is_what_a_run_writes() {
    let engine = Engine::get();
    let prefix = engine.prefix("tryrun");
    let recipe = installed(&engine, &prefix);
    let tried =
        objects(&recipe.command("try", &["--sample", "9", "--json"]).run().expect(0).stdout);
    // Three of each part were asked for at least; all there are in the smaller one.
    let one_of = |day: &str| tried.iter().any(|t| t["part"] == prefix.name(day).as_str());
    assert!(one_of("day-1") && one_of("day-2"), "{tried:?}");
    // The part whose document lacks what is required can't be switched; both are carried.
    recipe.command("verify", &["--yes"]).run().expect(4);
    let mut compared = 0;
    for document in tried.iter().filter(|t| t["outcome"] == "written") {
        let target = format!("{}-v2", document["part"].as_str().unwrap());
        let path = format!("/{target}/_source/{}", document["id"].as_str().unwrap());
        assert_eq!(engine.json.get(&path), document["after"], "{document}");
        compared += 1;
    }
    assert!(compared >= 2, "{tried:?}");
}

#[test]
fn a_script_is_tried_and_a_wrong_one_is_shown_where_it_stands() {
    let engine = Engine::get();
    let prefix = engine.prefix("tryscript");
    let recipe = installed(&engine, &prefix);
    let step =
        "  - script: |\n      doc.made = brand.name + \"!\";\n      doc.n += 0.90;\n  - default:";
    recipe.change("  - default:", step);
    let ended = recipe.command("try", &["--id", "plain", "--id", "bare", "--json"]).run().expect(0);
    let tried = objects(&ended.stdout);
    let day = prefix.name("day-1");
    let of = |id: &str| {
        tried.iter().find(|t| t["id"] == id && t["part"] == day.as_str()).unwrap().clone()
    };
    assert_eq!(of("plain")["after"]["made"], "Ä & Co!");
    assert!(ended.stdout.contains(r#""after":{"n":2.00,"brand""#), "{}", ended.stdout);
    let reason = of("bare")["reason"].as_str().unwrap().to_owned();
    assert_eq!(of("bare")["outcome"], "dead_letter");
    assert!(reason.starts_with("script, line 1: "), "{reason}");

    recipe.change("brand.name + ", "brand.name + * ");
    for verb in ["try", "plan", "run"] {
        let ended = recipe.command(verb, &[]).run().expect(2);
        assert!(ended.stderr.contains("recipe.yaml:14:31"), "{verb}: {}", ended.stderr);
        assert!(ended.stderr.contains("the script can't be compiled"), "{verb}: {}", ended.stderr);
    }
}

#[test]
fn an_id_that_is_nowhere_and_a_sample_of_a_larger_index() {
    let engine = Engine::get();
    let prefix = engine.prefix("trysample");
    let recipe = installed(&engine, &prefix);
    let ended =
        recipe.command("try", &["--id", "plain", "--id", "nobody", "--json"]).run().expect(1);
    assert_eq!(objects(&ended.stdout).len(), 2);
    assert!(ended.stderr.contains("in no source: nobody"), "{}", ended.stderr);

    make_index(&engine, &prefix.name("day-3"), 2, 500);
    engine.json.post(&format!("/{}/_refresh", prefix.name("day-3")), &json!({}));
    let sample = || recipe.command("try", &["--sample", "30", "--json"]).run().expect(0).stdout;
    let first = sample();
    let of_three =
        objects(&first).iter().filter(|t| t["part"] == prefix.name("day-3").as_str()).count();
    assert_eq!(of_three, 10, "{first}");
    assert_eq!(sample(), first, "another sample of the same documents");
    recipe.command("try", &["--id", "x", "--sample", "3"]).run().expect(2);
}
