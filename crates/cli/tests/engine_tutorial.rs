//! The tutorial is what happens: its commands are carried out on an engine, its edits made, and what comes
//! out is what the page shows.
//!
//! `SEGUE_TUTORIAL=write` writes the outputs into the page; the words between them are written by hand.

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

mod common;
mod tutorial;

use common::blocked;
use segue_testkit::{Engine, content};
use tutorial::{Page, Stage, shop};

const PAGE: &str = "../../docs/tutorial.md";

#[test]
fn the_tutorial_is_what_happens() {
    let engine = Engine::get();
    let prefix = engine.prefix("tutorial");
    shop::make(&engine, &prefix);
    let before = content(&engine, &prefix.name("shop"));
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let text = std::fs::read_to_string(&file).unwrap();
    let page = Page::parse(&text);
    let stage = Stage::new(&engine, &prefix);
    let lived = page.live(&stage);

    // What the page claims beyond what it shows.
    let now = content(&engine, &prefix.name("shop"));
    assert!(now.len() > before.len(), "the tutorial writes documents of its own");
    for (id, document) in &before {
        let kept = now.get(id).unwrap_or_else(|| panic!("{id} is lost"));
        assert_eq!(kept.routing, document.routing, "{id}");
    }
    assert_eq!(blocked(&engine, prefix.as_str()), [""; 0], "blocked");
    let left = engine.json.get(&format!("/*{}*?expand_wildcards=all", prefix.as_str()));
    let left: Vec<_> = left.as_object().unwrap().keys().collect();
    assert_eq!(left, [&prefix.name("shop-v3")], "one index is left");

    if std::env::var("SEGUE_TUTORIAL").is_ok_and(|wish| wish == "write") {
        std::fs::write(&file, lived.text()).unwrap();
        return;
    }
    let differences = lived.differences();
    assert!(
        differences.is_empty(),
        "{}\n\nIs that wanted? SEGUE_TUTORIAL=write cargo test -p segue --test engine_tutorial",
        differences.join("\n\n")
    );
}
