//! Recipes that are right, and the many ways to get one wrong.

mod mistakes;
mod names;
mod refusals;

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;

pub(super) fn parse(text: &str) -> Result<Recipe, Error> {
    Recipe::parse(text, "r.yaml", &BTreeMap::new(), &|_| None)
}

fn vars(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The smallest recipe, with more appended.
pub(super) fn with(more: &str) -> String {
    format!(
        "segue: 1\nname: r\ncluster: {{ url: http://h:9200 }}\n\
         source: {{ index: \"a-{{m}}\", match: {{ m: '\\d+' }} }}\ntarget: {{ index: \"{{source}}-v2\" }}\n{more}"
    )
}

const LOOKUP: &str = "  - lookup: { index: rows, key: k, match: id, as: row }\n";

pub(super) fn with_steps(steps: &str) -> String {
    with(&format!("pipeline:\n{LOOKUP}{steps}"))
}

#[test]
fn the_smallest_recipe_has_sensible_defaults() {
    let recipe = parse(&with("")).unwrap();
    assert_eq!(recipe.name, "r");
    assert_eq!(recipe.pipeline, []);
    assert_eq!(recipe.limits, Limits::default());
    assert_eq!(recipe.cutover, CutoverSpec::default());
    assert_eq!(recipe.verify, VerifySpec::default());
    assert_eq!(recipe.cluster.auth, AuthRef::None);
    assert_eq!(recipe.target.template, None);
}

#[test]
fn every_section_is_read() {
    let recipe = parse(
        r#"
segue: 1
name: all-of-it
cluster:
  url: https://h:9200/
  auth: { basic: { user: u, password: { env: PW } } }
  tls: { verify: false, ca: ca.pem }
source: { index: "a-{m}", match: { m: '\d+' }, done_if_mapped: [x.y], may_be_empty: true }
target: { index: "{source}-v2", template: "t/{m}.json", settings: { number_of_replicas: 0, a: { b: [1.5, ~] } } }
verify: { counts: exact, required: [a, b.c], content: none }
cutover: { mode: block, start: manual, alias: "r-{m}", quiet_for: 2s, after_switch: target_accepts_both, max_pause: 250ms, max_dead_letters: 7 }
limits: { batch_docs: 1, max_batches: 9, batch_bytes: 64kb, lanes: 2, parts: 3, retries: 0, retry_delay: 1s, max_memory_percent: 50,
  heap_percent: 60, disk_percent: 70, health_wait: 2h, lease_ttl: 10s, docs_per_second: 500 }
"#,
    )
    .unwrap();
    assert_eq!(recipe.cluster.url, "https://h:9200");
    let password = SecretRef::Env("PW".to_owned());
    assert_eq!(recipe.cluster.auth, AuthRef::Basic { user: "u".to_owned(), password });
    assert_eq!(recipe.cluster.tls, TlsRef { verify: false, ca: Some("ca.pem".to_owned()) });
    assert_eq!(recipe.source.indices().unwrap().done_if_mapped, [Path::parse("x.y").unwrap()]);
    assert!(recipe.source.indices().unwrap().may_be_empty);
    let settings = serde_json::Value::Object(recipe.target.settings.clone());
    assert_eq!(settings.to_string(), r#"{"a":{"b":[1.5,null]},"number_of_replicas":0}"#);
    assert_eq!(recipe.verify.required.len(), 2);
    assert_eq!(recipe.verify.content, ContentCheck::None);
    assert_eq!(recipe.cutover.start, CutoverStart::Manual);
    assert_eq!(recipe.cutover.max_pause, Duration::from_millis(250));
    assert_eq!(recipe.cutover.max_dead_letters, 7);
    assert_eq!(recipe.cutover.quiet_for, Some(Duration::from_secs(2)));
    assert_eq!(recipe.cutover.after_switch, Some(AfterSwitch::TargetAcceptsBoth));
    let expected = Limits {
        batch_docs: 1,
        max_batches: Some(9),
        batch_bytes: 65_536,
        lanes: 2,
        parts: 3,
        retries: 0,
        retry_delay: Duration::from_secs(1),
        max_memory_percent: 50,
        heap_percent: 60,
        disk_percent: Some(70),
        health_wait: Duration::from_hours(2),
        lease_ttl: Duration::from_secs(10),
        docs_per_second: DocsPerSecond::AtMost(500),
    };
    assert_eq!(recipe.limits, expected);
}

#[test]
fn every_step_is_read() {
    let recipe = parse(&with(
        r#"
pipeline:
  - lookup: { index: "x-{m}", key: a.b, match: id, as: row, as_of: start, on_missing: dead_letter, multiple: { sort: at, order: desc, limit: 5 } }
  - copy: { a: "row[].b", b: { from: ["row[].c", doc.d], pick: [x, y.z], default: [1] }, c: row }
  - set: { d: { z: 1, y: [true, null, "x"] } }
  - rename: { e: f.g }
  - remove: [h, "i[].j"]
  - remove: k
  - convert: { l: long, "m[].n": boolean }
  - filter: { drop_if: { field: o, equals: 1 }, reason: r1 }
  - filter: { keep_if: { field: p, in: [x, 2, true] }, reason: r2 }
  - filter: { drop_if: { field: q, exists: false }, reason: r3 }
  - filter: { drop_if: { field: q, missing: false }, reason: r4 }
"#,
    ))
    .unwrap();
    let path = |text: &str| Path::parse(text).unwrap();
    let Step::Lookup(lookup) = &recipe.pipeline[0] else { panic!("no lookup") };
    assert_eq!(lookup.on_missing, OnMissing::DeadLetter);
    let multiple = Multiple { sort: path("at"), order: Order::Desc, limit: 5 };
    assert_eq!(lookup.multiple, Some(multiple));
    let Step::Copy(copy) = &recipe.pipeline[1] else { panic!("no copy") };
    assert_eq!(copy.fields.len(), 3);
    assert!(copy.fields[0].is_list() && copy.fields[1].is_list() && !copy.fields[2].is_list());
    assert_eq!(copy.fields[1].sources()[1].root, Root::Document);
    assert_eq!(copy.fields[1].default.as_ref().map(Json::as_str), Some("[1]"));
    let Step::Set(set) = &recipe.pipeline[2] else { panic!("no set") };
    assert_eq!(set.fields[0].1.as_str(), r#"{"y":[true,null,"x"],"z":1}"#);
    let Step::Convert(convert) = &recipe.pipeline[6] else { panic!("no convert") };
    assert_eq!(convert.fields[1], (path("m[].n"), ConvertKind::Boolean));
    let test = |step: &Step| match step {
        Step::Filter(Filter { when: FilterWhen::Drop(test) | FilterWhen::Keep(test), .. }) => {
            test.clone()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(test(&recipe.pipeline[9]), Predicate::Missing(path("q")));
    assert_eq!(test(&recipe.pipeline[10]), Predicate::Exists(path("q")));
}

#[test]
fn steps_for_values_are_read() {
    let recipe = parse(&with(
        r#"
pipeline:
  - date: { t: { from: [iso, "dd.MM.yyyy"], to: epoch_millis, zone: "+02:00", to_zone: UTC } }
  - split: { a: ",", "b[].c": { by: "; ", trim: true, skip_empty: true } }
  - join: { d: "" }
  - map: { e: { values: { 1: one, true: ~, x: { y: [1] } } }, f: { values: { a: b }, otherwise: keep }, g: { values: { a: b }, default: 7 } }
  - default: { h.i: [1.5] }
  - truncate: { j: 80 }
"#,
    ))
    .unwrap();
    let path = |text: &str| Path::parse(text).unwrap();
    let Step::Date(date) = &recipe.pipeline[0] else { panic!("no date") };
    let rule = &date.fields[0].1;
    assert_eq!((rule.from.len(), &rule.to), (2, &DateFormat::EpochMillis));
    assert_eq!((rule.zone.minutes, rule.to_zone.minutes), (120, 0));
    let Step::Split(split) = &recipe.pipeline[1] else { panic!("no split") };
    let whole = SplitRule { by: ",".to_owned(), trim: false, skip_empty: false };
    assert_eq!(split.fields[0], (path("a"), whole));
    let parts = SplitRule { by: "; ".to_owned(), trim: true, skip_empty: true };
    assert_eq!(split.fields[1], (path("b[].c"), parts));
    let Step::Join(join) = &recipe.pipeline[2] else { panic!("no join") };
    assert_eq!(join.fields, [(path("d"), String::new())]);
    let Step::Map(map) = &recipe.pipeline[3] else { panic!("no map") };
    let values: Vec<_> =
        map.fields[0].1.values.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
    assert_eq!(values, [("1", "\"one\""), ("true", "null"), ("x", r#"{"y":[1]}"#)]);
    let otherwise: Vec<_> = map.fields.iter().map(|(_, table)| &table.otherwise).collect();
    let seven = Otherwise::Put(Json::from_value(&serde_json::json!(7)));
    assert_eq!(otherwise, [&Otherwise::DeadLetter, &Otherwise::Keep, &seven]);
    let Step::Default(set) = &recipe.pipeline[4] else { panic!("no default") };
    assert_eq!((&set.fields[0].0, set.fields[0].1.as_str()), (&path("h.i"), "[1.5]"));
    let Step::Truncate(cut) = &recipe.pipeline[5] else { panic!("no truncate") };
    assert_eq!(cut.fields, [(path("j"), 80)]);
}

#[test]
fn variables_come_from_the_recipe_the_environment_and_the_command_line() {
    let text = "segue: 1\nname: r\nvars: { prefix: \"${P:-}\", n: x }\n\
                cluster: { url: \"${URL:-http://h:1}\" }\n\
                source: { index: \"{prefix}a\" }\ntarget: { index: \"{prefix}b-{n}\" }\n\
                limits: { lanes: \"${LANES:-3}\", docs_per_second: \"${RATE:-auto}\" }\n";
    for (set, env, source, target, lanes) in [
        (vec![], vec![], "a", "b-x", 3),
        (vec![("prefix", "p-")], vec![("P", "q-")], "p-a", "p-b-x", 3),
        (vec![("n", "9")], vec![("P", "q-"), ("LANES", "8")], "q-a", "q-b-9", 8),
    ] {
        let env = vars(&env);
        let recipe = Recipe::parse(text, "r", &vars(&set), &|name| env.get(name).cloned()).unwrap();
        assert_eq!(recipe.wildcard(), source);
        assert_eq!(recipe.target.index.literal(), Some(target));
        assert_eq!(recipe.limits.lanes, lanes);
        assert_eq!(recipe.limits.docs_per_second, DocsPerSecond::Auto);
    }
    let error = Recipe::parse(text, "r", &vars(&[("prefx", "")]), &|_| None).unwrap_err();
    assert_eq!(error.hint(), Some("did you mean `prefix`?"));
    assert_eq!((error.line(), error.column()), (3, 7));
}

#[test]
fn the_fingerprint_is_of_what_the_pipeline_does() {
    let print = |steps: &str| parse(&with_steps(steps)).unwrap().pipeline_fingerprint();
    let base = print("  - copy: { a: row.b, c: { from: row.d, pick: [x] } }\n");
    assert_eq!(base.len(), 32);
    // Spelling doesn't count.
    let same =
        "  - copy:\n      # a remark\n      a: 'row.\"b\"'\n      c: { pick: [x], from: row.d }\n";
    assert_eq!(print(same), base);
    for other in [
        "  - copy: { a: row.b, c: { from: row.d, pick: [y] } }\n",
        "  - copy: { a: row.b, c: row.d }\n",
        "  - copy: { a: row.b, c: { from: [row.d], pick: [x] } }\n",
        "  - copy: { a: row.b }\n  - copy: { c: { from: row.d, pick: [x] } }\n",
        "  - copy: { c: { from: row.d, pick: [x] }, a: row.b }\n",
    ] {
        assert_ne!(print(other), base, "{other}");
    }
    let limits = with_steps("  - set: { a: 1 }\n");
    let faster = format!("{limits}limits: {{ lanes: 9 }}\n");
    let print = |text: &str| parse(text).unwrap().pipeline_fingerprint();
    assert_eq!(print(&limits), print(&faster));
}

#[test]
fn the_usage_events_recipe_is_right() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recipes/invenio/");
    let text = std::fs::read_to_string(format!("{root}usage-events.yaml")).unwrap();
    let prefix = vars(&[("prefix", "kcworks-")]);
    let recipe = Recipe::parse(&text, "usage-events.yaml", &prefix, &|_| None);
    let recipe = recipe.unwrap_or_else(|error| panic!("{}", error.render()));

    let source = "kcworks-events-stats-file-download-2025-06";
    let captures = recipe.source.matches(source).unwrap();
    assert_eq!(captures, vars(&[("event", "file-download"), ("month", "2025-06")]));
    let target = recipe.target.index.render(&captures, source).unwrap();
    assert_eq!(target, "kcworks-events-stats-file-download-2025-06-v2.0.0");
    assert_eq!(recipe.source.matches(&target), None);
    let alias = recipe.cutover.alias.as_ref().unwrap().render(&captures, source).unwrap();
    assert_eq!(alias, "kcworks-events-stats-file-download");

    let Step::Copy(copy) = &recipe.pipeline[1] else { panic!("no copy") };
    for event in ["record-view", "file-download"] {
        let captures = vars(&[("event", event), ("month", "2025-06")]);
        let file = recipe.target.template.as_ref().unwrap();
        let file = file.render_path(&captures, source).unwrap();
        let template = std::fs::read_to_string(format!("{root}{file}")).unwrap();
        let template: serde_json::Value = serde_json::from_str(&template).unwrap();
        assert_eq!(template["mappings"]["dynamic"], "strict");
        // A strict mapping refuses a field that it doesn't know: every copied one must be there.
        let properties = &template["mappings"]["properties"];
        for field in &copy.fields {
            let name = field.target.to_string();
            assert!(properties[&name].is_object(), "{event}: {name}");
            for pick in &field.pick {
                let mut at = &properties[&name];
                for segment in pick.segments() {
                    at = &at["properties"][&segment.name];
                }
                assert!(at.is_object(), "{event}: {name}.{pick}");
            }
        }
    }
}
