//! Scripts.

use proptest::prelude::*;
use segue_transform::{Error, Program};

use crate::stage::{Became, stage, steps};

fn script(code: &str) -> String {
    let lines: Vec<String> = code.lines().map(|line| format!("      {line}\n")).collect();
    format!("  - script: |\n{}", lines.concat())
}

#[track_caller]
fn table(code: &str, rows: &[(&str, &str)]) {
    let mut stage = stage(&script(code), &[]);
    for (source, expected) in rows {
        assert_eq!(stage.written(source), *expected, "{code}: {source}");
    }
}

#[test]
fn what_a_script_does_not_touch_stays_byte_for_byte() {
    let delicate = "{ \"a\" :\t1.0 , \"b\": [1e3, -0.0 ,\"\\ud800 \\u0041\"] ,\"c\":12345678901234567890123456789012345678901,\"n\":0}";
    table("let x = doc.a;", &[(delicate, delicate), ("{}", "{}"), (" { } ", " { } ")]);
    let other = delicate.replace("\"n\":0", "\"n\":1");
    table("doc.n += 1;", &[(delicate, &other)]);
    table(
        "doc.remove(\"b\"); doc.z = [(), true, 'c'];",
        &[(
            r#"{"a":1.10,"b":1,"c":{"y":1,"x":2}}"#,
            r#"{"a":1.10,"c":{"y":1,"x":2},"z":[null,true,"c"]}"#,
        )],
    );
    table(
        "doc.o.x = `$${doc.t}\"` + \"\\n\";",
        &[(r#"{"t":"\u00e9","o":{ "k" : 1.10 }}"#, r#"{"t":"\u00e9","o":{"k":1.10,"x":"é\"\n"}}"#)],
    );
    table("let f = || doc.a + 1; doc.b = f.call();", &[(r#"{"a":1}"#, r#"{"a":1,"b":2}"#)]);
}

#[test]
fn numbers_are_exact_or_refused() {
    table(
        "doc.b = doc.a;",
        &[
            (r#"{"a":9007199254740993}"#, r#"{"a":9007199254740993,"b":9007199254740993}"#),
            (
                r#"{"a":18446744073709551615}"#,
                r#"{"a":18446744073709551615,"b":18446744073709551615}"#,
            ),
            (
                r#"{"a":0.1234567890123456789}"#,
                r#"{"a":0.1234567890123456789,"b":0.1234567890123456789}"#,
            ),
            (r#"{"a":1e400}"#, r#"{"a":1e400,"b":1e400}"#),
            (r#"{"a":-0.0}"#, r#"{"a":-0.0,"b":-0.0}"#),
            (r#"{"a":-0}"#, r#"{"a":-0,"b":-0}"#),
            (r#"{"a":"\ud800"}"#, r#"{"a":"\ud800","b":"\ud800"}"#),
            (
                r#"{"a":[1234567890123456789012345678901234567890]}"#,
                r#"{"a":[1234567890123456789012345678901234567890],"b":[1234567890123456789012345678901234567890]}"#,
            ),
        ],
    );
    table(
        "doc.a += doc.d;",
        &[
            (r#"{"a":9007199254740992,"d":1}"#, r#"{"a":9007199254740993,"d":1}"#),
            (r#"{"a":0.1,"d":0.2}"#, r#"{"a":0.3,"d":0.2}"#),
            (r#"{"a":18446744073709551615,"d":1}"#, r#"{"a":18446744073709551616,"d":1}"#),
            (r#"{"a":1.5e2,"d":1}"#, r#"{"a":151,"d":1}"#),
        ],
    );
    let mut add = stage(&script("doc.a += 1;"), &[]);
    for source in [
        r#"{"a":9223372036854775807}"#,
        r#"{"a":1e400}"#,
        r#"{"a":12345678901234567890123456789012345}"#,
        r#"{"a":"\ud800"}"#,
        r#"{"a":79228162514264337593543950335}"#,
    ] {
        let reason = add.refused(source);
        assert!(reason.starts_with("script, line 1: "), "{source}: {reason}");
    }
}

#[test]
fn rows_of_lookups_are_read() {
    let lookup = "  - lookup: { index: l, key: k, match: id, as: row }\n  - lookup: { index: m, key: k, match: id, as: many, multiple: { sort: n } }\n";
    let code = "if row != () { doc.langs = row.meta.langs.map(|l| l.id); }\ndoc.n = many.len();";
    let pipeline = format!("{lookup}  - copy: {{ c: row.x }}\n{}", script(code));
    let rows: &[&[&str]] = &[
        &[r#"{"id":1,"x":1.0,"meta":{"langs":[{"id":"eng"},{"id":"deu"}]}}"#],
        &[r#"{"id":1,"n":2}"#, r#"{"id":1,"n":1}"#],
    ];
    let mut stage = stage(&pipeline, rows);
    assert_eq!(stage.written(r#"{"k":1}"#), r#"{"k":1,"c":1.0,"langs":["eng","deu"],"n":2}"#);
    let program = Program::compile(&steps(&pipeline)).unwrap();
    assert_eq!(program.lookups()[0].includes(), [] as [&str; 0], "the whole row is needed");
}

#[test]
fn steps_around_scripts_see_what_they_should() {
    let pipeline = format!(
        "  - set: {{ a: 1 }}\n  - default: {{ d: 5 }}\n{}  - rename: {{ b: c }}\n  - set: {{ e: 1 }}\n",
        script("doc.a += doc.d;\ndoc.b = doc.a;")
    );
    let mut stage = stage(&pipeline, &[]);
    assert_eq!(stage.written(r#"{"x":1.0}"#), r#"{"x":1.0,"a":6,"d":5,"c":6,"e":1}"#);
    let filter = format!(
        "{}  - filter: {{ drop_if: {{ field: gone, equals: true }}, reason: r }}\n",
        script("doc.gone = doc.n > 1.5;")
    );
    let mut filter = crate::stage::stage(&filter, &[]);
    assert_eq!(filter.run(r#"{"n":2}"#), Became::Filtered("r".to_owned()));
    assert_eq!(filter.written(r#"{"n":1}"#), r#"{"n":1,"gone":false}"#);
}

#[test]
fn a_wrong_script_names_its_place() {
    for (code, line, column, said) in [
        ("doc.a = 1;\nlet x = ;", 2, 9, "';'"),
        ("doc.a = 1\ndoc.b = 2;", 2, 1, "';'"),
        ("let x = record.a;", 1, 9, "record"),
        ("print(doc.a);", 1, 1, "print"),
        ("eval(\"1\");", 1, 1, "eval"),
        ("debug(doc);", 1, 1, "debug"),
        ("import \"x\" as y;", 1, 1, "import"),
        ("doc.a = 1.0e;", 1, 0, ""),
    ] {
        match Program::compile(&steps(&script(code))) {
            Err(Error::Script { line: at, column: in_line, problem, .. }) => {
                assert!(problem.contains(said), "{code}: {problem}");
                if column > 0 {
                    assert_eq!((at, in_line), (line, column), "{code}: {problem}");
                }
            }
            other => panic!("{code}: {:?}", other.map(|_| "compiled")),
        }
    }
}

#[test]
fn what_goes_wrong_in_a_script_refuses_the_document() {
    for (code, said) in [
        ("let a = 1;\nthrow \"not this one\";", "script, line 2: "),
        ("throw \"not this one\";", "not this one"),
        ("doc.a.b.c = 1;", "script, line 1: "),
        ("doc.n / 0;", "zero"),
        ("loop { doc.n = 1; }", "operations"),
        ("fn f(n) { f(n + 1) }\nf(0);", "overflow"),
        ("let s = \"x\"; loop { s += s; }", "Length of string too large: a value has at most"),
        ("let l = []; loop { l.push(1); }", "more than 10000 operations"),
        ("let l = [1]; loop { l += l; }", "too large"),
        ("let m = #{}; let i = 0; loop { m[`k$${i}`] = 1; i += 1; }", "script, line 1: "),
        ("sleep(1);", "there is no `sleep`"),
        ("doc.a = timestamp();", "timestamp"),
        ("doc = 5;", "no object"),
        ("doc.f = |x| x;", "can't stand in a document"),
        ("doc.r = 1..3;", "can't stand in a document"),
        ("doc.r = doc.n.nothing();", "script, line 1: "),
    ] {
        let reason = stage(&script(code), &[]).refused(r#"{"n":1}"#);
        assert!(reason.contains(said), "{code}: {reason}");
    }
    let reason = stage(&script("doc.a = 1;"), &[]).refused(r#"{"o":{"x":1,"x":2}}"#);
    assert!(reason.contains("`x` is there twice"), "{reason}");
}

/// Values are dropped from the outside in, a call for each level: what a script can nest must fit the
/// smallest stack that documents are worked on with.
#[test]
fn deep_values_end_a_script_and_nothing_else() {
    for code in
        ["let a = []; loop { a = [a]; }", "let a = #{}; loop { let b = #{}; b[\"x\"] = a; a = b; }"]
    {
        let reason = stage(&script(code), &[]).refused("{}");
        assert!(reason.starts_with("script"), "{code}: {reason}");
    }
    let reason = stage(&script("let a = []; for i in 0..1000 { a = [a]; }\ndoc.a = a;"), &[]);
    let mut reason = reason;
    assert!(reason.refused("{}").contains("nested too deeply"));
}

/// What a value may be does not depend on what the document is; how often it may be copied does.
#[test]
fn small_documents_may_become_large_and_no_run_takes_long() {
    let mut grow = stage(&script("doc.l = []; doc.l.pad(4000, 1);\ndoc.l = doc.l.len();"), &[]);
    assert_eq!(grow.written("{}"), "{\"l\":4000}");
    let mut double = stage(
        &script("while doc.t.len() < 9000000 { doc.t += doc.t; }\ndoc.t = doc.t.len();"),
        &[],
    );
    assert_eq!(double.written(r#"{"t":"0123456789"}"#), r#"{"t":10485760}"#);
    for (code, said) in [
        ("let i = 0; while i < 15000 { i += 1; }\ndoc.n = i;", ""),
        ("let a = []; a.pad(4900, [1]); loop { let b = a; }", "too large"),
        (
            "let a = \"x\"; a.pad(9000000, 'x'); loop { let b = a + \"y\"; }",
            "more than 2000 operations",
        ),
    ] {
        let began = std::time::Instant::now();
        match stage(&script(code), &[]).run("{}") {
            Became::Written(_) if said.is_empty() => {}
            Became::Refused(reason) if !said.is_empty() => {
                assert!(reason.contains(said), "{code}: {reason}");
            }
            other => panic!("{code}: {other:?}"),
        }
        // Many times what it takes, as builds for tests are slow.
        assert!(began.elapsed() < std::time::Duration::from_secs(30), "{code}");
    }
}

#[test]
fn large_documents_go_through() {
    let many: Vec<String> = (0..4_900).map(|n| format!("{n}.50")).collect();
    let source = format!("{{\"l\":[{}],\"t\":\"{}\"}}", many.join(","), "x".repeat(10 << 20));
    let mut stage = stage(&script("doc.n = 1;"), &[]);
    let out = stage.written(&source);
    assert_eq!(out, format!("{},\"n\":1}}", source.strip_suffix('}').unwrap()));
}

/// A document as deep as any can be, in a script that runs where the document is worked on.
#[test]
fn deep_documents_go_through_and_too_large_ones_are_refused() {
    let source = format!("{{\"d\":{}{}}}", "[".repeat(990), "]".repeat(990));
    let mut add = stage(&script("doc.n = 1;"), &[]);
    assert_eq!(add.written(&source), source.replace("]}", "],\"n\":1}"));
    let many = format!("{{\"l\":[{}1]}}", "1,".repeat(6_000));
    assert!(add.refused(&many).contains("too large"));
}

fn any_number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        any::<u64>().prop_map(|n| n.to_string()),
        "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?",
    ]
}

proptest! {
    /// What a script moves has the value it had: digits for digits, or equal by value where it is
    /// spelled otherwise.
    #[test]
    fn a_moved_number_keeps_its_value(number in any_number()) {
        let mut stage = stage(&script("doc.b = [doc.a];\ndoc.remove(\"a\");"), &[]);
        let out = stage.written(&format!("{{\"a\":{number}}}"));
        let moved = out.strip_prefix("{\"b\":[").unwrap().strip_suffix("]}").unwrap();
        // A filter compares by value, with any number of digits.
        prop_assert!(equal(&number, moved), "{} became {}", number, moved);
    }
}

/// Whether two spellings have the same digits at the same places, and the same sign.
fn equal(a: &str, b: &str) -> bool {
    fn parts(text: &str) -> (bool, String, i64) {
        let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let lower = rest.to_lowercase();
        let (mantissa, power) = lower.split_once('e').unwrap_or((&lower, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        let trimmed = digits.trim_end_matches('0');
        let zeros = i64::try_from(digits.len() - trimmed.len()).unwrap();
        let power = power.parse::<i64>().unwrap() - i64::try_from(fraction.len()).unwrap() + zeros;
        let significant = trimmed.trim_start_matches('0').to_owned();
        let power = if significant.is_empty() { 0 } else { power };
        (negative, significant, power)
    }
    parts(a) == parts(b)
}
