use std::collections::BTreeMap;

use serde_json::{Map, json};

use super::*;
use crate::id::{IndexName, IndexUuid};
use crate::recipe::Recipe;

fn index(mappings: Value, settings: &[(&str, &str)]) -> SeenIndex {
    let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
    SeenIndex {
        name: IndexName::new("a"),
        uuid: IndexUuid::new("u"),
        open: true,
        system: false,
        data_stream: None,
        aliases: BTreeMap::new(),
        settings: settings.collect(),
        mappings,
        docs: 1,
        bytes: 1,
        shards: 1,
        replicas: 0,
        copies: None,
    }
}

fn shape(pipeline: &str) -> Shape {
    let text = format!(
        "segue: 1\nname: r\ncluster: {{ url: 'http://localhost:9200' }}\nsource: {{ index: a }}\n\
         target: {{ index: b }}\npipeline: {pipeline}\ncutover: {{ mode: block }}\n"
    );
    Shape::of(&Recipe::parse(&text, "r.yaml", &BTreeMap::new(), &|_| None).unwrap())
}

fn between(pipeline: &str, source: Value, target: Value) -> Difference {
    let body = TargetBody { settings: Map::new(), mappings: target };
    difference(&shape(pipeline), &index(source, &[]), &body, None, Vec::new())
}

fn fields(properties: &Value) -> Value {
    json!({ "properties": properties })
}

fn lines(difference: &Difference) -> Vec<String> {
    let text = difference.to_string();
    text.lines().skip(1).map(|line| line.trim().to_owned()).collect()
}

#[test]
fn what_is_alike_is_no_difference() {
    let mapping = json!({ "dynamic": "true", "properties": {
        "a": { "type": "text", "fields": { "raw": { "type": "keyword", "ignore_above": 256 } } },
        "o": { "properties": { "n": { "type": "long" } } },
    }});
    let mut spelled = mapping.clone();
    spelled["dynamic"] = json!(true);
    spelled["_meta"] = json!({ "own": 1 });
    spelled["properties"]["o"]["type"] = json!("object");
    spelled["properties"]["o"]["properties"]["n"]["index"] = json!(true);
    spelled["properties"]["a"]["fields"]["raw"]["ignore_above"] = json!("256");
    let found = between("[]", mapping, spelled);
    assert!(found.is_empty(), "{found:#?}");
    assert_eq!(found.to_string(), "");
}

/// Type in the source, field in the target, what becomes of values.
#[test]
fn every_change_of_a_type_is_judged() {
    use Effect::{AsBefore, LessPrecise, MayBeRefused, NotSearchable, SearchedOtherwise};
    let table = [
        ("integer", json!({ "type": "long" }), AsBefore),
        ("long", json!({ "type": "integer" }), MayBeRefused),
        ("long", json!({ "type": "integer", "ignore_malformed": true }), NotSearchable),
        ("unsigned_long", json!({ "type": "long" }), MayBeRefused),
        ("long", json!({ "type": "unsigned_long" }), MayBeRefused),
        ("short", json!({ "type": "float" }), AsBefore),
        ("long", json!({ "type": "float" }), LessPrecise),
        ("long", json!({ "type": "double" }), LessPrecise),
        ("integer", json!({ "type": "double" }), AsBefore),
        ("double", json!({ "type": "float" }), LessPrecise),
        ("float", json!({ "type": "double" }), AsBefore),
        ("double", json!({ "type": "long" }), MayBeRefused),
        ("double", json!({ "type": "half_float" }), MayBeRefused),
        ("double", json!({ "type": "scaled_float", "scaling_factor": 100 }), LessPrecise),
        ("keyword", json!({ "type": "date" }), MayBeRefused),
        ("keyword", json!({ "type": "long" }), MayBeRefused),
        ("keyword", json!({ "type": "boolean" }), MayBeRefused),
        ("keyword", json!({ "type": "boolean", "ignore_malformed": true }), MayBeRefused),
        ("keyword", json!({ "type": "ip" }), MayBeRefused),
        ("keyword", json!({ "type": "text" }), SearchedOtherwise),
        ("keyword", json!({ "type": "wildcard" }), AsBefore),
        ("keyword", json!({ "type": "constant_keyword" }), MayBeRefused),
        ("text", json!({ "type": "keyword" }), MayBeRefused),
        ("text", json!({ "type": "keyword", "ignore_above": 256 }), SearchedOtherwise),
        ("text", json!({ "type": "match_only_text" }), AsBefore),
        ("long", json!({ "type": "keyword" }), SearchedOtherwise),
        ("long", json!({ "type": "date" }), SearchedOtherwise),
        ("long", json!({ "type": "date", "format": "yyyy-MM-dd" }), MayBeRefused),
        ("boolean", json!({ "type": "keyword" }), AsBefore),
        ("boolean", json!({ "type": "byte" }), MayBeRefused),
        ("date", json!({ "type": "date_nanos" }), MayBeRefused),
        ("date_nanos", json!({ "type": "date" }), LessPrecise),
        ("date", json!({ "type": "keyword" }), SearchedOtherwise),
        ("object", json!({ "type": "nested" }), SearchedOtherwise),
        ("nested", json!({ "type": "object" }), SearchedOtherwise),
        ("object", json!({ "type": "flat_object" }), SearchedOtherwise),
        ("object", json!({ "type": "long", "ignore_malformed": true }), MayBeRefused),
        ("keyword", json!({ "type": "object" }), MayBeRefused),
        ("geo_point", json!({ "type": "geo_shape" }), MayBeRefused),
        ("knn_vector", json!({ "type": "float" }), MayBeRefused),
    ];
    for (from, to, effect) in table {
        let found =
            between("[]", fields(&json!({ "f": { "type": from } })), fields(&json!({ "f": to })));
        let changed = &found.changed[0];
        assert_eq!(
            (changed.what.as_str(), changed.effect),
            ("type", effect),
            "{from} {to}: {changed:?}"
        );
        let silent = effect == AsBefore;
        assert_eq!(changed.why.is_empty(), silent, "{changed:?}");
        assert_eq!(found.narrowed().is_empty(), !effect.narrows());
    }
}

#[test]
fn every_change_of_a_parameter_is_judged() {
    use Effect::{AsBefore, LessPrecise, MayBeRefused, NotSearchable, SearchedOtherwise};
    let table = [
        (json!({ "type": "text" }), json!({ "analyzer": "german" }), SearchedOtherwise),
        (json!({ "type": "keyword" }), json!({ "normalizer": "low" }), SearchedOtherwise),
        (json!({ "type": "keyword" }), json!({ "ignore_above": 20 }), NotSearchable),
        (json!({ "type": "keyword", "ignore_above": 20 }), json!({ "ignore_above": 30 }), AsBefore),
        (
            json!({ "type": "keyword", "ignore_above": 20 }),
            json!({ "ignore_above": null }),
            MayBeRefused,
        ),
        (json!({ "type": "keyword" }), json!({ "index": false }), NotSearchable),
        (json!({ "type": "keyword" }), json!({ "doc_values": false }), SearchedOtherwise),
        (json!({ "type": "object" }), json!({ "enabled": false }), NotSearchable),
        (
            json!({ "type": "long", "ignore_malformed": true }),
            json!({ "ignore_malformed": false }),
            MayBeRefused,
        ),
        (json!({ "type": "long" }), json!({ "coerce": false }), MayBeRefused),
        (json!({ "type": "date" }), json!({ "format": "yyyy" }), MayBeRefused),
        (
            json!({ "type": "date", "format": "yyyy" }),
            json!({ "format": "yyyy||epoch_millis" }),
            AsBefore,
        ),
        (json!({ "type": "knn_vector", "dimension": 3 }), json!({ "dimension": 4 }), MayBeRefused),
        (
            json!({ "type": "scaled_float", "scaling_factor": 100 }),
            json!({ "scaling_factor": 10 }),
            LessPrecise,
        ),
        (
            json!({ "type": "object", "dynamic": false }),
            json!({ "dynamic": "strict" }),
            MayBeRefused,
        ),
        (json!({ "type": "object" }), json!({ "dynamic": "strict" }), SearchedOtherwise),
    ];
    for (from, change, effect) in table {
        let mut to = from.clone();
        let (name, value) = change.as_object().unwrap().iter().next().unwrap();
        to[name.as_str()] = value.clone();
        let found = between("[]", fields(&json!({ "f": from })), fields(&json!({ "f": to })));
        assert_eq!(found.changed.len(), 1, "{found:#?}");
        let changed = &found.changed[0];
        assert_eq!((&changed.what, changed.effect), (name, effect), "{changed:?}");
    }
}

#[test]
fn what_happens_to_a_lost_field_is_said_by_the_innermost_rule() {
    let source = fields(&json!({
        "gone": { "type": "long" },
        "title": { "type": "text", "fields": { "raw": { "type": "keyword" } } },
        "o": { "properties": { "x": { "type": "long" }, "y": { "type": "long" } } },
        "flat": { "properties": { "z": { "type": "long" } } },
    }));
    let rest = json!({
        "title": { "type": "text" }, "o": { "dynamic": "strict", "properties": { "y": { "type": "long" } } },
        "flat": { "type": "flat_object" }, "new": { "type": "date" },
    });
    for (dynamic, then) in [
        (json!(true), Then::Guessed),
        (json!(false), Then::NotSearchable),
        (json!("strict"), Then::Refused),
    ] {
        let found =
            between("[]", source.clone(), json!({ "dynamic": dynamic, "properties": rest }));
        let lost: BTreeMap<_, _> = found.lost.iter().map(|l| (l.field.as_str(), l.then)).collect();
        let expected = [("gone", then), ("o.x", Then::Refused), ("title.raw", Then::NotSearchable)];
        assert_eq!(lost, BTreeMap::from(expected), "{dynamic}");
        assert!(found.lost.is_sorted_by_key(|lost| lost.then), "{found:?}");
        let added: Vec<_> = found.added.iter().map(|added| added.field.as_str()).collect();
        assert_eq!(added, ["new"]);
    }
}

#[test]
fn what_the_pipeline_plainly_says_is_taken_into_account() {
    let source = fields(&json!({
        "old": { "properties": { "name": { "type": "keyword" } } },
        "price": { "type": "keyword" },
        "size": { "type": "long" },
        "legacy": { "type": "text" },
        "note": { "type": "text" },
        "at": { "type": "keyword" },
    }));
    let target = fields(&json!({
        "who": { "properties": { "name": { "type": "keyword" } } },
        "price": { "type": "double" },
        "size": { "type": "integer" },
        "note": { "type": "keyword" },
        "at": { "type": "date" },
        "made": { "type": "keyword" },
    }));
    let untouched = between("[]", source.clone(), target.clone());
    assert_eq!(untouched.narrowed().len(), 4, "{untouched}");
    let lost: Vec<_> = untouched.lost.iter().map(|lost| lost.field.as_str()).collect();
    assert_eq!(lost, ["legacy", "old.name"]);
    let pipeline = "[{ rename: { old: who } }, { convert: { price: double, size: integer } }, \
                    { remove: [legacy] }, { set: { note: x, made: y } }, \
                    { date: { at: { from: [epoch_millis], to: iso } } }]";
    let found = between(pipeline, source.clone(), target.clone());
    assert_eq!(found.narrowed(), [""; 0], "{found}");
    assert_eq!(found.lost.len(), 1);
    assert_eq!((found.lost[0].field.as_str(), found.lost[0].then), ("legacy", Then::Removed));
    assert_eq!(found.added.len(), 1);
    assert!(found.added[0].written);
    let text = found.to_string();
    for line in [
        "~ old.name => who.name; renamed by the pipeline",
        "~ price: keyword -> double; its values are converted by the pipeline",
        "~ at: keyword -> date; its values are rewritten by the pipeline",
        "+ made: keyword; written by the pipeline",
        "- legacy: text; removed by the pipeline",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    // Converted to what the target does not take.
    let wide = between("[{ convert: { size: double } }]", source, target);
    assert!(wide.narrowed().iter().any(|n| n.starts_with("size: ")), "{wide}");
    let scripted = between(
        "[{ script: 'doc.x = 1;' }]",
        fields(&json!({ "a": { "type": "long" } })),
        fields(&json!({})),
    );
    assert!(scripted.scripted && scripted.to_string().contains("the script"), "{scripted}");
}

#[test]
fn rules_of_the_whole_mapping_are_told() {
    let strict = |dynamic: Value| json!({ "dynamic": dynamic, "properties": {} });
    for (from, narrows) in [(json!(false), true), (json!(true), false), (json!(null), false)] {
        let found = between("[]", strict(from.clone()), strict(json!("strict")));
        assert_eq!(found.changed[0].effect.narrows(), narrows, "{from}");
    }
    let found = between("[]", json!({}), json!({ "_routing": { "required": true } }));
    assert_eq!(found.changed[0].effect, Effect::MayBeRefused);
    assert!(lines(&found)[0].starts_with("~ mapping _routing: unset -> {\"required\":true}; "));
}

#[test]
fn settings_that_would_be_copied_are_compared_as_texts() {
    let source = index(
        json!({}),
        &[
            ("index.number_of_shards", "1"),
            ("index.refresh_interval", "5s"),
            ("index.analysis.analyzer.a.type", "standard"),
            ("index.mapping.total_fields.limit", "5000"),
            ("index.creation_date", "1"),
            ("index.routing.allocation.include._tier_preference", "data_content"),
        ],
    );
    let settings = [
        ("index.number_of_shards", json!(2)),
        ("index.refresh_interval", json!("5s")),
        ("index.codec", json!("best_compression")),
        ("index.mapping.total_fields.limit", json!(2000)),
    ];
    let settings = settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let body = TargetBody { settings, mappings: json!({}) };
    let found = difference(&shape("[]"), &source, &body, None, Vec::new());
    assert_eq!(
        lines(&found),
        [
            "~ index.mapping.total_fields.limit: 5000 -> 2000; documents beyond the limit are refused",
            "- index.analysis.analyzer.a.type: standard -> unset; texts are taken apart otherwise",
            "+ index.codec = best_compression",
            "~ index.number_of_shards: 1 -> 2",
        ]
    );
    assert_eq!(found.narrowed(), ["index.mapping.total_fields.limit: 5000 -> 2000"]);
    // What the whole index lets pass, its fields let pass.
    let lenient = Map::from_iter([("index.mapping.ignore_malformed".to_owned(), json!("true"))]);
    let body =
        TargetBody { settings: lenient, mappings: fields(&json!({ "f": { "type": "long" } })) };
    let source = index(fields(&json!({ "f": { "type": "keyword" } })), &[]);
    let found = difference(&shape("[]"), &source, &body, None, Vec::new());
    assert_eq!(found.changed[0].effect, Effect::NotSearchable);
}

#[test]
fn a_target_that_is_there_is_compared_as_it_stands() {
    let source = index(fields(&json!({ "f": { "type": "long" } })), &[]);
    let body = TargetBody { settings: Map::new(), mappings: fields(&json!({})) };
    let widened = index(fields(&json!({ "f": { "type": "long" } })), &[]);
    let shape = shape("[]");
    assert_eq!(difference(&shape, &source, &body, None, Vec::new()).lost.len(), 1);
    assert!(difference(&shape, &source, &body, Some(&widened), Vec::new()).is_empty());
}

#[test]
fn the_text_is_bounded_and_gravest_first() {
    let of = |kind: &str, count: usize| -> Value {
        (0..count).map(|n| (format!("f{n}"), json!({ "type": kind }))).collect::<Map<_, _>>().into()
    };
    let mut target = of("keyword", 25);
    target["f24"] = json!({ "type": "byte" });
    let found = between("[]", fields(&of("long", 25)), fields(&target));
    let lines = lines(&found);
    assert_eq!(lines.len(), 21);
    assert!(lines[0].starts_with("~ f24: long -> byte; values beyond 127"), "{lines:?}");
    assert_eq!(lines[20], "5 more; --json shows all");
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json["changed"].as_array().unwrap().len(), 25);
    assert_eq!(json["changed"][0]["effect"], "may_be_refused");
    let named = Difference { templates: vec!["logs".to_owned()], ..Difference::default() };
    assert!(named.to_string().contains("the index template logs applies"), "{named}");
}
