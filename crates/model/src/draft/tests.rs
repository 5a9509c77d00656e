use std::collections::BTreeMap;

use super::*;
use crate::id::{AliasName, IndexName, IndexUuid};
use crate::observe::AliasProps;
use crate::recipe::Recipe;

fn index(name: &str) -> SeenIndex {
    let props = AliasProps { filter: Some(json!({ "term": { "a": 1 } })), ..AliasProps::default() };
    SeenIndex {
        name: IndexName::new(name),
        uuid: IndexUuid::new("u"),
        open: true,
        system: false,
        data_stream: None,
        aliases: BTreeMap::from([(AliasName::new("shop"), props)]),
        settings: [
            ("index.number_of_shards".to_owned(), json!("3")),
            ("index.uuid".to_owned(), json!("u")),
        ]
        .into_iter()
        .collect(),
        mappings: json!({
            "_routing": { "required": true },
            "_meta": { "segue": { "migration": "other" }, "team": "shop" },
            "properties": {
                "@timestamp": { "type": "date" },
                "parts": { "type": "nested", "properties": { "n": { "type": "long" } } }
            }
        }),
        docs: 12,
        bytes: 2_500_000,
        shards: 3,
        replicas: 1,
        copies: None,
    }
}

fn wanted() -> Wanted {
    Wanted {
        cluster: vec!["url: \"http://localhost:9200\"".to_owned()],
        template: Some("t.json".to_owned()),
        ..Wanted::default()
    }
}

fn read(text: &str) -> Recipe {
    Recipe::parse(text, "draft", &BTreeMap::new(), &|_| None)
        .unwrap_or_else(|e| panic!("{}\n{text}", e.render()))
}

#[test]
fn a_draft_is_a_recipe_and_says_what_was_seen() {
    let seen = [index("products")];
    let drafted = draft(&Series::one("products"), "OpenSearch 3.8.0", &seen, &[], &wanted());
    let recipe = read(&drafted.recipe);
    assert_eq!(recipe.name, "products-v2");
    assert!(recipe.source.matches("products").is_some());
    assert!(recipe.cutover.is_fed_back());
    for words in [
        "12 documents, 3 MB",
        "nested: parts",
        "routing is required",
        "shop of products moves too with its filter",
    ] {
        assert!(drafted.recipe.contains(words), "{words:?} is not in\n{}", drafted.recipe);
    }
    let template = drafted.template.unwrap();
    assert_eq!(template["settings"], json!({ "index.number_of_shards": "3" }));
    assert_eq!(template["mappings"]["_meta"], json!({ "team": "shop" }));
}

#[test]
fn versions_of_the_application_are_kept() {
    let read_one = Sampled { seq_no: 0, version: 1_700_000_000 };
    let seen = [index("products")];
    let drafted = draft(&Series::one("products"), "x", &seen, &[read_one], &wanted());
    assert!(!read(&drafted.recipe).cutover.is_fed_back());
    assert!(drafted.recipe.contains("versions: preserve"));
}

#[test]
fn names_that_differ_in_one_place_are_a_series() {
    type Row<'a> = (&'a [&'a str], &'a str, Option<(&'a str, &'a str)>);
    let table: [Row<'_>; 8] = [
        (&["a-2024-01", "a-2024-02"], "a-{month}", Some(("month", r"\d{4}[-.]\d{2}"))),
        (&["a-2024-01", "a-2023-12"], "a-{month}", Some(("month", r"\d{4}[-.]\d{2}"))),
        (
            &["a-2024.01.31-x", "a-2024.02.01-x"],
            "a-{day}-x",
            Some(("day", r"\d{4}[-.]\d{2}[-.]\d{2}")),
        ),
        (&["logs-000001", "logs-000012"], "logs-{number}", Some(("number", r"\d+"))),
        (&["p-de", "p-en", "p-es"], "p-{part}", Some(("part", "[a-z0-9]+"))),
        (&["de-p", "en-p"], "{part}-p", Some(("part", "[a-z0-9]+"))),
        (&["p-a_b", "p-c-d"], "p-{part}", Some(("part", "[a-z0-9_.-]+"))),
        (&["only"], "only", None),
    ];
    for (names, pattern, capture) in table {
        let series = Series::of("what", names).unwrap();
        assert_eq!(series.pattern, pattern);
        let capture = capture.map(|(name, regex)| (name.to_owned(), regex.to_owned()));
        assert_eq!(series.capture, capture, "{names:?}");
        let seen: Vec<_> = names.iter().map(|name| index(name)).collect();
        let recipe = read(&draft(&series, "x", &seen, &[], &wanted()).recipe);
        for name in names {
            assert!(recipe.source.matches(name).is_some(), "{name} by {pattern}");
        }
    }
}

#[test]
fn names_without_anything_in_common_are_none() {
    assert_eq!(Series::of("what", &["a", "a-b"]), None);
    assert_eq!(Series::of("what", &[]), None);
}
