//! The schema of a recipe of a roll-up.

use serde_json::{Value, json};

use super::words::{
    any_text, boolean, choice, duration, env, exactly, keyed, of, one_of, one_or_more, reference,
    scalar,
};
use super::{count, head, sections, words};

/// The JSON Schema (draft 2020-12) of recipes of roll-ups, language version 1.
///
/// As that of migrations it refuses less than
/// [`RollupRecipe::parse`](crate::recipe::RollupRecipe::parse), and never more.
#[must_use]
pub fn rollup_schema() -> Value {
    let [language, name, vars] = head();
    let mut root = keyed(
        "A segue recipe of a roll-up: what is counted, by which periods and keys, and where to.",
        &["segue", "name", "cluster", "rollup"],
        [
            language,
            name,
            vars,
            ("cluster", sections::cluster()),
            ("rollup", rollup()),
            ("limits", limits()),
        ],
    );
    root["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    root["title"] = json!("segue roll-up");
    root["$defs"] = words::definitions();
    root
}

fn rollup() -> Value {
    let mut rollup = keyed(
        "What is rolled up.",
        &["period", "key", "delta"],
        [
            ("period", choice("How long a period is, in UTC.", &["hour", "day", "month"], None)),
            (
                "start",
                any_text(
                    "The first period, such as \"2025-01-01\"; what is older is counted nowhere. Without it, or empty, that of the first document.",
                ),
            ),
            ("key", key()),
            ("sources", named("What is counted, by name.", source())),
            ("entities", entities()),
            ("dimensions", named("What numbers are broken down by, by name.", dimension())),
            ("delta", output("Where what each period adds is written.")),
            ("snapshot", output("Where the sums are written; without it there are none.")),
            ("after", after()),
            (
                "flat",
                boolean(
                    "One plain document for each source, period and key of which something was counted, and none for others.",
                    false,
                ),
            ),
        ],
    );
    rollup["oneOf"] = json!([{ "required": ["sources"] }, { "required": ["entities"] }]);
    rollup
}

fn key() -> Value {
    let field = reference(
        "path_into_lists",
        "The field whose values are keys; a document with several counts for each.",
    );
    keyed(
        "What there is a document for in each period.",
        &["as"],
        [
            ("field", field),
            ("as", any_text("The key's field in what is written.")),
            ("all", any_text("The key of everything.")),
        ],
    )
}

/// A mapping from names to what `value` says, with at least one.
fn named(description: &str, value: Value) -> Value {
    let mut schema = of(description, json!({ "type": "object", "minProperties": 1 }));
    schema["additionalProperties"] = value;
    schema
}

fn query() -> Value {
    of("A query, as the engines write it, that documents must match.", json!({ "type": "object" }))
}

fn index() -> Value {
    any_text("An index, an alias or a pattern with `*`; `{x}` is a variable.")
}

fn source() -> Value {
    keyed(
        "Documents that are counted.",
        &["index", "date", "metrics"],
        [
            ("index", index()),
            ("date", reference("path", "The field that says which period a document belongs to.")),
            ("query", query()),
            ("metrics", named("Numbers, by name.", metric())),
            (
                "copy",
                of(
                    "Fields that are taken over from the latest document; of flat roll-ups only.",
                    json!({ "type": "array", "items": { "type": "string" } }),
                ),
            ),
        ],
    )
}

fn metric() -> Value {
    let condition = |description: &str| exactly(1, named(description, scalar("The value.")));
    let path = |description| reference("path_into_lists", description);
    let number = keyed(
        "A number of a field, or of documents that fulfil a condition.",
        &[],
        [
            ("unique", path("How many distinct values of this field, exactly.")),
            ("sum", path("The sum of this field's numbers.")),
            ("where", condition("Only documents with this value in this field.")),
            ("unless", condition("Only documents without this value in this field.")),
        ],
    );
    one_of("A number: `count`, or one of a field.", [json!({ "const": "count" }), env(), number])
}

fn entities() -> Value {
    let path = |description| reference("path", description);
    let members = keyed(
        "The documents that say of what entities became members, and of what no more.",
        &["index", "id", "key", "date", "change"],
        [
            ("index", index()),
            ("id", path("The field with the entity's id.")),
            ("key", path("The field with the key.")),
            ("date", path("When it happened.")),
            ("query", query()),
            ("change", path("The field that says what happened.")),
            ("added", any_text("Its value where the entity became a member; `added` without it.")),
            ("removed", any_text("Its value where it is one no more; `removed` without it.")),
        ],
    );
    keyed(
        "Things that come and go: they are counted where they come and where they go.",
        &["index", "id", "from", "metrics"],
        [
            ("index", index()),
            ("id", path("The field that tells one from another.")),
            ("from", path("When one begins.")),
            ("until", path("When one ends, and is a member of nothing any more.")),
            ("query", query()),
            ("added", any_text("The name of what came; `added` without it.")),
            ("removed", any_text("The name of what went; `removed` without it.")),
            ("members", members),
            (
                "metrics",
                named(
                    "Numbers, by name: `GROUP.NAME`, or `NAME` for one of what came only.",
                    metric(),
                ),
            ),
        ],
    )
}

fn dimension() -> Value {
    let path = |description| reference("path_into_lists", description);
    let objects = keyed(
        "A field with objects, or several fields.",
        &["each"],
        [
            (
                "each",
                one_or_more("The field, or fields, whose values they are.", "path_into_lists"),
            ),
            ("id", path("Where values are objects, the member that tells them apart.")),
            ("label", path("Where values are objects, the member that names them.")),
            ("top", count("How many of them snapshots list; all without it.", 1..=10_000, None)),
        ],
    );
    let list = json!({
        "type": "array", "minItems": 1, "items": words::reference_only("path_into_lists")
    });
    one_of(
        "A field with texts or lists of them; a list of fields; or `each` with more.",
        [words::reference_only("path_into_lists"), list, objects],
    )
}

fn output(description: &str) -> Value {
    let bookmark = keyed(
        "Bookmarks for somebody else who reads them: documents `NAME_KEY`.",
        &["index", "name"],
        [("index", any_text("Their index.")), ("name", any_text("The kind of aggregation."))],
    );
    keyed(
        description,
        &["index"],
        [
            (
                "index",
                reference(
                    "index",
                    "Its name, of `{year}`, `{month}` and `{day}` of the period; of flat roll-ups also of `{source}`.",
                ),
            ),
            (
                "template",
                any_text(
                    "File with `settings`, `mappings` and `aliases`, relative to the recipe. Without it segue makes a mapping.",
                ),
            ),
            ("bookmark", bookmark),
        ],
    )
}

fn after() -> Value {
    let name = json!({ "type": "string" });
    one_of(
        "Migrations that must have switched an index before it is rolled up.",
        [name.clone(), json!({ "type": "array", "items": name })],
    )
}

fn limits() -> Value {
    keyed(
        "How much a run may use.",
        &[],
        [
            ("page_docs", count("Documents of one request.", 1..=10_000, Some(5000))),
            (
                "docs_at_once",
                count(
                    "Documents of the periods that are read together.",
                    1..=100_000_000,
                    Some(50_000),
                ),
            ),
            (
                "values_at_once",
                count(
                    "Distinct values that are kept in memory, each some 20 bytes.",
                    1_000..=1_000_000_000,
                    Some(4_000_000),
                ),
            ),
            ("retries", count("How often a refused write is tried again.", 0..=100, Some(5))),
            ("retry_delay", duration("After which time.", Some("2s"))),
            (
                "lease_ttl",
                duration(
                    "After which time without a sign of life another process counts as gone; at least 1 s.",
                    Some("30s"),
                ),
            ),
        ],
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::recipe::RollupRecipe;
    use crate::recipe::schema::tests::{blocks, root, yaml_files};

    /// Every mapping that the schema knows, each with a mark for one key more.
    const FULL: &str = r#"
segue: 1
name: r
#top
vars: { prefix: "" }
cluster: { url: http://h:9200 }
limits: { page_docs: 5, docs_at_once: 5, values_at_once: 5000, retries: 1, retry_delay: 1s, lease_ttl: 9s, #1
  }
rollup:
  #2
  period: day
  key: { as: k, all: all, #3
    }
  entities:
    #4
    index: e
    id: id
    from: created
    until: gone.at
    query: { term: { x: y } }
    added: in
    removed: out
    members: { index: m, id: id, key: k, date: at, query: {}, change: c, added: a, removed: b, #5
      }
    metrics:
      records.n: { unless: { a.b: true }, #6
        }
      records.m: count
      size: { sum: "x[].y", where: { a: 1 } }
  dimensions:
    a: x
    b: [x, y.z]
    c: { each: [x, y], id: id, label: l, top: 5, #7
      }
  delta: { index: "d-{year}", template: t.json, bookmark: { index: b, name: n, #8
      }, #9
    }
  snapshot: { index: "s-{year}" }
  after: [one, two]
"#;

    const FLAT: &str = r#"
segue: 1
name: r
cluster: { url: http://h:9200 }
rollup:
  period: day
  start: "2025-01-01"
  flat: true
  key: { field: "k[].id", as: k }
  sources:
    a: { index: "x*", date: at, query: {}, metrics: { n: count, u: { unique: v } }, copy: [c], #1
      }
  delta: { index: "{source}-{year}" }
  after: one
"#;

    fn objections(text: &str) -> Option<String> {
        let tree = crate::recipe::node::read(text).ok()?;
        let recipe = crate::recipe::cursor::constant(&tree, "a recipe").ok()?;
        let validator = jsonschema::draft202012::new(&rollup_schema()).unwrap();
        let said: Vec<String> =
            validator.iter_errors(&recipe).map(|e| format!("{}: {e}", e.instance_path())).collect();
        if said.is_empty() { None } else { Some(said.join("\n")) }
    }

    fn is_read(text: &str) -> bool {
        RollupRecipe::parse(text, "r.yaml", &BTreeMap::new(), &|_| None).is_ok()
    }

    #[test]
    fn it_is_a_schema_and_its_copy_is_up_to_date() {
        assert!(jsonschema::meta::is_valid(&rollup_schema()));
        let file = root().join("docs/reference/rollup.schema.json");
        let kept = std::fs::read_to_string(file).unwrap();
        let now = format!("{:#}\n", rollup_schema());
        assert!(
            kept == now,
            "run: segue recipe schema --rollup > docs/reference/rollup.schema.json"
        );
    }

    #[test]
    fn shipped_recipes_and_examples_are_accepted() {
        let mut files = Vec::new();
        yaml_files(&root().join("recipes"), &mut files);
        let texts = files.iter().map(|file| std::fs::read_to_string(file).unwrap());
        let examples = blocks("docs/how-to/roll-ups.md").into_iter();
        let texts: Vec<_> =
            texts.chain(examples).filter(|text| RollupRecipe::is_meant(text)).collect();
        assert!(texts.len() >= 5, "{}", texts.len());
        for text in texts {
            assert!(is_read(&text), "{text}");
            assert_eq!(objections(&text), None, "{text}");
        }
    }

    #[test]
    fn it_knows_the_keys_that_the_reader_knows() {
        for (text, marks) in [(FULL, 9), (FLAT, 1)] {
            let read = RollupRecipe::parse(text, "r.yaml", &BTreeMap::new(), &|_| None);
            assert!(read.is_ok(), "{read:?}");
            assert_eq!(objections(text), None);
            for mark in 1..=marks {
                let marked = format!("#{mark}\n");
                assert!(text.contains(&marked), "{mark}");
                let with = text.replace(&marked, "zzzz: 1\n");
                assert!(!is_read(&with), "{mark}");
                assert!(objections(&with).is_some(), "{mark}");
            }
        }
    }

    #[test]
    fn what_it_refuses_the_reader_refuses() {
        for (from, to) in [
            ("period: day", "period: week"),
            ("top: 5", "top: 0"),
            ("metrics:\n", "metrics: {}\n    other:\n"),
            ("{ unless: { a.b: true }", "{ unless: { a.b: true, c: 1 }"),
            ("records.m: count", "records.m: counted"),
            ("    id: id\n    from", "    from"),
            ("page_docs: 5,", "page_docs: 10001,"),
        ] {
            assert!(FULL.contains(from), "{from}");
            let text = FULL.replacen(from, to, 1);
            assert!(objections(&text).is_some(), "{to}");
            assert!(!is_read(&text), "{to}");
        }
    }
}
