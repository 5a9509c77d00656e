//! How far a migration is, as bookmarks.

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod common;

use common::{Recipe, make_index};
use segue_testkit::Engine;
use serde_json::json;

const RECIPE: &str = r"
segue: 1
name: NAME
cluster: { url: '${SEGUE_CLUSTER}' }
source: { index: 'PREFIXday-{n}', match: { n: '\d+' } }
target: { index: '{source}-v2' }
";

#[test]
fn a_migration_shows_how_far_each_part_is_read() {
    let engine = Engine::get();
    let prefix = engine.prefix("marks");
    make_index(&engine, &prefix.name("day-1"), 2, 30);
    make_index(&engine, &prefix.name("day-2"), 1, 20);
    let recipe = Recipe::new(&engine, &prefix, RECIPE);
    let shown = |more: &[&str]| {
        let shown = recipe.command("bookmarks", &["--json"]).args(more).run().expect(0).json();
        shown["parts"].as_array().unwrap().clone()
    };
    assert_eq!(shown(&[]), [""; 0], "nothing has begun");
    recipe.command("verify", &["--yes", "--json"]).run().expect(0);
    let parts = shown(&[]);
    let read = |part: &serde_json::Value| {
        let shards = part["shards"].as_array().unwrap();
        let read = |at: &serde_json::Value| at["read"].as_u64().unwrap();
        (shards.len(), shards.iter().map(read).sum::<u64>())
    };
    assert_eq!(parts.iter().map(read).collect::<Vec<_>>(), [(2, 30), (1, 20)], "{parts:?}");
    let one = shown(&["--only", "n=2"]);
    assert_eq!((one.len(), &one[0]["shards"][0]["position"]), (1, &json!(19)), "{one:?}");
    let ended = recipe.command("bookmarks", &["clear", "--all", "--yes"]).run().expect(2);
    assert!(ended.stderr.contains("segue abandon"), "{}", ended.stderr);
    assert_eq!(shown(&[]), parts);
}
