//! Mistakes around the pipeline.

use super::{Mistake, Refused, Unseen, between, cluster, load, mistake, with};

pub(super) fn top_level() -> Vec<Mistake> {
    let without = |key: &str| {
        let lines: Vec<String> = with("")
            .lines()
            .filter(|line| !line.starts_with(key))
            .map(|l| format!("{l}\n"))
            .collect();
        lines.concat()
    };
    vec![
        mistake("no language", Refused, without("segue")),
        mistake("no name", Refused, without("name")),
        mistake("no cluster", Refused, without("cluster")),
        mistake("no source", Refused, without("source")),
        mistake("no target", Refused, without("target")),
        mistake("a key with a slip", Refused, with("limts: {}")),
        mistake("a key that is unlike any", Refused, with("frobnicate: 1")),
        mistake(
            "a name with capitals and blanks",
            Refused,
            with("").replace("name: r", "name: Bad Name"),
        ),
        mistake("an empty name", Refused, with("").replace("name: r", "name: \"\"")),
        mistake(
            "a variable in the name that there is none of",
            Unseen,
            with("vars: { lang: de }").replace("name: r", "name: \"r-{lnag}\""),
        ),
        mistake("a variable that isn't set", Unseen, with("vars: { x: \"${SEGUE_X}\" }")),
        mistake(
            "a variable of the environment that isn't closed",
            Unseen,
            with("vars: { x: \"${SEGUE_X\" }"),
        ),
        mistake(
            "a variable of the environment with a bad name",
            Unseen,
            with("vars: { x: \"${SEGUE-X}\" }"),
        ),
        mistake("a variable with capitals", Refused, with("vars: { Prefix: x }")),
        mistake("a variable called source", Refused, with("vars: { source: x }")),
        mistake("a variable that is a number", Refused, with("vars: { x: 1 }")),
        mistake("a pipeline that is a mapping", Refused, with("pipeline: { set: { a: 1 } }")),
        mistake("a section without content", Refused, with("verify:")),
    ]
}

pub(super) fn of_cluster() -> Vec<Mistake> {
    vec![
        mistake("no address", Refused, cluster("{ tls: {} }")),
        mistake("an address without http", Refused, cluster("{ url: search:9200 }")),
        mistake("an address with a query", Refused, cluster("{ url: \"http://h?x=1\" }")),
        mistake("a password in the address", Refused, cluster("{ url: http://u:hunter2@h:9200 }")),
        mistake(
            "a password in the recipe",
            Refused,
            cluster("{ url: http://h, auth: { basic: { user: u, password: hunter2 } } }"),
        ),
        mistake(
            "an api key in the recipe",
            Refused,
            cluster("{ url: http://h, auth: { api_key: hunter2 } }"),
        ),
        mistake(
            "a password with a slip",
            Refused,
            cluster("{ url: http://h, auth: { basic: { user: u, pasword: hunter2 } } }"),
        ),
        mistake(
            "a user without a password",
            Refused,
            cluster("{ url: http://h, auth: { basic: { user: u } } }"),
        ),
        mistake(
            "a password without a user",
            Refused,
            cluster("{ url: http://h, auth: { basic: { password: { env: P } } } }"),
        ),
        mistake(
            "a secret in no place",
            Refused,
            cluster("{ url: http://h, auth: { api_key: {} } }"),
        ),
        mistake(
            "a secret in two places",
            Refused,
            cluster("{ url: http://h, auth: { api_key: { env: K, file: k } } }"),
        ),
        mistake("no way to sign in", Refused, cluster("{ url: http://h, auth: {} }")),
        mistake(
            "a way to sign in that isn't known",
            Refused,
            cluster("{ url: http://h, auth: { sigv4: {} } }"),
        ),
        mistake(
            "a truth that is a word",
            Refused,
            cluster("{ url: http://h, tls: { verify: no } }"),
        ),
    ]
}

pub(super) fn source_and_target() -> Vec<Mistake> {
    let good = "{ index: \"a-{m}\", match: { m: x } }";
    let from = |source: &str| between(source, "{ index: \"{source}-2\" }");
    let to = |target: &str| between(good, target);
    vec![
        mistake("no index", Refused, from("{ match: { m: x } }")),
        mistake("a capture without match", Unseen, from("{ index: \"a-{m}\" }")),
        mistake(
            "a capture with a slip",
            Unseen,
            from("{ index: \"a-{mnth}\", match: { month: x } }"),
        ),
        mistake("a match that nothing uses", Unseen, from("{ index: a, match: { m: x } }")),
        mistake("a capture twice", Unseen, from("{ index: \"{m}-{m}\", match: { m: x } }")),
        mistake(
            "captures that touch",
            Unseen,
            from("{ index: \"{m}{n}\", match: { m: x, n: y } }"),
        ),
        mistake(
            "a regular expression that isn't closed",
            Unseen,
            from("{ index: \"a-{m}\", match: { m: '(' } }"),
        ),
        mistake(
            "a regular expression with named groups",
            Unseen,
            from("{ index: \"a-{m}\", match: { m: '(?P<x>y)' } }"),
        ),
        mistake(
            "a regular expression that is too large",
            Unseen,
            from("{ index: \"a-{m}\", match: { m: '(\\w{500}){500}' } }"),
        ),
        mistake(
            "a regular expression that is a number",
            Refused,
            from("{ index: \"a-{m}\", match: { m: 1 } }"),
        ),
        mistake("a wildcard", Refused, from("{ index: \"logs-*\" }")),
        mistake("an index with capitals", Refused, from("{ index: Products }")),
        mistake("an index that begins with an underscore", Refused, from("{ index: _all }")),
        mistake("an index without a name", Refused, from("{ index: \"\" }")),
        mistake(
            "a capture called source",
            Unseen,
            from("{ index: \"a-{source}\", match: { source: x } }"),
        ),
        mistake("a hole that isn't closed", Refused, from("{ index: \"a-{m\" }")),
        mistake("a hole that isn't opened", Refused, from("{ index: \"a-m}\" }")),
        mistake("a hole with a bad name", Refused, from("{ index: \"a-{M}\" }")),
        mistake(
            "a path in done_if_mapped that goes into a list",
            Refused,
            from("{ index: a, done_if_mapped: [\"x[].y\"] }"),
        ),
        mistake("a target with a capture with a slip", Unseen, to("{ index: \"{sorce}-2\" }")),
        mistake("the target is the source", Refused, to("{ index: \"{source}\" }")),
        mistake("a target without a name", Refused, to("{ index: \"\" }")),
        mistake("a target with blanks", Refused, to("{ index: \"{source} 2\" }")),
        mistake("a template outside the folder", Refused, to("{ index: x, template: ../x.json }")),
        mistake("a template with a full path", Refused, to("{ index: x, template: /etc/x.json }")),
        mistake(
            "a setting beyond what numbers hold",
            Unseen,
            to("{ index: x, settings: { a: 1e300 } }"),
        ),
        mistake("settings that are a list", Refused, to("{ index: x, settings: [a] }")),
        mistake(
            "versions of a kind that isn't known",
            Refused,
            to("{ index: x, versions: external }"),
        ),
    ]
}

pub(super) fn files() -> Vec<Mistake> {
    let index = "index: \"x-{generation}\"";
    let from = |source: &str| load(source, index, "alias: x");
    let by = |cutover: &str| load("files: x.csv", index, cutover);
    vec![
        mistake("files and an index", Refused, from("files: x.csv, index: a")),
        mistake("no file", Refused, from("files: []")),
        mistake("a file without a name", Refused, from("files: [\"\"]")),
        mistake("a capture in files", Unseen, from("files: \"x-{month}.csv\"")),
        mistake("a format that isn't known", Refused, from("files: x.csv, format: parquet")),
        mistake("a delimiter of two characters", Refused, from("files: x.csv, delimiter: \"||\"")),
        mistake("a delimiter that is a quote", Refused, from("files: x.csv, delimiter: '\"'")),
        mistake(
            "a type of column that is a mapping's",
            Refused,
            from("files: x.csv, columns: { zip: keyword }"),
        ),
        mistake("an id that is a field", Refused, from("files: x.csv, id: zip_code")),
        mistake("an id of no fields", Refused, from("files: x.csv, id: { fields: [] }")),
        mistake(
            "an id of one field without a list",
            Refused,
            from("files: x.csv, id: { fields: zip }"),
        ),
        mistake("an id with a slip", Refused, from("files: x.csv, id: { field: [zip] }")),
        mistake("empty cells as something else", Refused, from("files: x.csv, empty: zero")),
        mistake("duplicates as something else", Refused, from("files: x.csv, duplicates: first")),
        mistake(
            "a generation that is missing",
            Refused,
            load("files: x.csv", "index: x", "alias: x"),
        ),
        mistake(
            "a generation twice",
            Refused,
            load("files: x.csv", "index: \"x-{generation}-{generation}\"", "alias: x"),
        ),
        mistake(
            "versions for files",
            Refused,
            load("files: x.csv", &format!("{index}, versions: segue"), "alias: x"),
        ),
        mistake(
            "no cutover for files",
            Refused,
            with("")
                .replace("{ index: \"a-{m}\", match: { m: '\\d+' } }", "{ files: x.csv }")
                .replace("{source}-v2", "x-{generation}"),
        ),
        mistake("no alias for files", Refused, by("start: auto")),
        mistake("an alias with a generation", Unseen, by("alias: \"x-{generation}\"")),
        mistake("a mode that files don't have", Refused, by("alias: x, mode: block")),
        mistake("a key that files don't have", Refused, by("alias: x, reverse_for: 7d")),
        mistake("a drift without a number", Refused, by("alias: x, max_drift: some")),
        mistake("a drift below nothing", Refused, by("alias: x, max_drift: -5")),
        mistake("more generations than are kept", Refused, by("alias: x, keep_generations: 1001")),
        mistake("a first load that is a word", Refused, by("alias: x, first_load: maybe")),
    ]
}

pub(super) fn verify_cutover_limits() -> Vec<Mistake> {
    let refused = |what, more: &str| mistake(what, Refused, with(more));
    vec![
        refused("required without a list", "verify: { required: recid }"),
        refused("a required path with a dot too many", "verify: { required: [a..b] }"),
        refused("a required path into a list", "verify: { required: [\"a[].b\"] }"),
        refused("counts that may differ", "verify: { counts: about }"),
        refused("a mode with a slip", "cutover: { mode: blok }"),
        refused("a redirect without writers", "cutover: { mode: redirect }"),
        refused("writers of a kind that isn't known", "cutover: { writers: all }"),
        refused("a start that is a number", "cutover: { start: 1 }"),
        refused("a pause of nothing", "cutover: { max_pause: 0s }"),
        refused("a pause without a unit", "cutover: { max_pause: 30 }"),
        refused("a pause in words", "cutover: { max_pause: 5 minutes }"),
        mistake("a pause of more than ten years", Unseen, with("cutover: { max_pause: 9999d }")),
        refused("quiet for nothing", "cutover: { quiet_for: 0s }"),
        refused("after_switch of a kind that isn't known", "cutover: { after_switch: both }"),
        refused("enrich_for without keep_enriching", "cutover: { enrich_for: 1h }"),
        refused(
            "enriching for nothing",
            "cutover: { after_switch: keep_enriching, enrich_for: 0s }",
        ),
        refused("dead letters below nothing", "cutover: { max_dead_letters: -1 }"),
        mistake(
            "an alias with a hole that there is none of",
            Unseen,
            with("cutover: { alias: \"r-{month}\" }"),
        ),
        refused("an alias with capitals", "cutover: { alias: Products }"),
        refused("limits that are a number", "limits: 5"),
        refused("lanes that are a word", "limits: { lanes: many }"),
        refused("lanes out of bounds", "limits: { lanes: 0 }"),
        refused("half a lane", "limits: { lanes: 1.5 }"),
        refused("more than all of the heap", "limits: { heap_percent: 101 }"),
        refused("a percent sign", "limits: { heap_percent: 80% }"),
        refused("a size without a unit", "limits: { batch_bytes: 5000000 }"),
        refused("a size with a unit that isn't known", "limits: { batch_bytes: 5tb }"),
        mistake("a size out of bounds", Unseen, with("limits: { batch_bytes: 1gb }")),
        refused("a speed that is a word", "limits: { docs_per_second: fast }"),
        refused("a speed of nothing", "limits: { docs_per_second: 0 }"),
    ]
}
