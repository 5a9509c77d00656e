//! What the pipeline doesn't touch stays byte for byte.

use segue_transform::{Document, Outcome, Program};

use crate::stage::{Became, stage};

/// Documents with everything that a parsed value would lose.
const DELICATE: &[&str] = &[
    r#"{"a":1.0,"b":1e3,"c":-0.0,"d":1E+2,"e":1234567890123456789012345678901234567890}"#,
    r#"{"z":1,"a":2,"m":{"y":1,"b":2}}"#,
    r#"{"x":{"d":1,"d":2},"y":[{"d":1,"d":2}]}"#,
    r#"{"s":"\ud800 \u0041 \/ \\ é 😀 \u0000"}"#,
    "{ \"a\" :\t1 , \"b\" : [ 1 ,2 ] }",
    "{}",
    "{ }",
    r#"{"":0,"a.b":1,"\u0061":2}"#,
];

#[test]
fn pass_through_changes_nothing() {
    let program = Program::compile(&[]).unwrap();
    assert!(program.is_pass_through());
    let mut worker = program.bind(Vec::new()).unwrap().worker();
    for source in DELICATE.iter().chain(&["  {\"a\":1}  ", "{\"not\":json"]) {
        let mut out = Vec::new();
        let document = Document { id: "1", routing: Some("r"), source: source.as_bytes() };
        assert_eq!(worker.apply(document, &mut out).unwrap(), Outcome::Written);
        assert_eq!(String::from_utf8(out).unwrap(), *source);
    }
    let document = Document { id: "1", routing: None, source: b"" };
    let outcome = worker.apply(document, &mut Vec::new()).unwrap();
    assert!(matches!(outcome, Outcome::Refused { .. }));
}

#[test]
fn line_breaks_become_blanks() {
    let mut pass = stage("  []\n", &[]);
    assert_eq!(pass.written("{\n \"a\":\r\n1}\n"), "{  \"a\":  1} ");
    let mut set = stage("  - set: { n: 1 }\n", &[]);
    assert_eq!(set.written("{\n \"a\":\r\n1\n}\n"), "{  \"a\":  1,\"n\":1 } ");
    let mut edit = stage("  - set: { n.m: 1 }\n  - remove: x\n", &[]);
    assert_eq!(edit.written("{\n\"n\":\n{\n},\n\"b\":[\n]\n}"), "{ \"n\": {\"m\":1}, \"b\":[ ] }");
}

#[test]
fn an_addition_leaves_the_rest_as_it_stands() {
    let mut stage = stage("  - set: { new: [1.5] }\n", &[]);
    for source in DELICATE {
        let out = stage.written(source);
        let empty = source.trim_start_matches('{').trim() == "}";
        let addition = if empty { r#""new":[1.5]"# } else { r#","new":[1.5]"# };
        assert!(out.contains(addition), "{out}");
        assert_eq!(out.replacen(addition, "", 1), *source);
    }
}

#[test]
fn a_name_that_is_there_is_replaced_where_it_stands() {
    let mut stage = stage("  - set: { a: 9 }\n  - set: { b: 8 }\n", &[]);
    for (source, expected) in [
        (r#"{"a":1,"x":1.0}"#, r#"{"a":9,"x":1.0,"b":8}"#),
        (r#"{ "x" : 1.0 , "a" : {"q":1} }"#, r#"{ "x" : 1.0 , "a" : 9,"b":8 }"#),
        (r#"{"\u0061":1}"#, r#"{"\u0061":9,"b":8}"#),
        (r#"{"b":1,"a":2}"#, r#"{"b":8,"a":9}"#),
        // Engines refuse documents with a name twice; none is made from one either.
        (r#"{"a":1,"x":2,"a":3}"#, r#"{"x":2,"a":9,"b":8}"#),
        (r#"{"a":1,"\u0061":3,"x":2}"#, r#"{"\u0061":9,"x":2,"b":8}"#),
    ] {
        assert_eq!(stage.written(source), expected, "{source}");
    }
}

#[test]
fn what_is_not_json_is_refused() {
    let mut stage = stage("  - set: { a: 1 }\n", &[]);
    for source in [
        "",
        " ",
        "{",
        "[]",
        "5",
        "null",
        "{\"a\"}",
        "{\"a\":1,}",
        "{\"a\":01}",
        "{\"a\":\"\n\"}",
        "{} {}",
        "{\"b\":tru}",
        "{\"b\":[1,]}",
        "{'b':1}",
        "\u{feff}{}",
    ] {
        assert!(matches!(stage.run(source), Became::Refused(_)), "{source}");
    }
    let deep = format!("{{\"b\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
    assert!(stage.refused(&deep).contains("nested too deeply"));
}

#[test]
fn documents_of_every_size_go_through() {
    let mut stage = stage("  - set: { n: 1 }\n", &[]);
    let big = "x".repeat(20 << 20);
    let out = stage.written(&format!("{{\"a\":\"{big}\"}}"));
    assert_eq!(out, format!("{{\"a\":\"{big}\",\"n\":1}}"));
    let many: Vec<String> = (0..50_000).map(|n| format!("\"f{n}\":{n}")).collect();
    let out = stage.written(&format!("{{{}}}", many.join(",")));
    assert_eq!(out, format!("{{{},\"n\":1}}", many.join(",")));
}
