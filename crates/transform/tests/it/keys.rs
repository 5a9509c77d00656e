//! Steps that make documents and their keys.

use std::collections::BTreeMap;

use proptest::prelude::*;
use segue_transform::{Document, Error, Made, Outcome, Worker};

use crate::stage::stage;

type Row<'a> = (&'a str, Option<&'a str>, &'a str);

/// What one document becomes: id, routing and source of each.
fn make(worker: &mut Worker, (id, routing, source): Row<'_>) -> Result<Vec<String>, String> {
    // What is in the buffers already must stay.
    let (mut out, mut made) = (b"before".to_vec(), Vec::<Made>::new());
    let document = Document { id, routing, source: source.as_bytes() };
    match worker.make(document, &mut out, &mut made).unwrap() {
        Outcome::Written => Ok(made
            .iter()
            .map(|one| {
                let source = std::str::from_utf8(&out[one.range.clone()]).unwrap();
                assert!(one.range.start >= "before".len());
                let routing = one.key.routing.as_deref().unwrap_or("-");
                format!("{} {routing} {source}", one.key.id)
            })
            .collect()),
        Outcome::Filtered { reason } => {
            assert_eq!((out.as_slice(), made.len()), (b"before".as_slice(), 0));
            Err(format!("filtered: {reason}"))
        }
        Outcome::Refused { reason } => {
            assert_eq!((out.as_slice(), made.len()), (b"before".as_slice(), 0));
            Err(reason)
        }
    }
}

#[track_caller]
fn table(pipeline: &str, rows: &[(Row<'_>, &[&str])]) {
    let mut stage = stage(pipeline, &[]);
    for (row, expected) in rows {
        assert_eq!(make(&mut stage.worker, *row).unwrap(), *expected, "{pipeline}{row:?}");
    }
}

#[track_caller]
fn refusals(pipeline: &str, rows: &[(Row<'_>, &str)]) {
    let mut stage = stage(pipeline, &[]);
    for (row, said) in rows {
        let reason = make(&mut stage.worker, *row).unwrap_err();
        assert!(reason.contains(said), "{pipeline}{row:?}: {reason}");
    }
}

#[test]
fn without_such_steps_a_document_keeps_its_key() {
    table("  - set: { a: 1 }\n", &[(("x", Some("r"), r#"{"b":2}"#), &[r#"x r {"b":2,"a":1}"#])]);
    assert!(!stage("  - set: { a: 1 }\n", &[]).worker.is_keyed());
}

#[test]
fn ids_and_routings_are_made_of_what_a_document_is_in_the_end() {
    let pipeline = "  - rename: { k: key }\n  - id: \"{_id}/{key}\"\n  - routing: \"{a.b}\"\n";
    table(
        pipeline,
        &[
            (
                ("x", None, r#" {"k": 1.50 ,"a":{"b":true}} "#),
                &[r#"x/1.50 true {"key": 1.50 ,"a":{"b":true}}"#],
            ),
            (
                ("x", None, r#"{"k":"ü\"","a":{"b":"r"}}"#),
                &[r#"x/ü" r {"key":"ü\"","a":{"b":"r"}}"#],
            ),
        ],
    );
    table("  - routing: none\n", &[(("x", Some("r"), "{}"), &["x - {}"])]);
    table("  - id: \"{_routing}-{_id}\"\n", &[(("x", Some("r"), "{}"), &["r-x r {}"])]);
    let long = format!(r#"{{"k":"{}"}}"#, "é".repeat(257));
    refusals(
        "  - id: \"{k}\"\n",
        &[
            (("x", None, "{}"), "the id needs a single value in `k`"),
            (("x", None, r#"{"k":null}"#), "single value"),
            (("x", None, r#"{"k":[1]}"#), "single value"),
            (("x", None, r#"{"k":{}}"#), "single value"),
            (("x", None, r#"{"k":""}"#), "the id would be empty"),
            (("x", None, &long), "514 bytes"),
        ],
    );
    refusals("  - id: \"{_routing}\"\n", &[(("x", None, "{}"), "the document has none")]);
}

#[test]
fn a_list_becomes_a_document_a_value() {
    let pipeline = "  - set: { before: 1 }\n  - explode: { field: tags, as: tag.id }\n  - set: { after: 2 }\n  - id: \"{_id}-{tag.id}\"\n";
    table(
        pipeline,
        &[
            (
                ("x", Some("r"), r#"{"tags": [ "a" , "b" ] ,"z":1.0}"#),
                &[
                    r#"x-a r {"z":1.0,"before":1,"tag":{"id":"a"},"after":2}"#,
                    r#"x-b r {"z":1.0,"before":1,"tag":{"id":"b"},"after":2}"#,
                ],
            ),
            // A single value is a list of one; null is no value; the same twice is one document.
            (("x", None, r#"{"tags":7}"#), &[r#"x-7 - {"before":1,"tag":{"id":7},"after":2}"#]),
            (
                ("x", None, r#"{"tags":["a",null,"a"]}"#),
                &[r#"x-a - {"before":1,"tag":{"id":"a"},"after":2}"#],
            ),
        ],
    );
    table(
        "  - explode: { field: m.l }\n  - id: \"{m.l.n}\"\n",
        &[(
            ("x", None, r#"{"m":{"o":0,"l":[{"n":1},{"n":2}]}}"#),
            &[r#"1 - {"m":{"o":0,"l":{"n":1}}}"#, r#"2 - {"m":{"o":0,"l":{"n":2}}}"#],
        )],
    );
    refusals(
        pipeline,
        &[
            (("x", None, "{}"), "filtered: `tags` has no value"),
            (("x", None, r#"{"tags":[]}"#), "filtered:"),
            (("x", None, r#"{"tags":[null]}"#), "filtered:"),
            (("x", None, r#"{"tags":["a"],"tag":5}"#), "`tag.id`"),
        ],
    );
    refusals(
        "  - explode: { field: l }\n  - id: \"{_id}\"\n  - routing: \"{l}\"\n",
        &[(("x", None, r#"{"l":[1,2]}"#), "two different documents made of it have the id `x`")],
    );
    refusals(
        "  - explode: { field: l, on_empty: dead_letter }\n  - id: \"{_id}\"\n",
        &[
            (("x", None, "{}"), "`l` has no value"),
            (("x", None, r#"{"l":[1,2]}"#), "two different documents made of it have the id `x`"),
            (("x", None, &format!(r#"{{"l":[{}1]}}"#, "1,".repeat(10_000))), "10001 values"),
        ],
    );
}

#[test]
fn what_ends_one_of_the_documents_ends_them_all() {
    let pipeline =
        "  - explode: { field: l }\n  - convert: { l: integer }\n  - id: \"{_id}-{l}\"\n";
    refusals(pipeline, &[(("x", None, r#"{"l":[1,"no"]}"#), "no")]);
    let pipeline = "  - explode: { field: l }\n  - filter: { drop_if: { field: l, equals: 2 }, reason: two }\n  - id: \"{l}\"\n";
    refusals(pipeline, &[(("x", None, r#"{"l":[1,2]}"#), "filtered: two")]);
}

#[test]
fn rows_come_before_it_and_their_values_with_each_document() {
    let pipeline = "  - lookup: { index: i, key: k, match: id, as: row }\n  - copy: { t: row.t }\n  - explode: { field: t }\n  - id: \"{t}\"\n";
    let mut stage = stage(pipeline, &[&[r#"{"id":1,"t":["a","b"]}"#]]);
    let made = make(&mut stage.worker, ("x", None, r#"{"k":1}"#)).unwrap();
    assert_eq!(made, [r#"a - {"k":1,"t":"a"}"#, r#"b - {"k":1,"t":"b"}"#]);
}

#[test]
fn where_a_document_has_to_keep_its_id_the_pipeline_stops() {
    let mut stage = stage("  - id: \"{k}\"\n", &[]);
    let document = Document { id: "x", routing: None, source: br#"{"k":1}"# };
    let stopped = stage.worker.apply(document, &mut Vec::new());
    assert!(matches!(stopped, Err(Error::Keyed)), "{stopped:?}");
}

proptest! {
    /// Against the plain way: parse, put each value in, write.
    #[test]
    fn it_is_what_a_plain_program_makes(
        tags in prop::collection::vec("[a-c]{1,2}", 0..6), other in any::<i32>(), id in "[a-z]{1,5}"
    ) {
        let mut stage = stage("  - explode: { field: tags, as: tag }\n  - id: \"{_id}:{tag}\"\n", &[]);
        let source = serde_json::json!({ "other": other, "tags": tags }).to_string();
        let expected: BTreeMap<String, serde_json::Value> = tags
            .iter()
            .map(|tag| (format!("{id}:{tag} -"), serde_json::json!({ "other": other, "tag": tag })))
            .collect();
        let made = make(&mut stage.worker, (&id, None, &source)).unwrap_or_default();
        let made: BTreeMap<String, serde_json::Value> = made
            .iter()
            .map(|one| one.split_once(" {").unwrap())
            .map(|(key, rest)| (key.to_owned(), serde_json::from_str(&format!("{{{rest}")).unwrap()))
            .collect();
        prop_assert_eq!(made, expected);
    }
}
