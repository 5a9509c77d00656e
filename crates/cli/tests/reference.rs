//! What is made from the commands is what the documentation holds.

#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

use std::path::PathBuf;

use segue_testkit::Segue;

fn segue(arguments: &[&str]) -> segue_testkit::Ended {
    Segue::new(env!("CARGO_BIN_EXE_segue")).args(arguments.iter().copied()).run().expect(0)
}

#[test]
fn the_reference_is_up_to_date() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/commands.md");
    let kept = std::fs::read_to_string(file).unwrap();
    let now = segue(&["reference"]).stdout;
    assert!(kept == now, "run: segue reference > docs/reference/commands.md");
}

#[test]
fn the_schema_of_recipes_is_up_to_date() {
    let file =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/recipe.schema.json");
    let kept = std::fs::read_to_string(&file).unwrap();
    let now = segue(&["recipe", "schema"]).stdout;
    assert!(kept == now, "run: segue recipe schema > docs/reference/recipe.schema.json");
    let of_roll_ups = file.with_file_name("rollup.schema.json");
    let kept = std::fs::read_to_string(of_roll_ups).unwrap();
    let now = segue(&["recipe", "schema", "--rollup"]).stdout;
    assert!(kept == now, "run: segue recipe schema --rollup > docs/reference/rollup.schema.json");
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let script = segue(&["completions", shell]).stdout;
        for verb in ["cutover", "rollback", "recipe"] {
            assert!(script.contains(verb), "{shell}: {verb}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    segue(&["man", &folder.path().to_string_lossy()]);
    for page in ["segue.1", "segue-run.1", "segue-recipe-new.1"] {
        let text = std::fs::read_to_string(folder.path().join(page)).unwrap();
        assert!(text.contains(".SH NAME"), "{page}");
    }
}
