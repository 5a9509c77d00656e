//! `segue recipe new` on what a cluster holds: an alias, a series, what is not there, files that exist.

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod common;

use std::path::Path;

use common::{make_index, state};
use segue_testkit::{Ended, Engine, Segue};
use serde_json::json;

/// `segue recipe new …`, writing to `recipe.yaml` in `folder`.
fn new(engine: &Engine, folder: &Path, arguments: &[&str]) -> Ended {
    let out = folder.join("recipe.yaml");
    Segue::new(env!("CARGO_BIN_EXE_segue"))
        .args(["recipe", "new", "--out"])
        .args([out.as_os_str()])
        .args(arguments.iter().copied())
        .cluster(&engine.url)
        .run()
}

fn segue(engine: &Engine, folder: &Path, verb: &[&str]) -> Ended {
    Segue::new(env!("CARGO_BIN_EXE_segue"))
        .args(verb.iter().copied())
        .args([folder.join("recipe.yaml").as_os_str()])
        .cluster(&engine.url)
        .env("SEGUE_STATE_DIR", &folder.join("state").to_string_lossy())
        .run()
}

fn text(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("recipe.yaml")).unwrap()
}

#[test]
fn an_alias_stands_for_the_index_behind_it() {
    let engine = Engine::get();
    let prefix = engine.prefix("newalias");
    let (index, alias) = (prefix.name("day-1"), prefix.name("days"));
    make_index(&engine, &index, 1, 10);
    engine.json.put(&format!("/{index}/_alias/{alias}"), &json!({}));
    let before = state(&engine, prefix.as_str());
    let folder = tempfile::tempdir().unwrap();
    let ended = new(&engine, folder.path(), &[&alias]).expect(0);
    assert_eq!(ended.stdout.lines().count(), 2, "recipe and template: {}", ended.stdout);
    let drafted = text(folder.path());
    assert!(drafted.contains(&format!("  index: \"{index}\"\n")), "{drafted}");
    assert!(drafted.contains(&format!("The alias {alias} of {index} moves too.")), "{drafted}");
    segue(&engine, folder.path(), &["recipe", "check"]).expect(0);
    let plan = segue(&engine, folder.path(), &["plan"]).expect(0).stdout;
    assert!(plan.contains(&format!("+ {index} -> {index}-v2\n")), "{plan}");
    assert_eq!(state(&engine, prefix.as_str()), before, "something was changed");
}

#[test]
fn a_monthly_series_becomes_a_capture() {
    let engine = Engine::get();
    let prefix = engine.prefix("newseries");
    for month in ["2026-01", "2026-02", "2026-03"] {
        make_index(&engine, &prefix.name(&format!("views-{month}")), 1, 10);
    }
    let folder = tempfile::tempdir().unwrap();
    new(&engine, folder.path(), &[&prefix.name("views-*")]).expect(0);
    let drafted = text(folder.path());
    let pattern = prefix.name("views-{month}");
    assert!(drafted.contains(&format!("  index: \"{pattern}\"\n")), "{drafted}");
    let plan = segue(&engine, folder.path(), &["plan", "--json"]).expect(0).last_json_line();
    assert_eq!(plan["parts"].as_array().unwrap().len(), 3, "{plan}");
    // What does not look like a month is none of the migration's.
    make_index(&engine, &prefix.name("views-all"), 1, 1);
    let plan = segue(&engine, folder.path(), &["plan", "--json"]).expect(0).last_json_line();
    assert_eq!(plan["parts"].as_array().unwrap().len(), 3, "{plan}");
}

#[test]
fn an_index_that_is_not_there_is_answered_with_those_that_are() {
    let engine = Engine::get();
    let prefix = engine.prefix("newabsent");
    make_index(&engine, &prefix.name("day-1"), 1, 1);
    let folder = tempfile::tempdir().unwrap();
    for absent in [prefix.name("day-l"), prefix.name("dax*")] {
        let ended = new(&engine, folder.path(), &[&absent]).expect(2);
        let said = &ended.stderr;
        assert!(said.contains(&format!("there is no index {absent}")), "{said}");
        assert!(said.contains(&prefix.name("day-1")), "{said}");
    }
    assert!(!folder.path().join("recipe.yaml").exists());
}

#[test]
fn a_file_that_exists_is_overwritten_only_by_force() {
    let engine = Engine::get();
    let prefix = engine.prefix("newthere");
    let index = prefix.name("day-1");
    make_index(&engine, &index, 1, 1);
    // Either of the two files stands in the way of both.
    for there in ["recipe.yaml", "recipe.template.json"] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(there), "mine").unwrap();
        let ended = new(&engine, folder.path(), &[&index]).expect(2);
        assert!(ended.stderr.contains("is there already"), "{}", ended.stderr);
        assert_eq!(std::fs::read_to_string(folder.path().join(there)).unwrap(), "mine");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "the other was written");
        new(&engine, folder.path(), &[&index, "--force"]).expect(0);
        assert!(text(folder.path()).contains("segue: 1\n"));
    }
}
