use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path as FilePath, PathBuf};

use serde_json::{Value, json};

use super::super::tests::{parse, with, with_steps};
use super::super::{CutoverSpec, Limits, MembershipRecipe, RollupRecipe};
use super::schema;

/// No key and no word of the language, and near to none.
const STRANGER: &str = "zzzzzzzzzzzzzzzzzzzzzzzz";

pub(super) fn root() -> PathBuf {
    FilePath::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What the schema says against a recipe; none = nothing.
pub(in super::super) fn objections(text: &str) -> Option<String> {
    let tree = super::super::node::read(text).ok()?;
    let recipe = super::super::cursor::constant(&tree, "a recipe").ok()?;
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    let said: Vec<String> =
        validator.iter_errors(&recipe).map(|e| format!("{}: {e}", e.instance_path())).collect();
    if said.is_empty() { None } else { Some(said.join("\n")) }
}

pub(super) fn yaml_files(folder: &FilePath, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            yaml_files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "yaml") {
            found.push(path);
        }
    }
}

/// The blocks of YAML in a page.
pub(super) fn blocks(page: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join(page)).unwrap();
    let parts = text.split("```yaml\n").skip(1);
    parts.map(|part| part.split("```").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn it_is_a_schema() {
    assert!(jsonschema::meta::is_valid(&schema()));
}

#[test]
fn shipped_recipes_and_examples_are_accepted() {
    let mut files = Vec::new();
    yaml_files(&root().join("recipes"), &mut files);
    assert!(files.len() >= 2, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        // A roll-up has a schema of its own, and membership the reader alone.
        if MembershipRecipe::is_meant(&text) {
            let read = MembershipRecipe::parse(&text, "r.yaml", &BTreeMap::new(), &|_| None);
            assert!(
                read.is_ok(),
                "{read:?}
{text}"
            );
        } else if !RollupRecipe::is_meant(&text) {
            assert_eq!(objections(&text), None, "{}", file.display());
        }
    }
    let mut seen = 0;
    for page in ["README.md", "docs/reference/recipe.md", "docs/how-to/files.md"] {
        for block in blocks(page) {
            let recipe = if block.contains("segue: 1") {
                block
            } else if block.starts_with("- ") {
                with(&format!("pipeline:\n{block}"))
            } else if block.starts_with("cluster:") {
                with("").replace("cluster: { url: http://h:9200 }\n", &block)
            } else {
                continue;
            };
            seen += 1;
            assert_eq!(objections(&recipe), None, "{page}:\n{recipe}");
        }
    }
    assert!(seen >= 9, "{seen} examples");
}

/// Texts may come from the environment wherever the reader takes them from there.
#[test]
fn variables_of_the_environment_stand_for_any_text() {
    let text = r#"
segue: "${V}"
name: "${N}"
cluster: { url: "${U}", auth: { basic: { user: "${U}", password: { env: P } } }, tls: { verify: "${T}" } }
source: { index: "${I:-A}", done_if_mapped: ["${P}"] }
target: { index: "${I}", versions: "${W}" }
pipeline:
  - lookup: { index: "${I}", key: "${P}", match: "${P}", as: "${A}", on_missing: "${W}", multiple: { sort: "${P}", limit: "${N}" } }
  - convert: { a: "${T}" }
  - date: { a: { from: "${F}", zone: "${Z}" } }
  - truncate: { a: "${N}" }
  - filter: { drop_if: { field: "${P}", exists: "${T}" }, reason: "${R}" }
cutover: { mode: "${M}", writers: "${W}", max_pause: "${D}", after_switch: "${S}", enrich_for: "${D}", max_dead_letters: "${N}" }
limits: { lanes: "${N}", batch_bytes: "${B}", heap_percent: "${H}", docs_per_second: "${S}", max_batches: "${N}", health_wait: "${D}" }
"#;
    assert_eq!(objections(text), None);
}

#[test]
fn the_committed_copy_is_up_to_date() {
    let kept = std::fs::read_to_string(root().join("docs/reference/recipe.schema.json")).unwrap();
    let now = format!("{:#}\n", schema());
    assert!(kept == now, "run: segue recipe schema > docs/reference/recipe.schema.json");
}

fn files_recipe(source: &str, cutover: &str) -> String {
    format!(
        "segue: 1\nname: r\ncluster: {{ url: http://h:9200 }}\nsource: {{ files: x.csv{source} }}\n\
         target: {{ index: \"x-{{generation}}\" }}\ncutover: {{ alias: x{cutover} }}\n"
    )
}

/// A recipe in which a mapping has a stranger's key, and where the schema has that mapping.
fn mappings() -> Vec<(&'static str, String)> {
    let cluster = |more: &str| {
        let whole = format!("cluster: {{ url: http://h:9200, {more} }}");
        with("").replace("cluster: { url: http://h:9200 }", &whole)
    };
    let step = |step: &str| with_steps(&format!("  - {step}"));
    let key = format!("{STRANGER}: 1");
    vec![
        ("", with(&key)),
        ("/properties/cluster", cluster(&key)),
        ("/properties/cluster/properties/auth", cluster(&format!("auth: {{ {key} }}"))),
        (
            "/properties/cluster/properties/auth/properties/basic",
            cluster(&format!("auth: {{ basic: {{ {key} }} }}")),
        ),
        ("/$defs/secret", cluster(&format!("auth: {{ api_key: {{ {key} }} }}"))),
        ("/properties/cluster/properties/tls", cluster(&format!("tls: {{ {key} }}"))),
        (
            "/else/properties/source",
            with("").replace("index: \"a-{m}\",", &format!("index: \"a-{{m}}\", {key},")),
        ),
        ("/else/properties/target", with("").replace("target: {", &format!("target: {{ {key},"))),
        ("/else/properties/cutover", with(&format!("cutover: {{ {key} }}"))),
        ("/then/properties/source", files_recipe(&format!(", {key}"), "")),
        (
            "/then/properties/source/properties/id/anyOf/2",
            files_recipe(&format!(", id: {{ {key} }}"), ""),
        ),
        (
            "/then/properties/target",
            files_recipe("", "").replace("target: {", &format!("target: {{ {key},")),
        ),
        ("/then/properties/cutover", files_recipe("", &format!(", {key}"))),
        ("/properties/verify", with(&format!("verify: {{ {key} }}"))),
        ("/properties/limits", with(&format!("limits: {{ {key} }}"))),
        ("/properties/pipeline/items", step(&key)),
        ("/properties/pipeline/items/properties/lookup", step(&format!("lookup: {{ {key} }}"))),
        (
            "/properties/pipeline/items/properties/lookup/properties/multiple",
            step(&format!(
                "lookup: {{ index: x, key: k, match: m, as: n, multiple: {{ {key} }} }}"
            )),
        ),
        (
            "/properties/pipeline/items/properties/copy/additionalProperties/anyOf/1",
            step(&format!("copy: {{ a: {{ {key} }} }}")),
        ),
        (
            "/properties/pipeline/items/properties/date/additionalProperties",
            step(&format!("date: {{ a: {{ {key} }} }}")),
        ),
        (
            "/properties/pipeline/items/properties/split/additionalProperties/anyOf/1",
            step(&format!("split: {{ a: {{ {key} }} }}")),
        ),
        (
            "/properties/pipeline/items/properties/map/additionalProperties",
            step(&format!("map: {{ a: {{ {key} }} }}")),
        ),
        ("/properties/pipeline/items/properties/explode", step(&format!("explode: {{ {key} }}"))),
        ("/properties/pipeline/items/properties/filter", step(&format!("filter: {{ {key} }}"))),
        (
            "/properties/pipeline/items/properties/filter/properties/drop_if",
            step(&format!("filter: {{ drop_if: {{ {key} }} }}")),
        ),
        (
            "/properties/pipeline/items/properties/filter/properties/keep_if",
            step(&format!("filter: {{ keep_if: {{ {key} }} }}")),
        ),
    ]
}

/// A recipe with a stranger's word, and where the schema has the words.
fn choices() -> Vec<(&'static str, String)> {
    let step = |step: &str| with_steps(&format!("  - {step}"));
    let lookup =
        |more: &str| step(&format!("lookup: {{ index: x, key: k, match: m, as: n, {more} }}"));
    let cutover = |key: &str| with(&format!("cutover: {{ {key}: {STRANGER} }}"));
    let files = |key: &str| files_recipe(&format!(", {key}: {STRANGER}"), "");
    let loaded = |key: &str| files_recipe("", &format!(", {key}: {STRANGER}"));
    vec![
        (
            "/properties/verify/properties/counts",
            with(&format!("verify: {{ counts: {STRANGER} }}")),
        ),
        (
            "/properties/verify/properties/content",
            with(&format!("verify: {{ content: {STRANGER} }}")),
        ),
        (
            "/properties/limits/properties/docs_per_second",
            with(&format!("limits: {{ docs_per_second: {STRANGER} }}")),
        ),
        (
            "/properties/limits/properties/max_batches",
            with(&format!("limits: {{ max_batches: {STRANGER} }}")),
        ),
        (
            "/else/properties/target/properties/versions",
            with("").replace("target: {", &format!("target: {{ versions: {STRANGER},")),
        ),
        ("/else/properties/cutover/properties/mode", cutover("mode")),
        ("/else/properties/cutover/properties/writers", cutover("writers")),
        ("/else/properties/cutover/properties/start", cutover("start")),
        ("/else/properties/cutover/properties/after_switch", cutover("after_switch")),
        ("/then/properties/source/properties/format", files("format")),
        (
            "/then/properties/source/properties/columns/additionalProperties",
            files_recipe(&format!(", columns: {{ a: {STRANGER} }}"), ""),
        ),
        ("/then/properties/source/properties/empty", files("empty")),
        ("/then/properties/source/properties/duplicates", files("duplicates")),
        ("/then/properties/cutover/properties/mode", loaded("mode")),
        ("/then/properties/cutover/properties/start", loaded("start")),
        (
            "/properties/pipeline/items/properties/lookup/properties/as_of",
            lookup(&format!("as_of: {STRANGER}")),
        ),
        (
            "/properties/pipeline/items/properties/lookup/properties/on_missing",
            lookup(&format!("on_missing: {STRANGER}")),
        ),
        (
            "/properties/pipeline/items/properties/lookup/properties/multiple/properties/order",
            lookup(&format!("multiple: {{ sort: s, order: {STRANGER} }}")),
        ),
        (
            "/properties/pipeline/items/properties/explode/properties/on_empty",
            step(&format!("explode: {{ field: l, on_empty: {STRANGER} }}")),
        ),
        (
            "/properties/pipeline/items/properties/convert/additionalProperties",
            step(&format!("convert: {{ a: {STRANGER} }}")),
        ),
        (
            "/properties/pipeline/items/properties/map/additionalProperties/properties/otherwise",
            step(&format!("map: {{ a: {{ values: {{ x: y }}, otherwise: {STRANGER} }} }}")),
        ),
    ]
}

/// What the reader says it knows where it meets a stranger.
fn known(text: &str) -> BTreeSet<String> {
    let error = parse(text).expect_err(text);
    assert!(error.summary().contains(STRANGER), "{}", error.render());
    let hint = error.hint().unwrap_or_else(|| panic!("{}", error.render()));
    let words = hint.strip_prefix("known: ").unwrap_or_else(|| panic!("{}", error.render()));
    words.split(", ").map(str::to_owned).collect()
}

/// The places in the schema that `wanted` finds.
fn places(node: &Value, at: &str, wanted: &dyn Fn(&Value) -> bool, found: &mut BTreeSet<String>) {
    if wanted(node) {
        found.insert(at.to_owned());
    }
    let below: Vec<(String, &Value)> = match node {
        Value::Object(members) => members.iter().map(|(k, v)| (k.clone(), v)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(n, v)| (n.to_string(), v)).collect(),
        _ => Vec::new(),
    };
    for (key, value) in below {
        places(value, &format!("{at}/{}", key.replace('/', "~1")), wanted, found);
    }
}

#[test]
fn it_has_the_keys_that_the_reader_knows_and_no_others() {
    let schema = schema();
    let mut closed = BTreeSet::new();
    places(&schema, "", &|node| node["additionalProperties"] == json!(false), &mut closed);
    let table = mappings();
    let asked: BTreeSet<String> = table.iter().map(|(at, _)| (*at).to_owned()).collect();
    assert_eq!(closed, asked, "each mapping of the schema is asked about");
    for (at, text) in table {
        let mapping = schema.pointer(at).unwrap();
        let keys: BTreeSet<String> =
            mapping["properties"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys, known(&text), "{at}");
        assert!(objections(&text).is_some(), "{at}");
    }
}

#[test]
fn it_has_the_words_that_the_reader_knows_and_no_others() {
    let schema = schema();
    let words = |node: &Value| {
        let any = node["anyOf"].as_array()?;
        any.iter().find_map(|one| one["enum"].as_array().cloned())
    };
    let mut places_with_words = BTreeSet::new();
    places(&schema, "", &|node| words(node).is_some(), &mut places_with_words);
    // Formats of dates are patterns, too: the reader lists letters.
    places_with_words.retain(|at| !at.contains("/date/"));
    // The reader takes any other word for a field's name, and says how to write that.
    assert!(places_with_words.remove("/then/properties/source/properties/id"));
    for word in ["position", "content"] {
        assert!(parse(&files_recipe(&format!(", id: {word}"), "")).is_ok(), "{word}");
    }
    let table = choices();
    let asked: BTreeSet<String> = table.iter().map(|(at, _)| (*at).to_owned()).collect();
    assert_eq!(places_with_words, asked, "all words of the schema are asked about");
    for (at, text) in table {
        let listed: BTreeSet<String> = words(schema.pointer(at).unwrap())
            .unwrap()
            .iter()
            .map(|word| word.as_str().unwrap().to_owned())
            .collect();
        assert_eq!(listed, known(&text), "{at}");
        assert!(objections(&text).is_some(), "{at}");
        for word in listed {
            let said = text.replace(STRANGER, &word);
            let refused = parse(&said).err().filter(|error| error.summary().contains("can't be"));
            assert!(refused.is_none(), "{at}: {word}");
        }
    }
}

#[test]
fn every_key_has_a_description() {
    let schema = schema();
    let mut all = BTreeSet::new();
    places(
        &schema,
        "",
        &|node| node["properties"].is_object() && node["type"] == json!("object"),
        &mut all,
    );
    for at in all {
        for (key, value) in schema.pointer(&at).unwrap()["properties"].as_object().unwrap() {
            let text = value["description"].as_str().unwrap_or_default();
            assert!(text.len() > 8, "{at}/{key}");
        }
    }
}

#[test]
fn defaults_and_bounds_are_those_of_the_reader() {
    let schema = schema();
    let limits = schema.pointer("/properties/limits/properties").unwrap().as_object().unwrap();
    let mut bounds = BTreeMap::new();
    for (key, value) in limits {
        if let Some(default) = value.get("default") {
            let recipe = parse(&with(&format!("limits: {{ {key}: {default} }}"))).unwrap();
            assert_eq!(recipe.limits, Limits::default(), "{key}");
        }
        for option in value["anyOf"].as_array().into_iter().flatten() {
            let reads = |n: &Value| parse(&with(&format!("limits: {{ {key}: {n} }}"))).is_ok();
            if let Some(least) = option["minimum"].as_u64() {
                assert!(reads(&json!(least)), "{key}: {least}");
                let below = i64::try_from(least).unwrap() - 1;
                assert!(!reads(&json!(below)), "{key}: {below}");
            }
            if let Some(most) = option["maximum"].as_u64() {
                assert!(reads(&json!(most)), "{key}: {most}");
                assert!(!reads(&json!(most + 1)), "{key}: {most} and one more");
                bounds.insert(key.clone(), most);
            }
        }
    }
    assert_eq!(bounds.len(), 7, "{bounds:?}");
    let cutover = schema.pointer("/else/properties/cutover/properties").unwrap();
    let loaded = schema.pointer("/then/properties/cutover/properties").unwrap();
    let plain = parse(&files_recipe("", "")).unwrap().cutover;
    for (key, value) in cutover.as_object().unwrap() {
        let Some(default) = value.get("default") else { continue };
        let recipe = parse(&with(&format!("cutover: {{ {key}: {default} }}"))).unwrap();
        assert_eq!(recipe.cutover, CutoverSpec::default(), "{key}");
    }
    for (key, value) in loaded.as_object().unwrap() {
        let Some(default) = value.get("default") else { continue };
        let recipe = parse(&files_recipe("", &format!(", {key}: {default}"))).unwrap();
        assert_eq!(recipe.cutover, plain, "{key}");
    }
}
