//! Mistakes in the pipeline.

use super::{Mistake, Refused, Unseen, mistake, step, with_steps};

pub(super) fn structure() -> Vec<Mistake> {
    let refused = |what, text: &str| mistake(what, Refused, step(text));
    let unseen = |what, text: &str| mistake(what, Unseen, step(text));
    vec![
        refused("a step with a slip", "lokup: {}"),
        refused("two keys in one step", "{ set: { a: 1 }, remove: b }"),
        refused("a step without a key", "set"),
        refused("a lookup without key", "lookup: { index: x, match: m, as: y }"),
        refused("a lookup without match", "lookup: { index: x, key: k, as: y }"),
        refused("a lookup without a name", "lookup: { index: x, key: k, match: m }"),
        unseen("two lookups of one name", "lookup: { index: x, key: k, match: m, as: row }"),
        refused("a lookup called doc", "lookup: { index: x, key: k, match: m, as: doc }"),
        refused("a lookup with a bad name", "lookup: { index: x, key: k, match: m, as: The Row }"),
        refused("a key into a list", "lookup: { index: x, key: \"k[]\", match: m, as: y }"),
        refused(
            "rows of another time",
            "lookup: { index: x, key: k, match: m, as: y, as_of: refresh }",
        ),
        refused(
            "what on_missing doesn't know",
            "lookup: { index: x, key: k, match: m, as: y, on_missing: drop }",
        ),
        refused(
            "several rows without an order",
            "lookup: { index: x, key: k, match: m, as: y, multiple: { order: asc } }",
        ),
        refused(
            "too many rows",
            "lookup: { index: x, key: k, match: m, as: y, multiple: { sort: s, limit: 20000 } }",
        ),
        unseen("a lookup's name with a slip", "copy: { a: rwo.b }"),
        unseen("a field of the document without doc", "copy: { a: title }"),
        unseen("the whole document", "copy: { a: doc }"),
        refused("a list of no paths", "copy: { a: [] }"),
        refused("a path with a number", "copy: { a: \"row.b[0]\" }"),
        refused("a path with a blank", "copy: { a: row.my field }"),
        refused("a quote in a path that isn't closed", "copy: { a: 'row.\"b' }"),
        unseen("a path that is too deep", &format!("copy: {{ a: row{} }}", ".x".repeat(70))),
        refused("a list to write into", "copy: { \"a[]\": row.b }"),
        refused("a copied field with a slip", "copy: { a: { form: row.b } }"),
        refused("a copied field without from", "copy: { a: { pick: [b] } }"),
        unseen("a field that is copied twice", "copy: { a: row.b, '\"a\"': row.c }"),
        unseen("a field inside one that is copied", "copy: { a: row.b, a.c: row.c }"),
        refused("a copy of nothing", "copy: {}"),
        refused("an explode of nothing", "explode: {}"),
        refused("an explode without a mapping", "explode: tags"),
        refused("an explode into a list", "explode: { field: \"tags[]\" }"),
        refused("what on_empty doesn't know", "explode: { field: tags, on_empty: keep }"),
        unseen("an explode without an id", "explode: { field: tags }"),
        refused("an id that is always the same", "id: fixed"),
        unseen("an id with an open brace", "id: \"{a}-{b\""),
        refused("an id of a list", "id: [a, b]"),
        unseen("an id into a list", "id: \"{a[].b}\""),
        refused("a routing with a slip", "routing: nothing"),
        mistake("a step after the id", Unseen, with_steps("  - id: \"{a}\"\n  - set: { b: 1 }\n")),
        mistake("two ids", Unseen, with_steps("  - id: \"{a}\"\n  - id: \"{b}\"\n")),
        mistake(
            "a lookup after an explode",
            Unseen,
            with_steps(
                "  - explode: { field: a }\n  - lookup: { index: x, key: a, match: m, as: y }\n  - id: \"{a}\"\n",
            ),
        ),
        mistake(
            "a row after an explode",
            Unseen,
            with_steps("  - explode: { field: a }\n  - copy: { b: row.b }\n  - id: \"{a}\"\n"),
        ),
        mistake(
            "a field that two steps write",
            Unseen,
            with_steps("  - set: { a: 1 }\n  - copy: { a: row.b }\n"),
        ),
        mistake(
            "rows as if they were one",
            Unseen,
            with_steps(
                "  - lookup: { index: x, key: k, match: m, as: rows, multiple: { sort: t } }\n  - copy: { a: rows.b }\n",
            ),
        ),
        unseen("a rename into itself", "rename: { a: a.b }"),
        refused("a rename to a number", "rename: { a: 1 }"),
        refused("a type with a slip", "convert: { a: lnog }"),
        refused("a type of a mapping", "convert: { a: keyword }"),
        refused("nothing to remove", "remove: []"),
        refused("a filter without a test", "filter: { reason: x }"),
        refused("a filter without a reason", "filter: { drop_if: { field: a, equals: 1 } }"),
        refused(
            "a filter with two tests",
            "filter: { drop_if: { field: a, equals: 1 }, keep_if: { field: a, equals: 2 }, reason: x }",
        ),
        refused("a test without a field", "filter: { drop_if: { equals: 1 }, reason: x }"),
        refused("a test without a condition", "filter: { drop_if: { field: a }, reason: x }"),
        refused("a test for null", "filter: { drop_if: { field: a, equals: ~ }, reason: x }"),
        refused("a test for a list", "filter: { drop_if: { field: a, equals: [1] }, reason: x }"),
        unseen("a number that can't be kept", "set: { a: 123456789012345678901 }"),
        refused("an empty script", "script: ' '"),
        refused("a script that is a list", "script: [a]"),
    ]
}

pub(super) fn values() -> Vec<Mistake> {
    let refused = |what, text: &str| mistake(what, Refused, step(text));
    vec![
        refused("a date without formats", "date: { t: iso }"),
        refused("a date without from", "date: { t: { to: iso } }"),
        refused("a date from no format", "date: { t: { from: [] } }"),
        mistake("a format with a slip", Refused, step("date: { t: { from: ios } }")),
        refused("a year of two digits", "date: { t: { from: [iso, dd/MM/yy] } }"),
        refused("a week's year", "date: { t: { from: iso, to: YYYY } }"),
        mistake("a format without a year", Unseen, step("date: { t: { from: MM-dd } }")),
        mistake("a half day without a or hh", Unseen, step("date: { t: { from: \"yyyy hh\" } }")),
        mistake("a month twice", Unseen, step("date: { t: { from: \"yyyy MM MMM\" } }")),
        refused("a quote in a format that isn't closed", "date: { t: { from: \"yyyy'T\" } }"),
        refused("the name of a place as a zone", "date: { t: { from: iso, zone: Europe/Rome } }"),
        refused("a zone that is a number", "date: { t: { from: iso, to_zone: 2 } }"),
        refused("a split at nothing", "split: { t: '' }"),
        refused("a split without by", "split: { t: { trim: true } }"),
        refused("a split with a slip", "split: { t: { by: x, trm: true } }"),
        refused("a join with a list", "join: { t: [x] }"),
        refused("a join of no field", "join: {}"),
        refused("a table without values", "map: { t: { a: b } }"),
        refused("a table of no values", "map: { t: { values: {} } }"),
        refused(
            "a table with default and otherwise",
            "map: { t: { values: { a: b }, default: c, otherwise: keep } }",
        ),
        refused("otherwise with a slip", "map: { t: { values: { a: b }, otherwise: keeep } }"),
        refused("a default of null", "default: { t: ~ }"),
        refused("a default into a list", "default: { \"t[]\": 1 }"),
        refused("fewer characters than none", "truncate: { t: -1 }"),
        refused("characters that are a word", "truncate: { t: x }"),
    ]
}
