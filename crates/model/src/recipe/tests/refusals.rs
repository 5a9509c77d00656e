//! Every fault has its line, column, kind and hint.

use super::{parse, with, with_steps};
use crate::recipe::ErrorKind;

/// Line of the first line after [`with`]'s own.
const MORE: u64 = 6;
/// Line of the first step after [`with_steps`]'s lookup.
const STEP: u64 = 8;

#[track_caller]
fn refused(text: &str, line: u64, column: u64, kind: ErrorKind, said: &str) {
    let error = parse(text).expect_err(text);
    let whole = error.render();
    assert_eq!((error.line(), error.column()), (line, column), "{whole}");
    assert_eq!(error.kind(), kind, "{whole}");
    assert!(whole.contains(said), "{said:?} isn't in:\n{whole}");
    assert_eq!(error.source_line().len(), text.lines().nth(line as usize - 1).unwrap().len());
}

#[test]
fn text_that_is_no_recipe() {
    use ErrorKind as K;
    refused("segue: [1", 1, 8, K::Yaml, "can't be read");
    refused("just text", 1, 1, K::WrongType, "the recipe must be a mapping, not text");
    refused("segue: 1\nsegue: 1\n", 2, 1, K::DuplicateKey, "key `segue` is there twice");
    refused("segue: 2\nname: r\n", 1, 8, K::BadValue, "this program reads language 1");
    refused("name: r\n", 1, 1, K::MissingKey, "key `segue` is missing");
    refused("segue: 1\nname: Bad Name\n", 2, 7, K::BadValue, "`Bad Name` can't be a recipe's name");
    refused("segue: 1\nname: r\n", 1, 1, K::MissingKey, "key `cluster` is missing");
    refused("a: &a [x]\nb: { <<: *a }\n", 2, 6, K::Yaml, "merge");
    refused("segue: !x 1\n", 1, 11, K::Yaml, "tag");
}

#[test]
fn alias_bombs_are_stopped() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let below = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    let error = parse(&text).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Yaml);
    let deep = format!("a: {}{}", "[".repeat(200), "]".repeat(200));
    assert_eq!(parse(&deep).unwrap_err().kind(), ErrorKind::Yaml);
    let long = format!("a: {}", "x".repeat(2 << 20));
    assert_eq!(parse(&long).unwrap_err().kind(), ErrorKind::Yaml);
}

#[test]
fn unknown_and_missing_keys() {
    use ErrorKind as K;
    refused(&with("limts: {}"), MORE, 1, K::UnknownKey, "did you mean `limits`?");
    refused(&with("limits: { lanse: 1 }"), MORE, 11, K::UnknownKey, "did you mean `lanes`?");
    refused(&with("verify: { frobnicate: 1 }"), MORE, 11, K::UnknownKey, "known: counts, required");
    refused(&with_steps("  - lokup: {}"), STEP, 5, K::UnknownKey, "did you mean `lookup`?");
    refused(&with_steps("  - lookup: { index: x }"), STEP, 13, K::MissingKey, "`key` is missing");
    let unstated = with("cutover: { mode: redirect }");
    refused(&unstated, MORE, 18, K::MissingKey, "needs the statement `writers: index_only`");
    refused(&with_steps("  - { set: {a: 1}, remove: b }"), STEP, 5, K::BadValue, "exactly one key");
    let multi = "  - lookup: { index: x, key: a, match: b, as: c, multiple: { order: asc } }";
    refused(&with_steps(multi), STEP, 60, K::MissingKey, "`sort` is missing in `multiple`");
}

#[test]
fn wrong_types_and_values() {
    use ErrorKind as K;
    for (more, column, kind, said) in [
        ("limits: 5", 9, K::WrongType, "`limits` must be a mapping, not a whole number"),
        ("limits: { lanes: many }", 18, K::WrongType, "`lanes` must be a whole number, not text"),
        ("limits: { lanes: 0 }", 18, K::BadValue, "from 1 to 64"),
        ("limits: { lanes: -1 }", 18, K::BadValue, "from 1 to 64"),
        ("limits: { heap_percent: 101 }", 25, K::BadValue, "from 1 to 100"),
        ("limits: { batch_bytes: 5 }", 24, K::WrongType, "512kb, 5mb"),
        ("limits: { batch_bytes: 5tb }", 24, K::BadValue, "`5tb` isn't a size"),
        ("limits: { batch_bytes: 1gb }", 24, K::BadValue, "bytes"),
        ("limits: { health_wait: 5 minutes }", 24, K::BadValue, "`5 minutes` isn't a duration"),
        ("limits: { health_wait: 30 }", 24, K::WrongType, "250ms, 30s, 5m"),
        ("limits: { docs_per_second: fast }", 28, K::BadValue, "`docs_per_second` can't be `fast`"),
        ("cutover: { mode: blok }", 18, K::BadValue, "did you mean `block`?"),
        ("cutover: { writers: all }", 21, K::BadValue, "`writers` can't be `all`"),
        ("cutover: { start: 1 }", 19, K::WrongType, "known: auto, manual"),
        ("cutover: { max_pause: 0s }", 23, K::BadValue, "more than nothing"),
        ("cutover: { quiet_for: 0s }", 23, K::BadValue, "`quiet_for` must be more than nothing"),
        ("cutover: { enrich_for: 1h }", 24, K::BadValue, "needs `after_switch: keep_enriching`"),
        (
            "cutover: { after_switch: keep_enriching, enrich_for: 0s }",
            54,
            K::BadValue,
            "`enrich_for` must be more than nothing",
        ),
        ("cutover: { after_switch: both }", 26, K::BadValue, "`after_switch` can't be `both`"),
        ("verify: { required: recid }", 21, K::WrongType, "must be a list, not text"),
        ("verify: { required: [a..b] }", 22, K::Path, "a name is missing"),
        ("verify: { required: [\"a[].b\"] }", 22, K::Path, "can't go into a list"),
        ("vars: { Prefix: x }", 9, K::BadValue, "can't be the name of a variable"),
        ("vars: { source: x }", 9, K::BadValue, "can't be the name of a variable"),
        ("vars: { x: 1 }", 12, K::WrongType, "put it in quotes"),
        ("vars: { x: \"${HOME_OF_X}\" }", 12, K::Environment, "`HOME_OF_X` isn't set"),
        ("vars: { x: \"${HOME\" }", 12, K::Environment, "isn't closed"),
    ] {
        refused(&with(more), MORE, column, kind, said);
    }
}

#[test]
fn names_and_captures() {
    use ErrorKind as K;
    let recipe = |source: &str, target: &str| {
        format!(
            "segue: 1\nname: r\ncluster: {{ url: http://h }}\nsource: {source}\ntarget: {target}\n"
        )
    };
    let good = "{ index: \"a-{m}\", match: { m: x } }";
    for (source, target, line, column, kind, said) in [
        (
            "{ index: \"a-{mnth}\", match: { month: x } }",
            "{}",
            4,
            18,
            K::Capture,
            "did you mean `month`?",
        ),
        ("{ index: \"a-{m}\" }", "{}", 4, 18, K::Capture, "add `match: { m: '…' }`"),
        ("{ index: a, match: { m: x } }", "{}", 4, 30, K::Capture, "no such capture"),
        ("{ index: \"a-{m}\", match: { m: '(' } }", "{}", 4, 39, K::Regex, "of `m` is wrong"),
        (
            "{ index: \"a-{source}\", match: { source: x } }",
            "{}",
            4,
            18,
            K::Capture,
            "can't be a capture",
        ),
        ("{ index: \"A-{m}\", match: { m: x } }", "{}", 4, 18, K::BadValue, "capital letters"),
        (good, "{ index: \"{sorce}-2\" }", 5, 18, K::Capture, "did you mean `source`?"),
        (good, "{ index: \"{source}\" }", 5, 18, K::BadValue, "the source itself"),
        (good, "{ index: \"{source\" }", 5, 18, K::Capture, "isn't closed"),
        (good, "{ index: \"{source} 2\" }", 5, 18, K::BadValue, "can't be the name of an index"),
        (
            good,
            "{ index: x, template: ../x.json }",
            5,
            31,
            K::BadValue,
            "leaves the recipe's folder",
        ),
        (good, "{ index: x, settings: { a: 1e300 } }", 5, 36, K::BadValue, "out of range"),
    ] {
        refused(&recipe(source, target), line, column, kind, said);
    }
}

#[test]
fn steps() {
    use ErrorKind as K;
    for (step, column, kind, said) in [
        ("  - copy: { a: rwo.b }", 16, K::UnknownLookup, "did you mean `row`?"),
        ("  - copy: { a: [] }", 16, K::BadValue, "needs at least one"),
        ("  - copy: { a: doc }", 16, K::Path, "name a field"),
        ("  - copy: { a: \"row.b[0]\" }", 16, K::Path, "only `.` or `[]`"),
        ("  - copy: { \"a[]\": row.b }", 13, K::Path, "can't go into a list"),
        ("  - copy: { a: { form: row.b } }", 18, K::UnknownKey, "did you mean `from`?"),
        ("  - copy: { a: row.b, a: row.c }", 23, K::DuplicateKey, "key `a` is there twice"),
        (
            "  - copy: { a: row.b, '\"a\"': row.c }",
            23,
            K::DuplicateTarget,
            "written twice, first in line 8",
        ),
        ("  - copy: { a: row.b, a.c: row.c }", 23, K::DuplicateTarget, "overlaps `a`"),
        ("  - copy: {}", 11, K::BadValue, "is empty"),
        ("  - lookup: { index: x, key: k, match: m, as: row }", 47, K::BadValue, "`row` already"),
        (
            "  - lookup: { index: x, key: k, match: m, as: doc }",
            47,
            K::BadValue,
            "the document itself",
        ),
        (
            "  - lookup: { index: x, key: \"k[]\", match: m, as: y }",
            30,
            K::Path,
            "can't go into a list",
        ),
        (
            "  - lookup: { index: x, key: k, match: m, as: y, as_of: refresh }",
            57,
            K::BadValue,
            "can't be `refresh`",
        ),
        ("  - rename: { a: a.b }", 18, K::BadValue, "holds it"),
        ("  - convert: { a: lnog }", 19, K::BadValue, "did you mean `long`?"),
        ("  - filter: { reason: x }", 13, K::BadValue, "`drop_if` or `keep_if`"),
        ("  - filter: { drop_if: { field: a, equals: 1 } }", 13, K::MissingKey, "`reason`"),
        (
            "  - filter: { drop_if: { field: a }, reason: x }",
            24,
            K::BadValue,
            "exactly one condition",
        ),
        (
            "  - filter: { drop_if: { field: a, equals: ~ }, reason: x }",
            44,
            K::WrongType,
            "missing: true",
        ),
        (
            "  - filter: { drop_if: { field: a, equals: [1] }, reason: x }",
            44,
            K::WrongType,
            "single values",
        ),
    ] {
        refused(&with_steps(step), STEP, column, kind, said);
    }
    for (step, column, kind, said) in [
        ("  - date: { t: iso }", 16, K::WrongType, "a date must be a mapping"),
        ("  - date: { t: {} }", 16, K::MissingKey, "`from` is missing"),
        ("  - date: { t: { from: [] } }", 24, K::BadValue, "`from` is empty"),
        ("  - date: { t: { from: ios } }", 24, K::BadValue, "did you mean `iso`?"),
        ("  - date: { t: { from: [iso, dd/MM/yy] } }", 30, K::BadValue, "write yyyy"),
        ("  - date: { t: { from: MM-dd } }", 24, K::BadValue, "needs the year"),
        ("  - date: { t: { from: \"yyyy hh\" } }", 24, K::BadValue, "`hh` and `a` need each other"),
        ("  - date: { t: { from: iso, to: YYYY } }", 33, K::BadValue, "letters: yyyy"),
        ("  - date: { t: { from: iso, zone: Europe/Rome } }", 35, K::BadValue, "fixed offset"),
        ("  - date: { t: { from: iso, to_zone: 2 } }", 38, K::WrongType, "put it in quotes"),
        ("  - split: { t: '' }", 17, K::BadValue, "is empty"),
        ("  - split: { t: { by: x, trm: true } }", 26, K::UnknownKey, "did you mean `trim`?"),
        ("  - split: { t: { trim: true } }", 17, K::MissingKey, "`by` is missing"),
        ("  - join: { t: [x] }", 16, K::WrongType, "must be text"),
        ("  - map: { t: { a: b } }", 17, K::UnknownKey, "unknown key `a` in a table"),
        ("  - map: { t: { values: {} } }", 25, K::BadValue, "`values` is empty"),
        (
            "  - map: { t: { values: { a: b }, default: c, otherwise: keep } }",
            58,
            K::BadValue,
            "not both",
        ),
        (
            "  - map: { t: { values: { a: b }, otherwise: keeep } }",
            46,
            K::BadValue,
            "did you mean `keep`?",
        ),
        ("  - default: { t: ~ }", 19, K::BadValue, "null can't be a default"),
        ("  - default: { \"t[]\": 1 }", 16, K::Path, "can't go into a list"),
        ("  - truncate: { t: -1 }", 20, K::BadValue, "a whole number from 0"),
        ("  - truncate: { t: x }", 20, K::WrongType, "a whole number"),
        ("  - truncate: {}", 15, K::BadValue, "is empty"),
        ("  - trunkate: { t: 1 }", 5, K::UnknownKey, "did you mean `truncate`?"),
    ] {
        refused(&with_steps(step), STEP, column, kind, said);
    }
    let later = "  - set: { a: 1 }\n  - copy: { a: row.b }";
    refused(&with_steps(later), STEP + 1, 13, K::DuplicateTarget, "first in line 8");
    let multiple = "  - lookup: { index: x, key: k, match: m, as: rows, multiple: { sort: t } }\n  \
                    - copy: { a: rows.b }";
    refused(&with_steps(multiple), STEP + 1, 16, K::Path, "write `rows[]`");
}

/// The place of a script's fault in the recipe, for the ways to write a text.
#[test]
fn places_in_scripts_are_places_in_the_recipe() {
    for (step, place, expected) in [
        ("  - script: |\n      a\n      b c\n", (2, 3), (STEP + 2, 9)),
        ("  - script: |-\n      a\n\n      b c\n", (3, 1), (STEP + 3, 7)),
        ("  - script: |\n\n      b\n", (2, 1), (STEP + 2, 7)),
        ("  - script: a b\n", (1, 3), (STEP, 15)),
        ("  - script: \"a b\"\n", (1, 3), (STEP, 16)),
        ("  - { script: 'a b' }\n", (1, 3), (STEP, 18)),
        ("  - script: 'a\n      b'\n", (2, 1), (STEP, 13)),
    ] {
        let text = with_steps(step);
        let recipe = parse(&text).unwrap();
        let Some(crate::recipe::Step::Script(script)) = recipe.pipeline.last() else {
            panic!("{step}")
        };
        let error = crate::recipe::Error::in_script(&text, "r.yaml", script, place, "why");
        assert_eq!((error.line(), error.column()), expected, "{step}{}", error.render());
        assert_eq!((error.kind(), error.cause()), (ErrorKind::Script, Some("why")));
    }
    refused(&with_steps("  - script: ' '"), STEP, 13, ErrorKind::BadValue, "is empty");
    refused(&with_steps("  - script: [a]"), STEP, 13, ErrorKind::WrongType, "must be text");
    let print = |text: &str| parse(text).unwrap().pipeline_fingerprint();
    let (plain, quoted) = (with_steps("  - script: a\n"), with_steps("\n  - script: \"a\"\n"));
    assert_eq!(print(&plain), print(&quoted), "where a script stands is not what it does");
    assert_ne!(print(&plain), print(&with_steps("  - script: b\n")));
}

#[test]
fn secrets_are_neither_accepted_nor_shown() {
    use ErrorKind as K;
    let recipe = |cluster: &str| format!("segue: 1\nname: r\ncluster: {cluster}\n");
    for (cluster, column, kind, said) in [
        (
            "{ url: http://h, auth: { basic: { user: u, password: hunter2 } } }",
            63,
            K::SecretInRecipe,
            "{env: NAME}",
        ),
        ("{ url: http://h, auth: { api_key: hunter2 } }", 44, K::SecretInRecipe, "{env: NAME}"),
        ("{ url: http://u:hunter2@h:9200 }", 17, K::SecretInRecipe, "under `auth`"),
        ("{ url: h:9200 }", 17, K::BadValue, "isn't an address"),
        ("{ url: http://h, auth: {} }", 33, K::BadValue, "one way to sign in"),
        (
            "{ url: http://h, auth: { basic: { user: u, pasword: hunter2 } } }",
            53,
            K::UnknownKey,
            "did you mean `password`?",
        ),
    ] {
        let text = recipe(cluster);
        refused(&text, 3, column, kind, said);
        let error = parse(&text).unwrap_err();
        assert!(!error.render().contains("hunter2"), "{}", error.render());
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
    let text = "segue: 1\nname: r\ncluster: { url: \"${URL}\" }\n";
    let env = |_: &str| Some("ftp://u:hunter2@h".to_owned());
    let error = crate::recipe::Recipe::parse(text, "r", &std::collections::BTreeMap::new(), &env);
    assert!(!error.unwrap_err().render().contains("hunter2"));
}

#[test]
fn an_error_shows_the_line_and_marks_the_place() {
    let error = parse(&with("limits: { lanse: 1 }")).unwrap_err();
    assert_eq!(error.to_string(), "r.yaml:6:11: unknown key `lanse` in `limits`");
    assert_eq!(
        error.render(),
        "unknown key `lanse` in `limits`\n --> r.yaml:6:11\n  |\n6 | limits: { lanse: 1 }\n  |           ^\n\
         hint: did you mean `lanes`?\n"
    );
}
