use std::collections::BTreeMap;

use super::*;
use crate::recipe::Recipe;

fn steps(pipeline: &str) -> Vec<Step> {
    let text = format!(
        "segue: 1\nname: n\ncluster: {{ url: 'http://localhost:9200' }}\nsource: {{ index: a }}\n\
         target: {{ index: b }}\npipeline:\n{pipeline}\n"
    );
    match Recipe::parse(&text, "r.yaml", &BTreeMap::new(), &|_| None) {
        Ok(recipe) => recipe.pipeline,
        Err(error) => panic!("{error}\n{text}"),
    }
}

/// Removals and renamings, as short text.
fn spelled(reverse: &Reverse) -> Vec<String> {
    let steps = reverse.steps.iter().map(|step| match step {
        Step::Remove(remove) => format!("-{}", remove.fields[0]),
        Step::Rename(rename) => format!("{}>{}", rename.fields[0].0, rename.fields[0].1),
        other => format!("{other:?}"),
    });
    steps.collect()
}

const LOOKUP: &str = "  - lookup: { index: l, key: k, match: id, as: row }\n";

#[test]
fn what_was_added_goes_and_what_was_renamed_comes_back() {
    // The old index knows: k, old, a (an object) with a.x.
    let known = |field: &str| ["k", "old", "a", "a.x"].contains(&field);
    let copy = format!("{LOOKUP}  - copy: {{ title: row.title, n.m: row.n }}");
    let table: [(&str, &[&str], &[&str]); 25] = [
        ("  []", &[], &[]),
        ("  - set: { schema: 2 }", &["-schema"], &[]),
        (&copy, &["-n", "-title"], &[]),
        ("  - rename: { old: new }", &["new>old"], &[]),
        ("  - rename: { old: x.y }", &["x.y>old", "-x"], &[]),
        ("  - rename: { old: a.y }", &["a.y>old"], &[]),
        ("  - set: { a.y: 1 }", &["-a.y"], &[]),
        ("  - set: { b.c: 1, b.d: 2 }", &["-b.d", "-b"], &[]),
        ("  - rename: { old: b.c }\n  - set: { b.d: 2 }", &["-b.d", "b.c>old", "-b"], &[]),
        ("  - rename: { old: new }\n  - set: { old: 1 }", &["-old", "new>old"], &[]),
        ("  - set: { tmp: 1 }\n  - rename: { tmp: t }", &["t>tmp", "-tmp"], &[]),
        ("  - set: { tmp: 1 }\n  - remove: tmp", &["-tmp"], &[]),
        ("  - set: { t: '1' }\n  - convert: { t: long }", &["-t"], &[]),
        ("  - set: { old: 1 }", &[], &["old (overwritten: keeps the pipeline's value)"]),
        (
            "  - rename: { old: new }\n  - set: { new: 1 }",
            &["new>old"],
            &["new (overwritten: keeps the pipeline's value)"],
        ),
        ("  - remove: old", &[], &["old (removed: documents written after the switch lack it)"]),
        ("  - convert: { old: long }", &[], &["old (converted: keeps the type long)"]),
        (
            "  - set: { s: 1 }\n  - script: 'doc.x = 1'",
            &["-s"],
            &["what a script changes: it stays as the script left it"],
        ),
        ("  - default: { old: 1 }", &[], &["old (filled: keeps its default)"]),
        ("  - default: { b.c: 1 }", &["-b"], &[]),
        ("  - set: { t: x }\n  - default: { t: 1 }", &["-t"], &[]),
        ("  - split: { old: ',' }", &[], &["old (rewritten by split: keeps its new form)"]),
        ("  - set: { t: x }\n  - truncate: { t: 1 }", &["-t"], &[]),
        (
            "  - rename: { old: new }\n  - date: { new: { from: iso } }",
            &["new>old"],
            &["new (rewritten by date: keeps its new form)"],
        ),
        (
            "  - filter: { drop_if: { field: k, equals: 1 }, reason: robots }\n  - set: { s: 1 }",
            &["-s"],
            &["documents left out (robots): they stay as they were at the switch"],
        ),
    ];
    for (pipeline, expected, lost) in table {
        let pipeline = if pipeline == "  []" { Vec::new() } else { steps(pipeline) };
        let reverse = Reverse::of(&pipeline, &known);
        assert_eq!(spelled(&reverse), expected, "{pipeline:?}");
        let told: Vec<_> = reverse.lost.iter().map(ToString::to_string).collect();
        assert_eq!(told, lost, "{pipeline:?}");
    }
}

#[test]
fn losses_stand_in_the_order_of_the_pipeline() {
    let pipeline = steps(
        "  - remove: [a, b]\n  - lookup: { index: l, key: k, match: id, as: r, on_missing: filter }",
    );
    let reverse = Reverse::of(&pipeline, &|_| true);
    let told: Vec<_> = reverse.lost.iter().map(ToString::to_string).collect();
    assert!(told[0].starts_with("a ") && told[1].starts_with("b "), "{told:?}");
    assert!(told[2].contains("lookup `r` has no row"), "{told:?}");
}
