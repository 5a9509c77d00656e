//! The sections around the pipeline.

use serde_json::{Value, json};

use super::count;
use super::steps;
use super::words::{
    any_text, boolean, choice, duration, env, exactly, integer, keyed, of, one_of, paths,
    reference, spelled,
};

pub(super) fn cluster() -> Value {
    let url = of(
        "Address without credentials, such as https://search:9200.",
        spelled(r"^https?://[^/@?# ]+(/[^?# ]*)?$"),
    );
    let basic = keyed(
        "User and password.",
        &["user", "password"],
        [
            ("user", any_text("User name.")),
            ("password", reference("secret", "Where the password is.")),
        ],
    );
    let auth = exactly(
        1,
        keyed(
            "How to sign in: `basic` or `api_key`.",
            &[],
            [
                ("basic", basic),
                ("api_key", reference("secret", "Where the API key is, in its encoded form.")),
            ],
        ),
    );
    let tls = keyed(
        "How to judge the other side's certificate.",
        &[],
        [
            ("verify", boolean("Whether the certificate is checked.", true)),
            (
                "ca",
                any_text(
                    "PEM file with the authorities to trust, relative to the recipe. Without it: the system's.",
                ),
            ),
        ],
    );
    keyed(
        "Where the cluster is and how to sign in.",
        &["url"],
        [("url", url), ("auth", auth), ("tls", tls)],
    )
}

pub(super) fn indices() -> Value {
    let matches = json!({
        "description": "For each capture of `index` a regular expression that its whole text must match.",
        "type": "object",
        "additionalProperties": any_text("Regular expression, without named groups."),
    });
    keyed(
        "Which indices are migrated.",
        &["index"],
        [
            (
                "index",
                reference(
                    "index",
                    "Name of the source indices. `{x}` is a variable or a capture; no wildcards.",
                ),
            ),
            ("match", matches),
            (
                "done_if_mapped",
                paths(
                    "A source whose mapping has all of these fields needs no migration and is skipped.",
                ),
            ),
            (
                "may_be_empty",
                boolean(
                    "Where no index matches, there is nothing to do, and nothing wrong.",
                    false,
                ),
            ),
        ],
    )
}

pub(super) fn files() -> Value {
    let columns = json!({
        "description": "Types of columns that are not to be found out; the plan shows those that were.",
        "type": "object",
        "additionalProperties": steps::column(),
    });
    keyed(
        "Which files are loaded, and how they are read.",
        &["files"],
        [
            (
                "files",
                steps::files(
                    "Path or list of paths, relative to the recipe. `*`, `?`, `[…]` and `**` are wildcards, `{x}` is a variable. Gzip and zstd are recognised by their content.",
                ),
            ),
            (
                "format",
                choice(
                    "How the files are written; without it as each name says. `json` is one array of objects, or objects one after the other.",
                    &["csv", "tsv", "jsonl", "json"],
                    None,
                ),
            ),
            (
                "delimiter",
                of(
                    "The one character that separates cells; without it a comma, in `tsv` a tab.",
                    spelled("^[^\"\r\n\u{80}-\u{ffff}]$"),
                ),
            ),
            ("columns", columns),
            (
                "empty",
                choice(
                    "What an empty cell becomes: no field, null, or an empty text in `string` columns.",
                    &["omit", "null", "text"],
                    Some("omit"),
                ),
            ),
            ("id", steps::id()),
            (
                "duplicates",
                choice(
                    "Whether records of one id stop the load, or the last one stands.",
                    &["refuse", "last"],
                    Some("refuse"),
                ),
            ),
        ],
    )
}

fn template() -> Value {
    of(
        "JSON file with `settings` and `mappings`, relative to the recipe and not outside its folder.",
        json!({ "type": "string", "pattern": r"^(?!/)(?!(.*/)?\.\.(/|$))" }),
    )
}

fn settings() -> Value {
    of(
        "Index settings that win over the template's or the source's, with or without `index.` in front.",
        json!({ "type": "object" }),
    )
}

pub(super) fn target() -> Value {
    let mut index = reference(
        "index",
        "Name of the target; `{source}` is the source's name. Must differ for each source, unless `merge` is set.",
    );
    index["not"] = json!({ "const": "{source}" });
    keyed(
        "What the source indices become.",
        &["index"],
        [
            ("index", index),
            ("template", template()),
            ("settings", settings()),
            (
                "versions",
                choice(
                    "Whose versions the target's documents carry: `segue` its own; `preserve` those of the source's documents, for writers that send them (with cutover.mode block, without reverse_for).",
                    &["segue", "preserve"],
                    None,
                ),
            ),
            (
                "merge",
                boolean(
                    "Whether sources with the same target are merged into it. Their ids have to differ (with cutover.mode block, without reverse_for).",
                    false,
                ),
            ),
        ],
    )
}

pub(super) fn target_of_files() -> Value {
    let mut index = reference(
        "index",
        "Name of each generation's index, with `{generation}` in it once: \"products-{generation}\" becomes products-000001.",
    );
    index["anyOf"] = json!([{ "pattern": r"^((?!\{generation\}).)*\{generation\}((?!\{generation\}).)*$" }, env()]);
    keyed(
        "What the files become.",
        &["index"],
        [("index", index), ("template", template()), ("settings", settings())],
    )
}

pub(super) fn verify() -> Value {
    keyed(
        "What must hold before the switch.",
        &[],
        [
            (
                "counts",
                choice(
                    "Numbers of documents must be equal, what is left out accounted for.",
                    &["exact"],
                    Some("exact"),
                ),
            ),
            ("required", paths("Fields that every target document must have, not null.")),
            (
                "content",
                choice(
                    "Accepted, but has no effect yet: contents are always compared in full.",
                    &["full", "none"],
                    Some("full"),
                ),
            ),
        ],
    )
}

const START: &str = "What starts the switch: the gate as soon as it is open, or `segue cutover`.";
const MAX_PAUSE: &str =
    "The longest that writers may be refused, or redirected; predicted before, enforced during.";

fn start() -> Value {
    choice(START, &["auto", "manual"], Some("auto"))
}

fn some_time(description: &str, default: Option<&str>) -> Value {
    let mut schema = duration(description, default);
    schema["not"] = json!({ "pattern": "^0+(ms|s|m|h|d)$" });
    schema
}

pub(super) fn cutover() -> Value {
    let mut schema = keyed(
        "How names are switched.",
        &[],
        [
            (
                "mode",
                choice(
                    "`block`: writers are refused for a moment while names move. `redirect`: an ingest pipeline sends their writes on to the target, and none is refused; needs `writers: index_only`.",
                    &["block", "redirect"],
                    Some("block"),
                ),
            ),
            (
                "writers",
                choice(
                    "What the application's writers do. `index_only`: they index whole documents, and neither create with an id of their own, update nor delete, nor send if_seq_no, versions, require_alias or ?pipeline=.",
                    &["index_only"],
                    None,
                ),
            ),
            ("start", start()),
            (
                "alias",
                reference(
                    "index",
                    "An alias that the target gets at the switch, besides those that the source has, which move anyway.",
                ),
            ),
            (
                "quiet_for",
                some_time(
                    "The source is closed only after that long without a write to it. Without it: not asked.",
                    None,
                ),
            ),
            (
                "after_switch",
                choice(
                    "Needed with a pipeline: what is true of documents written after the switch. Writers send the target's shape from then on; or target and readers take the old shape too; or writers go on as before and segue applies the pipeline in the target.",
                    &["writers_send_new_shape", "target_accepts_both", "keep_enriching"],
                    None,
                ),
            ),
            ("max_pause", some_time(MAX_PAUSE, Some("30s"))),
            (
                "max_dead_letters",
                count(
                    "How many dead letters may remain in a part that is switched, or rolled back.",
                    0..=u64::MAX,
                    Some(0),
                ),
            ),
            (
                "reverse_for",
                duration(
                    "How long after the switch what is written to the target is carried back into the kept copy, so that a rollback loses nothing; `0s`: not at all.",
                    Some("0s"),
                ),
            ),
            (
                "enrich_for",
                some_time(
                    "With `after_switch: keep_enriching` only: how long after the switch documents are enriched. Without it: as long as `reverse_for`.",
                    None,
                ),
            ),
        ],
    );
    schema["allOf"] = json!([
        {
            "if": { "required": ["mode"], "properties": { "mode": { "const": "redirect" } } },
            "then": { "required": ["writers"] },
        },
        {
            "if": { "required": ["enrich_for"] },
            "then": {
                "required": ["after_switch"],
                "properties": { "after_switch": { "anyOf": [{ "const": "keep_enriching" }, env()] } },
            },
        },
    ]);
    schema
}

pub(super) fn cutover_of_files() -> Value {
    let mut drift = one_of(
        "By how much the number of documents may differ from what serves.",
        [integer(0..=1_000_000), spelled(r"^\s*[0-9]+\s*%\s*$")],
    );
    drift["default"] = json!("10%");
    keyed(
        "How a new generation takes the place of the one that serves.",
        &["alias"],
        [
            ("mode", choice("The only one for files.", &["swap"], Some("swap"))),
            ("start", start()),
            (
                "alias",
                reference(
                    "index",
                    "The alias that stands for the generation that serves; the same for all of them.",
                ),
            ),
            ("max_drift", drift),
            (
                "keep_generations",
                count(
                    "How many generations are kept besides the one that serves; older ones are deleted.",
                    0..=1000,
                    Some(1),
                ),
            ),
            ("first_load", boolean("Whether what serves may be empty.", false)),
            (
                "discard_writes",
                boolean("Whether what applications wrote to what serves may be lost.", false),
            ),
            ("max_dead_letters", count("How many records may be left out.", 0..=u64::MAX, Some(0))),
            ("max_pause", some_time("How long what serves may take to be closed.", Some("30s"))),
        ],
    )
}

fn percent(description: &str, default: Option<u64>) -> Value {
    count(description, 1..=100, default)
}

pub(super) fn limits() -> Value {
    let mut size = reference(
        "size",
        "Bytes in a bulk request, 1kb to 100mb; one that passes the bound with its last document is sent.",
    );
    size["default"] = json!("5mb");
    keyed(
        "How much a run may use.",
        &[],
        [
            ("batch_docs", count("Documents in a bulk request at most.", 1..=100_000, Some(1000))),
            ("max_batches", steps::batches()),
            ("batch_bytes", size),
            ("lanes", count("Windows of one part in flight at once.", 1..=64, Some(4))),
            ("parts", count("Parts worked on at once.", 1..=64, Some(2))),
            (
                "retries",
                count("Repetitions of a bulk request that failed on its way.", 0..=100, Some(3)),
            ),
            (
                "retry_delay",
                duration(
                    "Longest pause before the first repetition; it doubles up to 30 s and is shortened at random by up to half.",
                    Some("5s"),
                ),
            ),
            (
                "max_memory_percent",
                percent("Memory in use on this machine above which the run waits.", Some(85)),
            ),
            (
                "heap_percent",
                percent("Heap in use on any node above which the run waits.", Some(90)),
            ),
            (
                "disk_percent",
                percent(
                    "Disk in use on a node above which the run waits. Without it: the cluster's high watermark, which holds as well.",
                    None,
                ),
            ),
            (
                "health_wait",
                duration("How long a run waits before it stops with exit code 5.", Some("5m")),
            ),
            (
                "lease_ttl",
                duration(
                    "How long a part stays with a process that gives no sign of life; at least 1 s.",
                    Some("30s"),
                ),
            ),
            ("docs_per_second", steps::speed()),
        ],
    )
}
