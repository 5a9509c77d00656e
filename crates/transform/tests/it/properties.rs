//! Any document, against an oracle that keeps order, spelling of scalars and repeated keys.

use std::cell::RefCell;
use std::fmt;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::stage::{Became, Stage, stage};

/// JSON with everything that matters kept.
#[derive(Clone, Debug, PartialEq)]
enum Tree {
    Scalar(String),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

struct Entries(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Entries;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

impl Tree {
    fn parse(text: &str) -> Self {
        match text.trim().as_bytes()[0] {
            b'{' => {
                let Entries(entries) = serde_json::from_str(text).unwrap();
                let member = |(name, raw): (String, Box<RawValue>)| (name, Self::parse(raw.get()));
                Self::Object(entries.into_iter().map(member).collect())
            }
            b'[' => {
                let items: Vec<Box<RawValue>> = serde_json::from_str(text).unwrap();
                Self::List(items.iter().map(|raw| Self::parse(raw.get())).collect())
            }
            _ => Self::Scalar(text.trim().to_owned()),
        }
    }

    fn members(&mut self) -> &mut Vec<(String, Self)> {
        match self {
            Self::Object(members) => members,
            other => panic!("{other:?}"),
        }
    }

    fn get(&mut self, name: &str) -> Option<&mut Self> {
        self.members().iter_mut().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    fn set(&mut self, name: &str, value: Self) {
        match self.get(name) {
            Some(place) => *place = value,
            None => self.members().push((name.to_owned(), value)),
        }
    }
}

fn space() -> impl Strategy<Value = &'static str> {
    prop_oneof![6 => Just(""), 1 => Just(" "), 1 => Just("\n"), 1 => Just("\r\n\t ")]
}

/// Names, some of them spelled with escapes, each different from the others.
const NAMES: [&str; 8] = ["a", "b", "\\u0063", "d", "éa", "", "a.b", "q\\\"\\\\"];

fn scalar() -> impl Strategy<Value = String> {
    let literal = prop::sample::select(vec![
        "0",
        "-0",
        "1.0",
        "1e3",
        "1E-7",
        "true",
        "false",
        "null",
        "\"\"",
        "\"\\ud800\"",
        "\"\\ud83d\\ude00\"",
        "\"a\\nb\"",
        "\"{\\\"a\\\":[\"",
        "1234567890123456789012345678901234567890",
    ]);
    prop_oneof![
        literal.prop_map(str::to_owned),
        any::<i64>().prop_map(|n| n.to_string()),
        "[ -!#-\\[\\]-~é😀]{0,20}".prop_map(|text| format!("\"{text}\"")),
    ]
}

fn object(value: impl Strategy<Value = String> + Clone) -> impl Strategy<Value = String> {
    let member = (space(), space(), value, space());
    let members = prop::collection::vec(member, NAMES.len());
    (members, Just(NAMES).prop_shuffle(), 0..=NAMES.len(), space()).prop_map(
        |(members, names, count, empty)| {
            let text = |(at, (a, b, value, c)): (usize, &(&str, &str, String, &str))| {
                format!("{a}\"{}\"{b}:{b}{value}{c}", names[at])
            };
            let text: Vec<String> = members.iter().take(count).enumerate().map(text).collect();
            if count == 0 { format!("{{{empty}}}") } else { format!("{{{}}}", text.join(",")) }
        },
    )
}

fn document() -> impl Strategy<Value = String> {
    let value = scalar().prop_recursive(3, 24, 4, |inner| {
        let list = prop::collection::vec((space(), inner.clone(), space()), 0..4);
        prop_oneof![
            object(inner.boxed()),
            list.prop_map(|items| {
                let items: Vec<String> =
                    items.iter().map(|(a, value, b)| format!("{a}{value}{b}")).collect();
                format!("[{}]", items.join(","))
            }),
        ]
    });
    object(value.boxed())
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// Runs a property over a pipeline that is made once.
fn check<S: Strategy>(
    pipeline: &str,
    cases: u32,
    strategy: &S,
    property: impl Fn(&mut Stage, S::Value) -> Result<(), TestCaseError>,
) {
    let stage = RefCell::new(stage(pipeline, &[]));
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let run = |value| property(&mut stage.borrow_mut(), value);
    if let Err(error) = TestRunner::new(config).run(strategy, run) {
        panic!("{error}");
    }
}

#[test]
fn steps_that_find_nothing_change_nothing() {
    let pipeline =
        "  - remove: [nothing, \"x.y\"]\n  - rename: { no: nope }\n  - convert: { none: long }\n";
    check(pipeline, 400, &document(), |stage, source| {
        prop_assert_eq!(stage.written(&source), one_line(&source));
        Ok(())
    });
}

#[test]
fn a_new_member_is_the_only_new_thing() {
    let pipeline = "  - set: { new: 1 }\n";
    check(pipeline, 400, &document(), |stage, source| {
        let out = stage.written(&source);
        let addition = if out.contains(",\"new\":1") { ",\"new\":1" } else { "\"new\":1" };
        let at = out.rfind(addition).unwrap();
        prop_assert_eq!(
            format!("{}{}", &out[..at], &out[at + addition.len()..]),
            one_line(&source)
        );
        Ok(())
    });
}

#[test]
fn set_does_what_the_oracle_does() {
    let pipeline = "  - set: { c: 1.5, new: [{}] }\n";
    check(pipeline, 400, &document(), |stage, source| {
        let mut expected = Tree::parse(&source);
        expected.set("c", Tree::Scalar("1.5".to_owned()));
        expected.set("new", Tree::parse("[{}]"));
        let out = stage.written(&source);
        prop_assert_eq!(Tree::parse(&out), expected);
        Ok(())
    });
}

#[test]
fn set_below_the_top_does_what_the_oracle_does() {
    let pipeline = "  - set: { a.d: 7 }\n";
    check(pipeline, 400, &document(), |stage, source| {
        let mut expected = Tree::parse(&source);
        let value = Tree::Scalar("7".to_owned());
        let possible = match expected.get("a") {
            None | Some(Tree::Object(_)) => true,
            Some(Tree::Scalar(text)) => text == "null",
            Some(Tree::List(_)) => false,
        };
        let became = stage.run(&source);
        if !possible {
            prop_assert!(matches!(became, Became::Refused(_)));
            return Ok(());
        }
        match expected.get("a") {
            Some(object @ Tree::Object(_)) => object.set("d", value),
            _ => expected.set("a", Tree::Object(vec![("d".to_owned(), value)])),
        }
        let Became::Written(out) = became else { panic!("not written") };
        prop_assert_eq!(Tree::parse(&out), expected);
        Ok(())
    });
}

#[test]
fn remove_and_rename_do_what_the_oracle_does() {
    let pipeline =
        "  - remove: [b, '\"q\\\"\\\\\"']\n  - rename: { c: C }\n  - remove: d.\"a.b\"\n";
    check(pipeline, 400, &document(), |stage, source| {
        let mut expected = Tree::parse(&source);
        expected.members().retain(|(name, _)| name != "b" && name != "q\"\\");
        for (name, _) in expected.members() {
            if name == "c" {
                *name = "C".to_owned();
            }
        }
        if let Some(Tree::Object(members)) = expected.get("d") {
            members.retain(|(name, _)| name != "a.b");
        }
        match stage.run(&source) {
            Became::Written(out) => prop_assert_eq!(Tree::parse(&out), expected),
            // A list where the path goes on is the one thing that is refused.
            _ => prop_assert!(matches!(expected.get("d"), Some(Tree::List(_)))),
        }
        Ok(())
    });
}

#[test]
fn copies_are_what_stood_there() {
    let pipeline = "  - lookup: { index: r, key: key, match: id, as: r }\n  - copy: { x: r.row.a, y: \"r.row.b[]\", z: doc.c }\n";
    check("  []\n", 100, &(document(), document()), |_, (source, row)| {
        let row = format!("{{\"id\":1,\"row\":{row}}}");
        let source = format!("{{\"key\":1,\"doc\":{source},\"c\":1e1}}");
        let mut out = Tree::parse(&stage(pipeline, &[&[&row]]).written(&source));
        let mut row = Tree::parse(&row);
        let row = row.get("row").unwrap();
        let null = Tree::Scalar("null".to_owned());
        let mut x = row.get("a").cloned().unwrap_or(null.clone());
        prop_assert_eq!(out.get("x"), Some(&mut x));
        let y = match row.get("b").cloned() {
            None => Vec::new(),
            Some(Tree::List(items)) => items,
            Some(value) => vec![value],
        };
        let y = y.into_iter().filter(|value| *value != null).collect();
        prop_assert_eq!(out.get("y"), Some(&mut Tree::List(y)));
        prop_assert_eq!(out.get("z"), Some(&mut Tree::Scalar("1e1".to_owned())));
        Ok(())
    });
}

#[test]
fn nothing_but_json_comes_out_and_nothing_panics() {
    let pipeline = "  - set: { a.b: 1 }\n  - remove: c\n  - convert: { d: long }\n";
    check(pipeline, 400, &".{0,60}", |stage, source| {
        if let Became::Written(out) = stage.run(&source) {
            prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&out).is_ok(), "{}", out);
        }
        Ok(())
    });
}
