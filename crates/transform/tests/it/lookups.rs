//! Lookups: what rows bring, and what happens without one.

use segue_transform::{Document, Error, Program};

use crate::stage::{Became, stage, stage_of, steps};

const ROWS: &[&str] = &[
    r#"{"id":"r1","m":{"t":1.0,"l":[{"a":[{"n":"x","q":1},{"n":"y"}]},{"a":null},{"a":{"n":"z"}}]},"big":12345678901234567890123}"#,
    "{\n  \"id\" : \"r2\",\n  \"m\" : {\n \"t\" : [ 1,\n 2 ] } }",
    r#"{"id":3,"m":{"t":null}}"#,
    r#"{"m":{"t":"no key"}}"#,
];

fn lookup(more: &str) -> String {
    format!("  - lookup: {{ index: rows, key: k.id, match: id, as: row{more} }}\n")
}

#[test]
fn values_are_copied_as_they_are_spelled() {
    let copy = "  - copy: { t: row.m.t, names: \"row.m.l[].a[].n\", a: { from: \"row.m.l[].a[]\", pick: [n] }, \
                big: row.big, gone: row.x.y, d: { from: row.x, default: { none: 1 } }, ds: { from: \"row.x[]\", default: [0] } }\n";
    let mut stage = stage(&format!("{}{copy}", lookup("")), &[ROWS]);
    for (source, expected) in [
        (
            r#"{"k":{"id":"r1"}}"#,
            r#"{"k":{"id":"r1"},"t":1.0,"names":["x","y","z"],"a":[{"n":"x"},{"n":"y"},{"n":"z"}],"big":12345678901234567890123,"gone":null,"d":{"none":1},"ds":[0]}"#,
        ),
        (
            r#"{"k":{"id":"\u00722"}}"#,
            r#"{"k":{"id":"\u00722"},"t":[ 1,  2 ],"names":[],"a":[],"big":null,"gone":null,"d":{"none":1},"ds":[0]}"#,
        ),
        (
            r#"{"k":{"id":"3"},"t":1,"x":2.0}"#,
            r#"{"k":{"id":"3"},"t":null,"x":2.0,"names":[],"a":[],"big":null,"gone":null,"d":{"none":1},"ds":[0]}"#,
        ),
    ] {
        // Twice: the second time from the cache.
        assert_eq!(stage.written(source), expected);
        assert_eq!(stage.written(source), expected);
    }
}

#[test]
fn documents_without_a_row_go_where_the_recipe_says() {
    let copy = "  - copy: { t: row.m.t, l: \"row.m.l[]\", d: { from: row.m.t, default: 5 } }\n";
    for (mode, expected) in [
        ("keep", Ok(r#","t":null,"l":[],"d":5}"#)),
        ("filter", Err(Became::Filtered("lookup `row` has no row".to_owned()))),
        ("dead_letter", Err(Became::Refused(String::new()))),
    ] {
        let mut stage =
            stage(&format!("{}{copy}", lookup(&format!(", on_missing: {mode}"))), &[ROWS]);
        for (source, key) in [
            (r#"{"k":{"id":"nobody"}}"#, "nobody"),
            (r#"{"k":{"id":null}}"#, "(none)"),
            (r#"{"k":{"id":["r1"]}}"#, "(none)"),
            (r#"{"k":5}"#, "(none)"),
            (r#"{"x":1}"#, "(none)"),
        ] {
            for _ in 0..2 {
                match (&expected, stage.run(source)) {
                    (Ok(tail), Became::Written(text)) => {
                        assert_eq!(text, format!("{}{tail}", source.strip_suffix('}').unwrap()));
                    }
                    (Err(Became::Refused(_)), Became::Refused(reason)) => {
                        assert_eq!(reason, format!("lookup `row` has no row for k.id `{key}`"));
                    }
                    (Err(expected), got) => assert_eq!(&got, expected),
                    (Ok(_), got) => panic!("{got:?}"),
                }
            }
        }
        assert!(matches!(stage.run(r#"{"k":{"id":"r1"}}"#), Became::Written(_)));
    }
}

#[test]
fn a_path_into_a_list_says_so_or_is_refused() {
    let mut stage = stage(&format!("{}  - copy: {{ a: row.m.l.a }}\n", lookup("")), &[ROWS]);
    for _ in 0..2 {
        let reason = stage.refused(r#"{"k":{"id":"r1"}}"#);
        assert_eq!(
            reason,
            "copy of `a` from row.m.l.a: row.m.l is a list here (`[]` goes into it)"
        );
    }
    assert_eq!(stage.written(r#"{"k":{"id":"3"}}"#), r#"{"k":{"id":"3"},"a":null}"#);
}

#[test]
fn several_rows_are_sorted_and_cut() {
    let rows: &[&str] = &[
        r#"{"id":"a","t":"2024-02-01","n":2}"#,
        r#"{"id":"a","t":"2024-01-01","n":10}"#,
        r#"{"id":"b","t":"2023","n":1}"#,
        r#"{"id":"a","n":null,"t":"2024-03-01"}"#,
        r#"{"id":"a","t":"2024-02-01","n":1e0}"#,
    ];
    let copy = "  - copy: { ts: \"row[].t\", all: row }\n  - remove: all\n";
    for (multiple, expected) in [
        ("{ sort: t }", vec!["2024-01-01", "2024-02-01", "2024-02-01", "2024-03-01"]),
        ("{ sort: t, order: desc, limit: 2 }", vec!["2024-03-01", "2024-02-01"]),
        ("{ sort: n }", vec!["2024-02-01", "2024-02-01", "2024-01-01", "2024-03-01"]),
        ("{ sort: n, order: desc, limit: 3 }", vec!["2024-01-01", "2024-02-01", "2024-02-01"]),
        ("{ sort: t, limit: 1 }", vec!["2024-01-01"]),
    ] {
        let pipeline = format!("{}{copy}", lookup(&format!(", multiple: {multiple}")));
        let expected = expected.iter().map(|t| format!("\"{t}\"")).collect::<Vec<_>>().join(",");
        let expected = format!("{{\"k\":{{\"id\":\"a\"}},\"ts\":[{expected}]}}");
        for turn in 0..rows.len() {
            let turned: Vec<&str> = rows[turn..].iter().chain(&rows[..turn]).copied().collect();
            let mut stage = stage(&pipeline, &[&turned]);
            assert_eq!(stage.written(r#"{"k":{"id":"a"}}"#), expected, "{multiple} {turn}");
            assert_eq!(stage.written(r#"{"k":{"id":"c"}}"#), r#"{"k":{"id":"c"},"ts":[]}"#);
        }
    }
}

#[test]
fn one_row_means_one_row() {
    let rows: &[&str] = &[r#"{"id":1}"#, r#"{"id":"1"}"#];
    let error = stage_of(&steps(&lookup("")), &[rows]).err().unwrap();
    assert!(matches!(error, Error::Ambiguous { rows: 2, .. }), "{error}");
}

#[test]
fn a_lookup_can_follow_a_lookup() {
    let pipeline = "
  - lookup: { index: a, key: k, match: id, as: one }
  - copy: { next: one.next }
  - lookup: { index: b, key: next, match: id, as: two }
  - copy: { name: two.name, both: { from: [one.x, two.x] }, in.ner: two.name }
";
    let one: &[&str] = &[r#"{"id":1,"next":"n","x":[1]}"#];
    let two: &[&str] = &[r#"{"id":"n","name":"N","x":2.0}"#];
    let mut stage = stage(pipeline, &[one, two]);
    // What no later step asks for stands at the end, whatever the order of the recipe.
    assert_eq!(
        stage.written(r#"{"k":1}"#),
        r#"{"k":1,"next":"n","both":[[1],2.0],"in":{"ner":"N"},"name":"N"}"#
    );
    assert_eq!(
        stage.written(r#"{"k":2}"#),
        r#"{"k":2,"next":null,"both":[],"in":{"ner":null},"name":null}"#
    );
}

#[test]
fn the_spec_names_what_is_needed_and_no_more() {
    let includes = |pipeline: &str| {
        let program = Program::compile(&steps(pipeline)).unwrap();
        program.lookups()[0].includes().to_vec()
    };
    let copy = "  - copy: { a: row.m.t, b: { from: \"row.l[].p\", pick: [x, y.z] }, c: [\"row.m\", \"row.q:r.s[]\"], d: doc.e }\n";
    let expected = ["id", "l.p.x", "l.p.y.z", "m", "q:r.s"];
    assert_eq!(includes(&format!("{}{copy}", lookup(""))), expected);
    assert_eq!(includes(&lookup(", multiple: { sort: at.t }")), ["at.t", "id"]);
    assert!(includes(&format!("{}  - copy: {{ a: row }}\n", lookup(""))).is_empty());
}

#[test]
fn views_and_lookups_must_fit() {
    let steps_a = steps(&lookup(""));
    let program = |steps: &[_]| Program::compile(steps).unwrap();
    assert!(matches!(
        program(&steps_a).bind(Vec::new()),
        Err(Error::Views { lookups: 1, views: 0 })
    ));
    let other = stage(&format!("{}  - copy: {{ a: row.b }}\n", lookup("")), &[ROWS]);
    let bound = program(&steps_a).bind(other.views);
    assert!(matches!(bound, Err(Error::OtherLookup { .. })));
}

#[test]
fn every_worker_writes_the_same_bytes_with_and_without_cache() {
    let rows: Vec<String> = (0..500).map(|n| format!("{{\"id\":{n},\"v\":[{n}.0]}}")).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let pipeline = steps(
        "  - lookup: { index: r, key: k, match: id, as: row }\n  - copy: { v: \"row.v[]\" }\n",
    );
    let first = stage_of(&pipeline, &[&rows]).unwrap();
    let bind = |bytes| {
        let program = Program::compile(&pipeline).unwrap();
        program.bind_with_cache(first.views.clone(), bytes).unwrap()
    };
    for bound in [bind(0), bind(20_000), bind(16 << 20)] {
        std::thread::scope(|scope| {
            for lane in 0..4_usize {
                let mut worker = bound.worker();
                scope.spawn(move || {
                    for at in 0..2_000_usize {
                        let key = (at * (lane + 3)) % 600;
                        let source = format!("{{\"k\":{key}}}");
                        let mut out = Vec::new();
                        let document =
                            Document { id: "1", routing: None, source: source.as_bytes() };
                        worker.apply(document, &mut out).unwrap();
                        let value = if key < 500 { format!("{key}.0") } else { String::new() };
                        assert_eq!(out, format!("{{\"k\":{key},\"v\":[{value}]}}").into_bytes());
                    }
                });
            }
        });
    }
}
