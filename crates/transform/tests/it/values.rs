//! Steps that rewrite single values.

use proptest::prelude::*;

use crate::stage::{Became, stage};

#[track_caller]
fn table(pipeline: &str, rows: &[(&str, &str)]) {
    let mut stage = stage(pipeline, &[]);
    for (source, expected) in rows {
        assert_eq!(stage.written(source), *expected, "{pipeline}{source}");
    }
}

#[track_caller]
fn refusals(pipeline: &str, rows: &[(&str, &str)]) {
    let mut stage = stage(pipeline, &[]);
    for (source, said) in rows {
        let reason = stage.refused(source);
        assert!(reason.contains(said), "{pipeline}{source}: {reason}");
    }
}

#[test]
fn dates_are_read_and_written() {
    let t = |from: &str, rest: &str, given: &str, expected: &str| {
        let pipeline = format!("  - date: {{ t: {{ from: {from}{rest} }} }}\n");
        let source = format!(r#"{{"x":1.0,"t": {given} ,"y":[1e3]}}"#);
        let expected = format!(r#"{{"x":1.0,"t": {expected} ,"y":[1e3]}}"#);
        table(&pipeline, &[(&source, &expected)]);
    };
    let iso = r#""2025-06-01T00:00:00.000Z""#;
    t("iso", "", r#""2025-06""#, iso);
    t("iso", "", r#""2025-06-01T02:00+02:00""#, iso);
    t("iso", "", r#""2025-06-01T02:00:00,000+0200""#, iso);
    t("iso", ", zone: '+02:00'", r#""2025-06-01T02:00""#, iso);
    t("iso", ", to_zone: '-05:30'", r#""2025-06-01""#, r#""2025-05-31T18:30:00.000-05:30""#);
    t("iso", "", r#""2025-06-01T00:00:00.123456789Z""#, r#""2025-06-01T00:00:00.123456789Z""#);
    t("iso", "", r#""2025-06-01T00:00:00.1234Z""#, r#""2025-06-01T00:00:00.123400Z""#);
    t("iso", "", r#""2024-02-29T23:59:59Z""#, r#""2024-02-29T23:59:59.000Z""#);
    t("iso", ", to: epoch_millis", r#""1969-12-31T23:59:59.999Z""#, "-1");
    t("iso", ", to: epoch_second", r#""2025-06-01""#, "1748736000");
    t("epoch_millis", "", "1748736000000", iso);
    t("epoch_millis", "", r#""1748736000000""#, iso);
    t("epoch_millis", "", "1748736000000.000001", r#""2025-06-01T00:00:00.000000001Z""#);
    t("epoch_second", "", "1.748736e9", iso);
    t("epoch_second", "", "-0.5", r#""1969-12-31T23:59:59.500Z""#);
    t("[iso, epoch_millis]", "", "1748736000000", iso);
    t("dd/MM/yyyy", "", r#""01/06/2025""#, iso);
    t("d.M.yyyy", "", r#""1.6.2025""#, iso);
    t("yyyyMMddHHmmssSSS", "", r#""20250601000000000""#, iso);
    t("\"dd/MMM/yyyy:HH:mm:ss Z\"", "", r#""01/jun/2025:02:00:00 +0200""#, iso);
    t("\"EEE, dd MMM yyyy HH:mm:ss XXX\"", "", r#""Sun, 01 Jun 2025 00:00:00 Z""#, iso);
    t("\"yyyy-MM-dd hh:mm a\"", "", r#""2025-06-01 12:00 AM""#, iso);
    t("iso", ", to: \"h a, EEEE d MMMM yyyy\"", iso, r#""12 AM, Sunday 1 June 2025""#);
    t("iso", ", to: \"yyyy-MM-dd'T'HH:mm:ssxx\"", iso, r#""2025-06-01T00:00:00+0000""#);
    t("iso", "", "null", "null");
    t("iso", ", to: yyyy", r#"["2024","2025-06",null]"#, r#"["2024","2025",null]"#);
    table("  - date: { t: { from: iso } }\n", &[(r#"{"x":1.0}"#, r#"{"x":1.0}"#)]);
    table(
        "  - date: { \"a[].t\": { from: iso, to: epoch_millis } }\n",
        &[(r#"{"a":[{"t":"1970"},{"u":1.0}]}"#, r#"{"a":[{"t":0},{"u":1.0}]}"#)],
    );
}

#[test]
fn texts_that_are_no_dates_are_refused() {
    for (from, given) in [
        ("iso", r#""2025-02-29""#),
        ("iso", r#""2025-6-1""#),
        ("iso", r#""2025-06-01T24:00""#),
        ("iso", r#""2025-06-01T00:00:60Z""#),
        ("iso", r#""2025-06-01T00:00:00.1234567891Z""#),
        ("iso", r#""2025-06-01 00:00""#),
        ("iso", r#""2025-06-01T00:00Europe""#),
        ("iso", r#""٢٠٢٥-06""#),
        ("iso", r#""""#),
        ("iso", "true"),
        ("iso", r#""2025\ud800""#),
        ("epoch_millis", r#""2025-06-01""#),
        ("epoch_millis", "1e300"),
        ("epoch_millis", "0.0000001"),
        ("\"EEE d MMM yyyy\"", r#""Mon 1 Jun 2025""#),
        ("\"hh a yyyy\"", r#""13 AM 2025""#),
        ("dd/MM/yyyy", r#""01/06/2025x""#),
    ] {
        let source = format!(r#"{{"t":{given}}}"#);
        let pipeline = format!("  - date: {{ t: {{ from: {from} }} }}\n");
        refusals(&pipeline, &[(&source, "field `t`: "), (&source, "no point in time in any")]);
    }
    let pipeline = "  - date: { t: { from: iso, to: epoch_second } }\n";
    refusals(
        pipeline,
        &[
            (r#"{"t":"2025-06-01T00:00:00.5Z"}"#, "can't be written in the other format"),
            (r#"{"t":{"a":1}}"#, "an object isn't a point in time"),
        ],
    );
    let early = "  - date: { t: { from: iso, to_zone: '-01:00' } }\n";
    refusals(early, &[(r#"{"t":"0000-01-01"}"#, "can't be written")]);
}

#[test]
fn texts_are_split_and_joined() {
    table(
        "  - split: { a: ',', b.c: { by: '; ', trim: true, skip_empty: true } }\n",
        &[
            (r#"{"a":"x,y,,z ","n":1.0}"#, r#"{"a":["x","y","","z "],"n":1.0}"#),
            (r#"{"a":""}"#, r#"{"a":[""]}"#),
            (r#"{"a":"\u00e9,\"\n"}"#, r#"{"a":["é","\"\n"]}"#),
            (r#"{"a":["x,y",null,"z"]}"#, r#"{"a":["x","y","z"]}"#),
            (r#"{"a":null,"b":{"c":" x ; ; y; "}}"#, r#"{"a":null,"b":{"c":["x","y"]}}"#),
            (r#"{"b":{"c":""}}"#, r#"{"b":{"c":[]}}"#),
        ],
    );
    refusals(
        "  - split: { a: ',' }\n",
        &[
            (r#"{"a":5}"#, "field `a`: 5 can't be split: not text"),
            (r#"{"a":{}}"#, "not text"),
            (r#"{"a":["x",1]}"#, "not text"),
            (r#"{"a":"x,\ud800"}"#, "half of a surrogate pair"),
        ],
    );
    table(
        "  - join: { a: ', ', \"b[].c\": '' }\n",
        &[
            (r#"{"a":["x","\u0079\"",1.50,true,null]}"#, r#"{"a":"x, y\", 1.50, true"}"#),
            (r#"{"a":[]}"#, r#"{"a":""}"#),
            (r#"{"a":"\u0078"}"#, r#"{"a":"\u0078"}"#),
            (r#"{"a":1e3}"#, r#"{"a":"1e3"}"#),
            (r#"{"a":null}"#, r#"{"a":null}"#),
            (r#"{"b":[{"c":["x","y"]},{}]}"#, r#"{"b":[{"c":"xy"},{}]}"#),
        ],
    );
    refusals(
        "  - join: { a: ',' }\n",
        &[
            (r#"{"a":[{}]}"#, "field `a`: {} can't be joined: not a single value"),
            (r#"{"a":[["x"]]}"#, "not a single value"),
            (r#"{"a":{}}"#, "not a single value"),
            (r#"{"a":["\ud800"]}"#, "half of a surrogate pair"),
        ],
    );
}

#[test]
fn values_come_from_a_table() {
    let pairs = "values: { a: alpha, '1': { n: 1 }, 'true': ~ }";
    let with = |rest: &str| format!("  - map: {{ k: {{ {pairs}{rest} }} }}\n");
    table(
        &with(""),
        &[
            (r#"{"k":"\u0061","x":1.0}"#, r#"{"k":"alpha","x":1.0}"#),
            (r#"{"k":1}"#, r#"{"k":{"n":1}}"#),
            (r#"{"k":"1"}"#, r#"{"k":{"n":1}}"#),
            (r#"{"k":[true,"a"]}"#, r#"{"k":[null,"alpha"]}"#),
            (r#"{"k":null}"#, r#"{"k":null}"#),
            ("{}", "{}"),
        ],
    );
    refusals(
        &with(""),
        &[(r#"{"k":"b"}"#, "field `k`: \"b\" isn't in the table"), (r#"{"k":1.0}"#, "1.0")],
    );
    table(&with(", otherwise: keep"), &[(r#"{"k":1.00}"#, r#"{"k":1.00}"#)]);
    table(&with(", default: other"), &[(r#"{"k":["b",1]}"#, r#"{"k":["other",{"n":1}]}"#)]);
}

#[test]
fn defaults_fill_what_is_absent_or_null() {
    table(
        "  - default: { a: [1.5], b.c: x }\n",
        &[
            (r#"{ "x" : 1.0 }"#, r#"{ "x" : 1.0 ,"b":{"c":"x"},"a":[1.5]}"#),
            (r#"{"a": null ,"b":{"c":null,"d":1e3}}"#, r#"{"a": [1.5] ,"b":{"c":"x","d":1e3}}"#),
            (r#"{"a":false,"b":{"c":""}}"#, r#"{"a":false,"b":{"c":""}}"#),
            (r#"{"\u0061":0,"b":{"\u0063":0}}"#, r#"{"\u0061":0,"b":{"\u0063":0}}"#),
        ],
    );
    // A default that a later step asks for is there.
    table("  - default: { a: 1 }\n  - rename: { a: b }\n", &[("{}", r#"{"b":1}"#)]);
    table(
        "  - copy: { a: doc.x }\n  - default: { a: 7 }\n",
        &[("{}", r#"{"a":7}"#), (r#"{"x":1.0}"#, r#"{"x":1.0,"a":1.0}"#)],
    );
    refusals("  - default: { b.c: 1 }\n", &[(r#"{"b":5}"#, "field `b.c`: `c` can't be set")]);
}

#[test]
fn texts_are_cut_between_characters() {
    table(
        "  - truncate: { t: 2 }\n",
        &[
            (r#"{"t":"abc","x":1.0}"#, r#"{"t":"ab","x":1.0}"#),
            (r#"{"t":"ab"}"#, r#"{"t":"ab"}"#),
            (r#"{"t":"é€😀"}"#, r#"{"t":"é€"}"#),
            (r#"{"t":"\u00e9\n\""}"#, r#"{"t":"\u00e9\n"}"#),
            (r#"{"t":"a\ud83d\ude00b"}"#, r#"{"t":"a\ud83d\ude00"}"#),
            (r#"{"t":"\ud83dab"}"#, r#"{"t":"\ud83da"}"#),
            (r#"{"t":["abc",12345,null,"\\\\\\"]}"#, r#"{"t":["ab",12345,null,"\\\\"]}"#),
            (r#"{"t":[ "a", 1.0 ]}"#, r#"{"t":[ "a", 1.0 ]}"#),
            (r#"{"t":12345}"#, r#"{"t":12345}"#),
            (r#"{"t":{"t":"abc"}}"#, r#"{"t":{"t":"abc"}}"#),
        ],
    );
    table("  - truncate: { t: 0 }\n", &[(r#"{"t":"abc"}"#, r#"{"t":""}"#)]);
}

proptest! {
    /// Against characters as the language counts them, in every spelling.
    #[test]
    fn a_cut_text_is_the_beginning_of_the_text(text in "\\PC{0,12}", escaped in any::<bool>()) {
        let raw = if escaped {
            let units = text.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
            format!("\"{}\"", units.collect::<String>())
        } else {
            serde_json::to_string(&text).unwrap()
        };
        let mut stage = stage("  - truncate: { t: 5 }\n", &[]);
        let out: serde_json::Value = serde_json::from_str(&stage.written(&format!("{{\"t\":{raw}}}"))).unwrap();
        prop_assert_eq!(out["t"].as_str().unwrap(), text.chars().take(5).collect::<String>());
    }

    #[test]
    fn what_was_split_can_be_joined_again(parts in proptest::collection::vec("[^,\\x00-\\x1f]{0,5}", 1..6)) {
        let text = parts.join(",");
        let source = format!("{{\"n\":1.10,\"t\":{}}}", serde_json::to_string(&text).unwrap());
        let mut there = stage("  - split: { t: ',' }\n", &[]);
        let split = there.written(&source);
        let list: serde_json::Value = serde_json::from_str(&split).unwrap();
        prop_assert_eq!(&list["t"], &serde_json::json!(parts));
        let mut back = stage("  - join: { t: ',' }\n", &[]);
        let joined = back.written(&split);
        let start = "{\"n\":1.10,\"t\":";
        prop_assert!(joined.starts_with(start), "{}", joined);
        let joined: serde_json::Value = serde_json::from_str(&joined).unwrap();
        prop_assert_eq!(joined["t"].as_str().unwrap(), text);
    }

    /// Writing and reading again gives the same moment, whatever the offset.
    #[test]
    fn dates_go_there_and_back(millis in -62_000_000_000_000_i64..253_000_000_000_000, zone in -1080..=1080_i32) {
        let sign = if zone < 0 { '-' } else { '+' };
        let zone = format!("{sign}{:02}:{:02}", zone.abs() / 60, zone.abs() % 60);
        let format = "yyyy-MM-dd HH.mm.ss.SSS";
        let there = format!("  - date: {{ t: {{ from: epoch_millis, to: {format}, to_zone: '{zone}' }} }}\n");
        let back = format!("  - date: {{ t: {{ from: {format}, to: epoch_millis, zone: '{zone}' }} }}\n");
        let text = stage(&there, &[]).written(&format!("{{\"t\":{millis}}}"));
        prop_assert_eq!(stage(&back, &[]).run(&text), Became::Written(format!("{{\"t\":{millis}}}")));
    }
}
