//! Copying and switching without a recipe of one's own.

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod common;

use std::time::Duration;

use common::{Recipe, assert_same, make_index};
use segue_testkit::{Ended, Engine, Prefix, content};
use serde_json::json;

struct Plain<'a> {
    engine: &'a Engine,
    prefix: &'a Prefix,
    home: tempfile::TempDir,
}

impl<'a> Plain<'a> {
    fn new(engine: &'a Engine, prefix: &'a Prefix) -> Plain<'a> {
        Plain { engine, prefix, home: tempfile::tempdir().unwrap() }
    }

    fn segue(&self, arguments: &[&str]) -> Ended {
        segue_testkit::Segue::new(env!("CARGO_BIN_EXE_segue"))
            .args(arguments.iter().copied())
            .cluster(&self.engine.url)
            .env("XDG_STATE_HOME", &self.home.path().to_string_lossy())
            .within(Duration::from_secs(120))
            .run()
    }

    fn alias(&self, name: &str, index: &str) {
        let action = json!({ "actions": [{ "add": { "index": index, "alias": name } }] });
        self.engine.json.post("/_aliases", &action);
    }

    fn serves(&self, alias: &str) -> Vec<String> {
        let on = self.engine.json.get(&format!("/_alias/{alias}"));
        on.as_object().unwrap().keys().cloned().collect()
    }

    fn make(&self, name: &str, count: usize) -> String {
        let name = self.prefix.name(name);
        make_index(self.engine, &name, 1, count);
        name
    }
}

#[test]
fn a_copy_is_switched_to_with_a_last_pass() {
    let engine = Engine::get();
    let prefix = engine.prefix("copy");
    let plain = Plain::new(&engine, &prefix);
    let old = plain.make("old", 3000);
    let (new, alias) = (prefix.name("new"), prefix.name("alias"));
    plain.alias(&alias, &old);
    plain.segue(&["copy", &old, &new, "--yes"]).expect(0);
    assert_eq!(plain.serves(&alias), [old.as_str()], "a copy switches nothing");
    // Written and deleted since.
    engine.json.write(&alias, &[("d1", r#"{"v":-1}"#), ("later", r#"{"v":7}"#)]);
    engine.json.delete(&format!("/{alias}/_doc/d2"));
    let truth = content(&engine, &alias);
    let looked = plain.segue(&["switch", &alias, "--from", &old, "--to", &new, "--dry-run"]);
    looked.expect(0);
    assert_eq!(plain.serves(&alias), [old.as_str()]);
    plain.segue(&["switch", &alias, "--from", &old, "--to", &new, "--yes"]).expect(0);
    assert_eq!(plain.serves(&alias), [new.as_str()]);
    assert_same(&content(&engine, &alias), &truth);
    let again = plain.segue(&["switch", &alias, "--to", &new, "--yes"]).expect(0);
    assert!(again.stdout.contains("already"), "{}", again.stdout);
}

#[test]
fn nobody_knows_what_other_indices_took() {
    let engine = Engine::get();
    let prefix = engine.prefix("unknown");
    let plain = Plain::new(&engine, &prefix);
    let (one, other) = (plain.make("one", 100), plain.make("other", 105));
    let alias = prefix.name("alias");
    plain.alias(&alias, &one);
    let refused = plain.segue(&["switch", &alias, "--to", &other, "--yes"]).expect(3);
    assert!(refused.stderr.contains("nobody knows"), "{}", refused.stderr);
    assert_eq!(plain.serves(&alias), [one.as_str()]);
    plain.segue(&["switch", &alias, "--to", &other, "--discard-writes", "--yes"]).expect(0);
    assert_eq!(plain.serves(&alias), [other.as_str()]);

    let few = plain.make("few", 10);
    let drift =
        plain.segue(&["switch", &alias, "--to", &few, "--discard-writes", "--yes"]).expect(3);
    assert!(drift.stderr.contains("91 %"), "{}", drift.stderr);
    let wide = ["switch", &alias, "--to", &few, "--discard-writes", "--max-drift", "95%", "--yes"];
    plain.segue(&wide).expect(0);
    let wrong = plain.segue(&["switch", &alias, "--from", &one, "--to", &other, "--yes"]).expect(1);
    assert!(wrong.stderr.contains("not for"), "{}", wrong.stderr);
}

#[test]
fn between_generations_it_is_known_whether_a_write_would_be_lost() {
    let engine = Engine::get();
    let prefix = engine.prefix("known");
    let plain = Plain::new(&engine, &prefix);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.csv");
    std::fs::write(&file, "a\n1\n2\n3\n").unwrap();
    Recipe::files(&engine, &prefix, &file).run(0);
    let (alias, generation) = (prefix.name("items"), prefix.name("items-000001"));
    let other = plain.make("other", 3);
    engine.json.write(&generation, &[("mine", "{}")]);
    let refused =
        plain.segue(&["switch", &alias, "--to", &other, "--max-drift", "50%", "--yes"]).expect(3);
    assert!(refused.stderr.contains("untouched"), "{}", refused.stderr);
    assert_eq!(plain.serves(&alias), [generation.as_str()]);
    engine.json.write(&generation, &[("mine", "{}")]);
}

#[test]
fn an_untouched_generation_is_switched_and_stays_closed() {
    let engine = Engine::get();
    let prefix = engine.prefix("closed");
    let plain = Plain::new(&engine, &prefix);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.csv");
    std::fs::write(&file, "a\n1\n2\n3\n").unwrap();
    Recipe::files(&engine, &prefix, &file).run(0);
    let (alias, generation) = (prefix.name("items"), prefix.name("items-000001"));
    let other = plain.make("other", 3);
    plain.segue(&["switch", &alias, "--to", &other, "--yes"]).expect(0);
    assert_eq!(plain.serves(&alias), [other]);
    let settings = engine.json.get(&format!("/{generation}/_settings?flat_settings=true"));
    assert_eq!(settings[&generation]["settings"]["index.blocks.write"], "true");
}
