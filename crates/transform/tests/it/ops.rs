//! Steps that change what is there.

use crate::stage::{Became, stage};

#[track_caller]
fn table(pipeline: &str, rows: &[(&str, &str)]) {
    let mut stage = stage(pipeline, &[]);
    for (source, expected) in rows {
        assert_eq!(stage.written(source), *expected, "{pipeline}{source}");
    }
}

#[test]
fn remove() {
    table(
        "  - remove: [a, b.c, \"d[].e\"]\n",
        &[
            (r#"{"a":1,"x":1.0}"#, r#"{"x":1.0}"#),
            (r#"{"x":1.0,"a":1}"#, r#"{"x":1.0}"#),
            (r#"{"a":1}"#, "{}"),
            (r#"{ "a":1 }"#, "{}"),
            (r#"{ "y":[ 1.0 ] , "a":1 , "x": 2 }"#, r#"{ "y":[ 1.0 ] , "x": 2 }"#),
            (r#"{"a":1,"x":2,"a":3}"#, r#"{"x":2}"#),
            (r#"{"b":{"c":1,"k":1e3}}"#, r#"{"b":{"k":1e3}}"#),
            (r#"{"b":{"c":1}}"#, r#"{"b":{}}"#),
            (r#"{"b":5,"d":{"e":1,"f":2}}"#, r#"{"b":5,"d":{"f":2}}"#),
            (r#"{"d":[{"e":1,"f":2.0},7,{"e":3}]}"#, r#"{"d":[{"f":2.0},7,{}]}"#),
            (r#"{"x":{"a":1}}"#, r#"{"x":{"a":1}}"#),
        ],
    );
    let reason = stage("  - remove: b.c\n", &[]).refused(r#"{"b":[{"c":1}]}"#);
    assert_eq!(reason, "field `b.c`: `c` is inside a list here (`[]` goes into it)");
}

#[test]
fn rename() {
    table(
        "  - rename: { a: b, c.d: e, f: g.h, k.l: k.m }\n",
        &[
            (r#"{ "x":1.0, "a" : 1e3 , "y":2}"#, r#"{ "x":1.0, "b" : 1e3 , "y":2}"#),
            (r#"{"a":null}"#, r#"{"b":null}"#),
            (r#"{"c":{"d":1.0,"z":2}}"#, r#"{"c":{"z":2},"e":1.0}"#),
            (r#"{"f":[1.0],"x":0}"#, r#"{"x":0,"g":{"h":[1.0]}}"#),
            (r#"{"f":1,"g":{"z":2}}"#, r#"{"g":{"z":2,"h":1}}"#),
            (r#"{"k":{"l":1.0,"z":2}}"#, r#"{"k":{"z":2,"m":1.0}}"#),
            (r#"{"x":1}"#, r#"{"x":1}"#),
        ],
    );
    let mut stage = stage("  - rename: { a: b }\n", &[]);
    assert!(stage.refused(r#"{"a":1,"b":2}"#).contains("`a` can't become `b`"));
    assert_eq!(stage.written(r#"{"b":2}"#), r#"{"b":2}"#);
}

#[test]
fn set_below_the_top() {
    table(
        "  - set: { a.b: 1, \"c.d\": { e: [] } }\n",
        &[
            ("{}", r#"{"a":{"b":1},"c":{"d":{"e":[]}}}"#),
            (r#"{"a":{"b":0,"x":1.0}}"#, r#"{"a":{"b":1,"x":1.0},"c":{"d":{"e":[]}}}"#),
            (r#"{"a":null,"c":{}}"#, r#"{"a":{"b":1},"c":{"d":{"e":[]}}}"#),
        ],
    );
    let reason = stage("  - set: { a.b: 1 }\n", &[]).refused(r#"{"a":"text"}"#);
    assert_eq!(reason, "field `a.b`: `b` can't be set: it isn't in an object");
}

#[test]
fn convert() {
    table(
        "  - convert: { size: long, \"n[].v\": string }\n",
        &[
            (r#"{"size":1984949,"x":1.0}"#, r#"{"size":1984949,"x":1.0}"#),
            (r#"{"size":1984949.0,"x":1.0}"#, r#"{"size":1984949,"x":1.0}"#),
            (r#"{"size": "12" }"#, r#"{"size": 12 }"#),
            (r#"{"size":null}"#, r#"{"size":null}"#),
            (r#"{"n":[{"v":1.50},{"v":"y"},{}]}"#, r#"{"n":[{"v":"1.50"},{"v":"y"},{}]}"#),
            (r#"{"x":1}"#, r#"{"x":1}"#),
        ],
    );
    let reason = stage("  - convert: { size: long }\n", &[]).refused(r#"{"size":1.5}"#);
    assert_eq!(reason, "field `size`: 1.5 can't become long: it has a fraction");
}

#[test]
fn filters() {
    for (filter, source, goes) in [
        ("drop_if: { field: r, equals: true }", r#"{"r":true}"#, true),
        ("drop_if: { field: r, equals: true }", r#"{"r":"true"}"#, false),
        ("drop_if: { field: r, equals: true }", r#"{}"#, false),
        ("drop_if: { field: r, equals: 1 }", r#"{"r":1.0}"#, true),
        ("drop_if: { field: r, equals: 1 }", r#"{"r":10e-1}"#, true),
        ("drop_if: { field: r, equals: 1 }", r#"{"r":[0,1]}"#, true),
        ("drop_if: { field: r, equals: \"é\" }", r#"{"r":"\u00e9"}"#, true),
        ("drop_if: { field: a.b, in: [x, 2] }", r#"{"a":{"b":2}}"#, true),
        ("drop_if: { field: a.b, in: [x, 2] }", r#"{"a":{"b":"2"}}"#, false),
        ("drop_if: { field: \"a[].b\", in: [x] }", r#"{"a":[{"b":"y"},{"b":"x"}]}"#, true),
        ("drop_if: { field: \"a[].b\", in: [x] }", r#"{"a":[]}"#, false),
        ("keep_if: { field: r, in: [x] }", r#"{"r":"x"}"#, false),
        ("keep_if: { field: r, in: [x] }", r#"{}"#, true),
        ("drop_if: { field: r, exists: true }", r#"{"r":0}"#, true),
        ("drop_if: { field: r, exists: true }", r#"{"r":null}"#, false),
        ("drop_if: { field: r, missing: true }", r#"{"r":null}"#, true),
        ("drop_if: { field: r.s, missing: true }", r#"{"r":5}"#, true),
        ("drop_if: { field: r, missing: false }", r#"{"r":[]}"#, true),
    ] {
        let pipeline = format!("  - filter: {{ {filter}, reason: why }}\n");
        let expected = match goes {
            true => Became::Filtered("why".to_owned()),
            false => Became::Written(source.to_owned()),
        };
        assert_eq!(stage(&pipeline, &[]).run(source), expected, "{filter} {source}");
    }
}

#[test]
fn each_step_sees_what_the_ones_before_it_did() {
    let pipeline = "
  - set: { a: '7' }
  - convert: { a: long }
  - rename: { a: b }
  - copy: { c: doc.b, d: \"doc.l[].x\" }
  - remove: l
  - filter: { drop_if: { field: c, equals: 8 }, reason: no }
  - set: { e: 1 }
";
    table(
        pipeline,
        &[
            (r#"{"l":[{"x":1.0},{"x":2}],"z":1e1}"#, r#"{"z":1e1,"b":7,"c":7,"d":[1.0,2],"e":1}"#),
            (r#"{"a":1}"#, r#"{"b":7,"c":7,"d":[],"e":1}"#),
        ],
    );
}
