//! What the tests through the binary share: a recipe in a folder of its own, run with local state of
//! its own.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses its own part; a test may panic"
)]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::time::Duration;

use segue_testkit::{Engine, Prefix, Segue};
use serde_json::{Value, json};

/// Seven documents that a strict target refuses for three reasons.
pub const REFUSED: [(&str, &str); 7] = [
    ("bad-1", r#"{"v":"abc"}"#),
    ("bad-2", r#"{"v":"def"}"#),
    ("bad-3", r#"{"v":"7 days"}"#),
    ("bad-4", r#"{"v":"x","note":"both"}"#),
    ("odd-1", r#"{"v":1,"unknown":"a field"}"#),
    ("odd-2", r#"{"v":2,"unknown":17}"#),
    ("when-1", r#"{"v":3,"at":"yesterday"}"#),
];

/// A recipe under test.
pub struct Recipe {
    folder: tempfile::TempDir,
    file: PathBuf,
    url: String,
    set: Vec<(String, String)>,
}

impl Recipe {
    /// The recipe `text`, in which `NAME` and `PREFIX` stand for the test's own.
    pub fn new(engine: &Engine, prefix: &Prefix, text: &str) -> Recipe {
        let text = text.replace("NAME", name_of(prefix)).replace("PREFIX", prefix.as_str());
        Recipe::written(engine, &text)
    }

    fn written(engine: &Engine, text: &str) -> Recipe {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("recipe.yaml");
        std::fs::write(&file, text).unwrap();
        Recipe { folder, file, url: engine.url.clone(), set: Vec::new() }
    }

    /// The shipped recipe for usage events, for an installation under `prefix`.
    pub fn usage_events(engine: &Engine, prefix: &Prefix) -> Recipe {
        Recipe::invenio(engine, prefix, "usage-events")
    }

    /// The shipped recipe for roll-ups of usage events, for an installation under `prefix`.
    pub fn usage_rollup(engine: &Engine, prefix: &Prefix) -> Recipe {
        let recipe = Recipe::invenio(engine, prefix, "usage-rollup");
        recipe.change("after: usage-events", &format!("after: {}", name_of(prefix)));
        recipe
    }

    /// The shipped recipe for roll-ups of records, for an installation under `prefix`.
    pub fn record_rollup(engine: &Engine, prefix: &Prefix) -> Recipe {
        Recipe::invenio(engine, prefix, "record-rollup")
    }

    /// The shipped recipe for the stock aggregation, for an installation under `prefix`.
    pub fn stock_rollup(engine: &Engine, prefix: &Prefix) -> Recipe {
        Recipe::invenio(engine, prefix, "stock-rollup")
    }

    fn invenio(engine: &Engine, prefix: &Prefix, shipped_name: &str) -> Recipe {
        let shipped = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../recipes/invenio");
        let text = std::fs::read_to_string(shipped.join(format!("{shipped_name}.yaml"))).unwrap();
        let (before, name) =
            (format!("\nname: {shipped_name}"), format!("\nname: {}", name_of(prefix)));
        let mut recipe = Recipe::written(engine, &text.replacen(&before, &name, 1));
        let templates = recipe.folder.path().join("templates");
        std::fs::create_dir_all(&templates).unwrap();
        for entry in std::fs::read_dir(shipped.join("templates")).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, templates.join(path.file_name().unwrap())).unwrap();
        }
        recipe.set.push(("prefix".to_owned(), prefix.as_str().to_owned()));
        recipe
    }

    /// The shipped recipe for community events, for an installation under `prefix`.
    pub fn community_events(engine: &Engine, prefix: &Prefix) -> Recipe {
        Recipe::invenio(engine, prefix, "community-events")
    }

    /// The shipped recipe for files, for one file and an alias `items` under `prefix`.
    pub fn files(engine: &Engine, prefix: &Prefix, file: &Path) -> Recipe {
        let shipped = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../recipes/files.yaml");
        let text = std::fs::read_to_string(shipped).unwrap();
        let mut recipe = Recipe::written(engine, &text);
        let replicas = "settings: { number_of_replicas: 0 }";
        recipe.change("# template: templates/zipcodes.json", replicas);
        recipe.set.push(("files".to_owned(), file.to_string_lossy().into_owned()));
        recipe.set.push(("index".to_owned(), prefix.name("items")));
        recipe
    }

    /// Puts a file beside the recipe.
    pub fn add_file(&self, name: &str, body: &Value) {
        std::fs::write(self.folder.path().join(name), body.to_string()).unwrap();
    }

    /// Where a file beside the recipe is.
    pub fn beside(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    /// Puts a file beside the recipe, whatever is in it.
    pub fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.folder.path().join(name), bytes).unwrap();
    }

    /// Gives a file beside the recipe another name.
    pub fn link(&self, name: &str, other: &str) {
        let folder = self.folder.path();
        std::os::unix::fs::symlink(folder.join(name), folder.join(other)).unwrap();
    }

    /// Loses what is kept on this machine: inventories and views.
    pub fn lose_state(&self) {
        std::fs::remove_dir_all(self.folder.path().join("state")).unwrap();
    }

    /// Replaces a piece of the recipe's text.
    pub fn change(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(&self.file).unwrap();
        assert!(text.contains(from), "{from:?} is not in the recipe");
        std::fs::write(&self.file, text.replace(from, to)).unwrap();
    }

    /// Files and folders of local state, less what no migration of its own has.
    pub fn local_state(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().join("state")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { found.push(path) }
            }
        }
        found
    }

    /// The same recipe, asked of another address of the cluster.
    pub fn through(&self, url: &str, verb: &str, more: &[&str]) -> Segue {
        self.command(verb, more).cluster(url)
    }

    /// `segue VERB RECIPE …`.
    pub fn command(&self, verb: &str, more: &[&str]) -> Segue {
        let mut segue = Segue::new(env!("CARGO_BIN_EXE_segue"))
            .args([verb])
            .args([self.file.as_os_str()])
            .args(more)
            .cluster(&self.url)
            .env("SEGUE_STATE_DIR", &self.folder.path().join("state").to_string_lossy())
            .within(Duration::from_secs(180));
        for (name, value) in &self.set {
            segue = segue.args(["--set".to_owned(), format!("{name}={value}")]);
        }
        segue
    }

    /// `segue membership VERB RECIPE … --json`, to its end, with this exit code; what it prints.
    pub fn membership(&self, verb: &str, more: &[&str], code: i32) -> Value {
        self.of_kind("membership", verb, more).args(["--json"]).run().expect(code).json()
    }

    /// `segue rollup VERB RECIPE …`, to its end, with this exit code; what it prints.
    pub fn rollup(&self, verb: &str, more: &[&str], code: i32) -> Value {
        let ended = self.rollup_command(verb, more).args(["--json"]).run().expect(code);
        if code == 0 { ended.json() } else { Value::String(ended.stderr) }
    }

    /// `segue rollup VERB RECIPE …`.
    pub fn rollup_command(&self, verb: &str, more: &[&str]) -> Segue {
        self.of_kind("rollup", verb, more)
    }

    /// `segue KIND VERB RECIPE …`, for recipes of a kind of their own.
    pub fn of_kind(&self, kind: &str, verb: &str, more: &[&str]) -> Segue {
        let mut segue = Segue::new(env!("CARGO_BIN_EXE_segue"))
            .args([kind, verb])
            .args([self.file.as_os_str()])
            .args(more)
            .cluster(&self.url)
            .within(Duration::from_secs(120));
        for (name, value) in &self.set {
            segue = segue.args(["--set".to_owned(), format!("{name}={value}")]);
        }
        segue
    }

    /// `segue run`, to its end, with this exit code; its report.
    pub fn run(&self, code: i32) -> Value {
        self.command("run", &["--yes", "--json"]).run().expect(code).last_json_line()
    }

    /// `segue run` with more arguments.
    pub fn run_with(&self, more: &[&str], code: i32) -> Value {
        let mut arguments = vec!["--yes", "--json"];
        arguments.extend(more);
        self.command("run", &arguments).run().expect(code).last_json_line()
    }
}

/// A migration's name of the test's own.
pub fn name_of(prefix: &Prefix) -> &str {
    prefix.as_str().trim_end_matches('-')
}

/// The part of a report whose source ends so.
pub fn part<'a>(report: &'a Value, ending: &str) -> &'a Value {
    let parts = report["parts"].as_array().unwrap();
    parts
        .iter()
        .find(|part| part["source"].as_str().unwrap().ends_with(ending))
        .unwrap_or_else(|| panic!("no part ends with {ending}: {report}"))
}

/// Asserts that `name` is an alias of exactly `target`, and that writes by that name are taken.
pub fn assert_switched(engine: &Engine, name: &str, target: &str) {
    let on = engine.json.get(&format!("/_alias/{name}"));
    let indices: Vec<_> = on.as_object().unwrap().keys().cloned().collect();
    assert_eq!(indices, [target], "{name}");
    let aliases = engine.json.get(&format!("/{target}/_alias"));
    let names = aliases[target]["aliases"].as_object().unwrap();
    assert!(!names.keys().any(|alias| is_mark(alias)), "{names:?}");
    let settings = engine.json.get(&format!("/{target}/_settings?flat_settings=true"));
    let settings = settings[target]["settings"].as_object().unwrap();
    for relaxed in ["index.blocks.write", "index.gc_deletes", "index.final_pipeline"] {
        assert!(!settings.contains_key(relaxed), "{target} has {relaxed}");
    }
}

/// Asserts that `name` still is the old index, and takes writes.
pub fn assert_untouched(engine: &Engine, name: &str) {
    let index = engine.json.get(&format!("/{name}/_settings?flat_settings=true"));
    let settings = index[name]["settings"].as_object();
    let settings = settings.unwrap_or_else(|| panic!("{name} is no index any more: {index}"));
    assert!(!settings.contains_key("index.blocks.write"), "{name} is blocked");
}

/// Asserts that what is found by id is the truth; else names what differs.
pub fn assert_same<T: PartialEq + Debug>(found: &BTreeMap<String, T>, truth: &BTreeMap<String, T>) {
    let missing: Vec<_> = truth.keys().filter(|id| !found.contains_key(*id)).collect();
    let extra: Vec<_> = found.keys().filter(|id| !truth.contains_key(*id)).collect();
    let other: Vec<_> =
        truth.iter().filter(|(id, kept)| found.get(*id).is_some_and(|f| f != *kept)).collect();
    assert!(
        missing.is_empty() && extra.is_empty() && other.is_empty(),
        "missing {missing:?}, extra {extra:?}, different {other:?}"
    );
}

/// Makes an index `name` with documents 0 to `count` − 1.
pub fn make_index(engine: &Engine, name: &str, shards: u32, count: usize) {
    let body = json!({
        "settings": { "number_of_shards": shards, "number_of_replicas": 0 },
        "mappings": { "properties": { "v": { "type": "long" }, "t": { "type": "text" } } }
    });
    engine.json.put(&format!("/{name}"), &body);
    let documents: Vec<_> = (0..count)
        .map(|n| (format!("d{n}"), json!({ "v": n, "t": "words ".repeat(20) }).to_string()))
        .collect();
    let pairs: Vec<_> = documents.iter().map(|(id, text)| (id.as_str(), text.as_str())).collect();
    for some in pairs.chunks(2000) {
        engine.json.write(name, some);
    }
}

/// Indices of a test that refuse writes, the copies that are kept left out.
pub fn blocked(engine: &Engine, prefix: &str) -> Vec<String> {
    let path = format!("/{prefix}*/_settings?flat_settings=true&expand_wildcards=all");
    let settings = engine.json.get(&path);
    let blocked = settings.as_object().unwrap().iter().filter(|(_, index)| {
        let settings = index["settings"].as_object().unwrap();
        settings.iter().any(|(key, value)| key.starts_with("index.blocks.") && value == "true")
    });
    blocked.map(|(name, _)| name.clone()).collect()
}

/// Asserts that the names of a test show no trace of the work: no block but on kept copies, no write
/// alias, and on every copy that is kept a block.
pub fn assert_nothing_left(engine: &Engine, prefix: &str) {
    assert_eq!(blocked(engine, prefix), [""; 0], "blocked");
    let kept = format!("segue-before-{prefix}");
    let path = format!("/{kept}*?expand_wildcards=all");
    let copies = engine.json.get(&path);
    let copies: Vec<_> = copies.as_object().unwrap().keys().cloned().collect();
    assert_eq!(blocked(engine, &kept), copies, "kept copies are blocked");
    let aliases = engine.json.get(&format!("/{prefix}*/_alias?expand_wildcards=all"));
    for (index, found) in aliases.as_object().unwrap() {
        for alias in found["aliases"].as_object().unwrap().keys() {
            assert!(!is_mark(alias), "{alias} is left on {index}");
        }
    }
}

/// All that a plan could change among the names of a test: indices with their settings, mappings and
/// aliases, the number of operations of each, and copies that would be kept.
pub fn state(engine: &Engine, prefix: &str) -> Value {
    let indices = engine.json.get(&format!("/{prefix}*?expand_wildcards=all"));
    let path = format!("/{prefix}*/_stats/docs?level=shards&expand_wildcards=open,hidden");
    let stats = engine.json.get(&path);
    let mut operations = serde_json::Map::new();
    for (name, index) in stats["indices"].as_object().into_iter().flatten() {
        for (shard, copies) in index["shards"].as_object().unwrap() {
            let highest = copies[0]["seq_no"]["max_seq_no"].clone();
            operations.insert(format!("{name}[{shard}]"), highest);
        }
    }
    let kept = engine.json.get(&format!("/segue-before-{prefix}*?expand_wildcards=all"));
    json!({ "indices": indices, "operations": operations, "kept": kept })
}

/// The kinds of the records of one part, in order.
pub fn journal(engine: &Engine, prefix: &Prefix, day: &str) -> Vec<String> {
    let lenient = "ignore_unavailable=true";
    engine.json.post(&format!("/segue-journal/_refresh?{lenient}"), &Value::Null);
    let query = json!({ "size": 1000, "sort": [{ "number": "asc" }], "query": { "bool": { "filter": [
        { "term": { "migration": name_of(prefix) } }, { "term": { "part": prefix.name(day) } }
    ]}}});
    let found = engine.json.post(&format!("/segue-journal/_search?{lenient}"), &query);
    let hits = found["hits"]["hits"].as_array().unwrap();
    hits.iter().map(|hit| hit["_source"]["kind"].as_str().unwrap().to_owned()).collect()
}

/// Whether an alias is one by which a cutover is fenced.
fn is_mark(alias: &str) -> bool {
    ["segue-write-", "segue-open-", "segue-close-"].iter().any(|begin| alias.starts_with(begin))
}
