//! From the tree to the checked recipe, section by section.

use std::collections::BTreeMap;

use super::cluster::{AuthRef, ClusterRef, SecretRef, TlsRef};
use super::cursor::{self, Fields, Lists};
use super::error::{ErrorKind, Fault, Place, nearest};
use super::name::{SOURCE, check_regex, is_hole_name, leaves_folder};
use super::node::{self, Node};
use super::read_step::pipeline;
use super::{
    AfterSwitch, ContentCheck, CountCheck, CutoverMode, CutoverSpec, CutoverStart, DocsPerSecond,
    Limits, NameError, NamePattern, NameTemplate, Recipe, Source, SourceSpec, TargetSpec,
    VerifySpec, Versions, Writers,
};
use super::{read_files, read_membership, read_rollup};

type Vars = BTreeMap<String, String>;

/// The recipe language this program reads.
const LANGUAGE: u64 = 1;

const SECTIONS: [&str; 10] = [
    "segue", "name", "vars", "cluster", "source", "target", "pipeline", "verify", "cutover",
    "limits",
];

/// What holes in names can be filled with.
pub(super) struct Scope {
    pub(super) vars: Vars,
    pub(super) captures: Vec<String>,
}

pub(super) fn recipe(
    text: &str,
    set: &Vars,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Recipe, Fault> {
    let mut root = node::read(text)?;
    root.expand(env)?;
    read_rollup::refuse(&root)?;
    read_membership::refuse(&root)?;
    let mut fields = Fields::open(root, "the recipe", &SECTIONS)?;
    language(&fields.need("segue")?)?;
    let named = fields.need("name")?;
    let vars = vars(fields.take("vars"), set, fields.at())?;
    let name = name(named, &vars)?;
    let cluster = cluster(fields.need("cluster")?)?;
    let wanted = fields.need("source")?;
    let (source, captures) = if read_files::is_files(&wanted) {
        let captures = vec![read_files::GENERATION.to_owned()];
        (Source::Files(Box::new(read_files::source(wanted, &vars)?)), captures)
    } else {
        let source = source(wanted, &vars)?;
        let captures = source.index.captures().to_vec();
        (Source::Indices(source), captures)
    };
    let scope = Scope { vars, captures };
    let wanted = fields.need("target")?;
    let target = match &source {
        Source::Indices(_) => target(wanted, &scope)?,
        Source::Files(_) => read_files::target(wanted, &scope)?,
    };
    let pipeline = fields.take("pipeline").map(|node| pipeline(node, &scope)).transpose()?;
    let verify = fields.take("verify").map(verify).transpose()?;
    let cutover = match &source {
        Source::Indices(_) => {
            fields.take("cutover").map(|node| cutover(node, &scope)).transpose()?
        }
        Source::Files(_) => Some(read_files::cutover(fields.need("cutover")?, &scope)?),
    };
    let limits = fields.take("limits").map(limits).transpose()?;
    Ok(Recipe {
        name,
        vars: scope.vars,
        cluster,
        source,
        target,
        pipeline: pipeline.unwrap_or_default(),
        verify: verify.unwrap_or_default(),
        cutover: cutover.unwrap_or_default(),
        limits: limits.unwrap_or_default(),
    })
}

pub(super) fn language(node: &Node) -> Result<(), Fault> {
    let version = cursor::number(node, "`segue`", 1..=u64::MAX)?;
    if version == LANGUAGE {
        return Ok(());
    }
    let summary = format!("recipe language {version} isn't known");
    Err(Fault::new(ErrorKind::BadValue, node.at, summary)
        .hint(format!("this program reads language {LANGUAGE}")))
}

pub(super) fn name(node: Node, vars: &Vars) -> Result<String, Fault> {
    let at = node.at;
    let name = filled(node, "`name`", vars)?;
    let first = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let legal = name.len() <= 63
        && name.starts_with(first)
        && name.chars().all(|c| first(c) || matches!(c, '_' | '-'));
    if legal {
        return Ok(name);
    }
    Err(Fault::new(ErrorKind::BadValue, at, format!("`{name}` can't be a recipe's name"))
        .hint("up to 63 of a-z, 0-9, `_` and `-`, the first a letter or digit"))
}

pub(super) fn vars(node: Option<Node>, set: &Vars, root: Place) -> Result<Vars, Fault> {
    let at = node.as_ref().map_or(root, |node| node.at);
    let mut vars = Vars::new();
    for (key, value) in
        node.map(|node| cursor::mapping(node, "`vars`")).transpose()?.unwrap_or_default()
    {
        if !is_hole_name(&key.name) || key.name == SOURCE {
            let summary = format!("`{}` can't be the name of a variable", key.name);
            return Err(Fault::new(ErrorKind::BadValue, key.at, summary)
                .hint("letters a-z, digits and `_`, starting with a letter; not `source`"));
        }
        vars.insert(key.name, cursor::text(value, "a variable")?);
    }
    for (name, value) in set {
        if !vars.contains_key(name) {
            let summary = format!("`--set {name}=…`: the recipe has no variable `{name}`");
            return Err(Fault::new(ErrorKind::BadValue, at, summary)
                .did_you_mean(name, vars.keys().map(String::as_str)));
        }
        vars.insert(name.clone(), value.clone());
    }
    Ok(vars)
}

pub(super) fn cluster(node: Node) -> Result<ClusterRef, Fault> {
    let mut fields = Fields::open(node, "`cluster`", &["url", "auth", "tls"])?;
    let url = url(fields.need("url")?)?;
    let auth = fields.take("auth").map(auth).transpose()?.unwrap_or(AuthRef::None);
    let tls = fields.take("tls").map(tls).transpose()?.unwrap_or_default();
    Ok(ClusterRef { url, auth, tls })
}

fn url(node: Node) -> Result<String, Fault> {
    let at = node.at;
    let url = cursor::text(node, "`url`")?;
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let host = rest.and_then(|rest| rest.split('/').next()).unwrap_or_default();
    if host.contains('@') {
        let summary = "`url` has credentials in it";
        return Err(Fault::new(ErrorKind::SecretInRecipe, at, summary)
            .hint("give them under `auth`, by reference"));
    }
    if host.is_empty() || url.contains(['?', '#', ' ']) {
        // The value may come from the environment and isn't repeated here.
        return Err(Fault::new(ErrorKind::BadValue, at, "`url` isn't an address of a cluster")
            .hint("for example http://localhost:9200"));
    }
    Ok(url.trim_end_matches('/').to_owned())
}

fn auth(node: Node) -> Result<AuthRef, Fault> {
    let mut fields = Fields::open(node, "`auth`", &["basic", "api_key"])?;
    match (fields.take("basic"), fields.take("api_key")) {
        (Some(basic), None) => {
            let mut fields = Fields::open(basic, "`basic`", &["user", "password"])?;
            let user = cursor::text(fields.need("user")?, "`user`")?;
            Ok(AuthRef::Basic { user, password: secret(fields.need("password")?, "`password`")? })
        }
        (None, Some(key)) => Ok(AuthRef::ApiKey(secret(key, "`api_key`")?)),
        _ => Err(Fault::new(ErrorKind::BadValue, fields.at(), "`auth` needs one way to sign in")
            .hint("`basic` or `api_key`")),
    }
}

fn secret(node: Node, what: &'static str) -> Result<SecretRef, Fault> {
    if !matches!(node.value, node::Value::Map(_)) {
        let summary = format!("{what} is written into the recipe");
        return Err(Fault::new(ErrorKind::SecretInRecipe, node.at, summary)
            .hint("say where it is: {env: NAME} or {file: PATH}"));
    }
    let mut fields = Fields::open(node, what, &["env", "file"])?;
    match (fields.take("env"), fields.take("file")) {
        (Some(env), None) => Ok(SecretRef::Env(cursor::text(env, "`env`")?)),
        (None, Some(file)) => Ok(SecretRef::File(cursor::text(file, "`file`")?)),
        _ => Err(Fault::new(ErrorKind::BadValue, fields.at(), format!("{what} needs one place"))
            .hint("{env: NAME} or {file: PATH}")),
    }
}

fn tls(node: Node) -> Result<TlsRef, Fault> {
    let mut fields = Fields::open(node, "`tls`", &["verify", "ca"])?;
    let verify =
        fields.take("verify").map(|node| cursor::boolean(&node, "`verify`")).transpose()?;
    let ca = fields.take("ca").map(|node| cursor::text(node, "`ca`")).transpose()?;
    Ok(TlsRef { verify: verify.unwrap_or(true), ca })
}

fn source(node: Node, vars: &Vars) -> Result<SourceSpec, Fault> {
    let mut fields =
        Fields::open(node, "`source`", &["index", "match", "done_if_mapped", "may_be_empty"])?;
    let index = fields.need("index")?;
    let at = index.at;
    let text = cursor::text(index, "`index`")?;
    let mut matches = BTreeMap::new();
    let mut places = Vec::new();
    let node = fields.take("match");
    for (key, value) in
        node.map(|node| cursor::mapping(node, "`match`")).transpose()?.unwrap_or_default()
    {
        let value_at = value.at;
        let regex = cursor::text(value, "a regular expression")?;
        check_regex(&key.name, &regex).map_err(|error| name_fault(value_at, &error, &[]))?;
        matches.insert(key.name.clone(), regex);
        places.push(key);
    }
    let known: Vec<&str> = matches.keys().chain(vars.keys()).map(String::as_str).collect();
    let pattern = NamePattern::with_vars(&text, &matches, vars)
        .map_err(|error| name_fault(at, &error, &known))?;
    if pattern.wildcard().is_empty() {
        return Err(nameless(at, "`index`"));
    }
    for key in &places {
        if !pattern.captures().contains(&key.name) {
            let summary = format!("`match` has `{}`, but `index` has no such capture", key.name);
            let known = pattern.captures().iter().map(String::as_str);
            return Err(Fault::new(ErrorKind::Capture, key.at, summary)
                .hint(format!("write `{{{}}}` in `index`, or take this away", key.name))
                .did_you_mean(&key.name, known));
        }
    }
    if pattern.captures().iter().any(|name| name == SOURCE) {
        let summary = "`{source}` stands for the source's name and can't be a capture";
        return Err(Fault::new(ErrorKind::Capture, at, summary).hint("give it another name"));
    }
    let done = fields.take("done_if_mapped");
    let done = done.map(|node| cursor::paths(node, "`done_if_mapped`", Lists::Refused));
    let empty = fields.take("may_be_empty");
    let empty = empty.map(|node| cursor::boolean(&node, "`may_be_empty`")).transpose()?;
    Ok(SourceSpec {
        index: pattern,
        done_if_mapped: done.transpose()?.unwrap_or_default(),
        may_be_empty: empty.unwrap_or(false),
    })
}

/// A text whose holes are variables.
pub(super) fn filled(node: Node, what: &str, vars: &Vars) -> Result<String, Fault> {
    let at = node.at;
    let text = cursor::text(node, what)?;
    let template =
        NameTemplate::with_vars(&text, vars).map_err(|error| name_fault(at, &error, &[]))?;
    let Some(hole) = template.holes().next() else {
        return Ok(template.literal().unwrap_or_default().to_owned());
    };
    let summary = format!("{what}: `{{{hole}}}` is no variable");
    Err(Fault::new(ErrorKind::Capture, at, summary)
        .hint(format!("add it to `vars`: `vars: {{ {hole}: … }}`"))
        .did_you_mean(hole, vars.keys().map(String::as_str)))
}

fn nameless(at: Place, what: &str) -> Fault {
    Fault::new(ErrorKind::BadValue, at, format!("{what} is empty"))
        .hint("if it comes from a variable, see what that holds")
}

/// A template for the name of an index or alias.
pub(super) fn template(node: Node, what: &str, scope: &Scope) -> Result<NameTemplate, Fault> {
    let at = node.at;
    let template = holes(node, what, scope)?;
    if template.literal() == Some("") {
        return Err(nameless(at, what));
    }
    template.check_literals().map_err(|error| name_fault(at, &error, &[]))?;
    Ok(template)
}

fn holes(node: Node, what: &str, scope: &Scope) -> Result<NameTemplate, Fault> {
    let at = node.at;
    let text = cursor::text(node, what)?;
    let template =
        NameTemplate::with_vars(&text, &scope.vars).map_err(|error| name_fault(at, &error, &[]))?;
    let known: Vec<&str> =
        scope.captures.iter().chain(scope.vars.keys()).map(String::as_str).collect();
    for hole in template.holes() {
        if hole != SOURCE && !scope.captures.iter().any(|capture| capture == hole) {
            let summary = format!("{what}: `{{{hole}}}` is neither a capture nor a variable");
            let known = known.iter().copied().chain([SOURCE]);
            return Err(Fault::new(ErrorKind::Capture, at, summary).did_you_mean(hole, known));
        }
    }
    Ok(template)
}

fn name_fault(at: Place, error: &NameError, known: &[&str]) -> Fault {
    let kind = match error {
        NameError::BadRegex { .. } => ErrorKind::Regex,
        NameError::Illegal { .. } | NameError::Outside(_) => ErrorKind::BadValue,
        _ => ErrorKind::Capture,
    };
    let fault = Fault::new(kind, at, error.to_string());
    match error {
        NameError::NoMatch(name) => match nearest(name, known.iter().copied()) {
            Some(near) => fault.hint(format!("did you mean `{near}`?")),
            None => fault.hint(format!("add `match: {{ {name}: '…' }}`, or a variable")),
        },
        NameError::Illegal { .. } => fault.hint(
            "names of indices are in small letters; `{x}` stands for what differs, with `match: { x: '…' }`",
        ),
        NameError::Touching(..) => fault.hint("put something between them, such as `-`"),
        NameError::Twice(_) => fault.hint("give the second another name"),
        NameError::Unclosed | NameError::Unopened => {
            fault.hint("a variable or capture is a name in braces: `{month}`")
        }
        NameError::BadRegex { .. } => {
            fault.hint("the capture's whole text must match, for example '\\d{4}-\\d{2}'")
        }
        NameError::BadHole(_) => fault.hint("for example `{month}`"),
        NameError::Unfilled(_) | NameError::Outside(_) => fault,
    }
}

fn target(node: Node, scope: &Scope) -> Result<TargetSpec, Fault> {
    let mut fields =
        Fields::open(node, "`target`", &["index", "template", "settings", "versions", "merge"])?;
    let index = fields.need("index")?;
    let at = index.at;
    let index = template(index, "`index`", scope)?;
    if index == NameTemplate::new("{source}").map_err(|error| name_fault(at, &error, &[]))? {
        return Err(Fault::new(ErrorKind::BadValue, at, "the target is the source itself")
            .hint("for example \"{source}-v2\""));
    }
    let file = fields.take("template").map(|node| template_file(node, scope)).transpose()?;
    let settings = fields.take("settings").map(settings).transpose()?.unwrap_or_default();
    let versions = fields.take("versions").map(versions).transpose()?;
    let merge = fields.take("merge").map(|node| cursor::boolean(&node, "`merge`")).transpose()?;
    Ok(TargetSpec { index, template: file, settings, versions, merge: merge.unwrap_or(false) })
}

fn versions(node: Node) -> Result<Versions, Fault> {
    let words = [("segue", Versions::Segue), ("preserve", Versions::Preserve)];
    cursor::choice(node, "`versions`", &words)
}

/// The name of a file, which has to stand in the recipe's folder.
pub(super) fn template_file(node: Node, scope: &Scope) -> Result<NameTemplate, Fault> {
    let at = node.at;
    let template = holes(node, "`template`", scope)?;
    if leaves_folder(&template.to_string()) {
        let summary = "`template` leaves the recipe's folder";
        return Err(Fault::new(ErrorKind::BadValue, at, summary)
            .hint("name a file beside the recipe or below it: templates/products.json"));
    }
    Ok(template)
}

pub(super) fn settings(node: Node) -> Result<serde_json::Map<String, serde_json::Value>, Fault> {
    let members = cursor::mapping(node, "`settings`")?;
    let setting =
        |(key, value): (node::Key, Node)| Ok((key.name, cursor::constant(&value, "a setting")?));
    members.into_iter().map(setting).collect()
}

fn verify(node: Node) -> Result<VerifySpec, Fault> {
    let mut fields = Fields::open(node, "`verify`", &["counts", "required", "content"])?;
    let counts = [("exact", CountCheck::Exact)];
    let content = [("full", ContentCheck::Full), ("none", ContentCheck::None)];
    let default = VerifySpec::default();
    let take = fields.take("required");
    let required = take.map(|node| cursor::paths(node, "`required`", Lists::Refused));
    Ok(VerifySpec {
        counts: fields
            .take("counts")
            .map_or(Ok(default.counts), |node| cursor::choice(node, "`counts`", &counts))?,
        required: required.transpose()?.unwrap_or_default(),
        content: fields
            .take("content")
            .map_or(Ok(default.content), |node| cursor::choice(node, "`content`", &content))?,
    })
}

fn cutover(node: Node, scope: &Scope) -> Result<CutoverSpec, Fault> {
    let known = [
        "mode",
        "writers",
        "start",
        "alias",
        "quiet_for",
        "after_switch",
        "max_pause",
        "max_dead_letters",
        "reverse_for",
        "enrich_for",
    ];
    let mut fields = Fields::open(node, "`cutover`", &known)?;
    let starts = [("auto", CutoverStart::Auto), ("manual", CutoverStart::Manual)];
    let mut spec = CutoverSpec::default();
    if let Some(node) = fields.take("writers") {
        let writers = [("index_only", Writers::IndexOnly)];
        spec.writers = Some(cursor::choice(node, "`writers`", &writers)?);
    }
    if let Some(node) = fields.take("mode") {
        let modes = [("block", CutoverMode::Block), ("redirect", CutoverMode::Redirect)];
        let at = node.at;
        spec.mode = cursor::choice(node, "`mode`", &modes)?;
        if spec.mode == CutoverMode::Redirect && spec.writers.is_none() {
            let summary = "`mode: redirect` needs the statement `writers: index_only`";
            let hint = "state it only if writers neither create with an id, update, delete, nor send \
                        if_seq_no, versions, require_alias or ?pipeline=; otherwise use `mode: block`";
            return Err(Fault::new(ErrorKind::MissingKey, at, summary).hint(hint));
        }
    }
    if let Some(node) = fields.take("start") {
        spec.start = cursor::choice(node, "`start`", &starts)?;
    }
    if let Some(node) = fields.take("alias") {
        spec.alias = Some(template(node, "`alias`", scope)?);
    }
    if let Some(node) = fields.take("max_pause") {
        spec.max_pause = some_time(node, "`max_pause`")?;
    }
    spec.quiet_for = fields.take("quiet_for").map(|n| some_time(n, "`quiet_for`")).transpose()?;
    spec.after_switch = fields.take("after_switch").map(after_switch).transpose()?;
    if let Some(node) = fields.take("max_dead_letters") {
        spec.max_dead_letters = cursor::number(&node, "`max_dead_letters`", 0..=u64::MAX)?;
    }
    if let Some(node) = fields.take("reverse_for") {
        spec.reverse_for = cursor::duration(node, "`reverse_for`")?;
    }
    if let Some(node) = fields.take("enrich_for") {
        let at = node.at;
        spec.enrich_for = Some(some_time(node, "`enrich_for`")?);
        if !spec.keeps_enriching() {
            let summary = "`enrich_for` needs `after_switch: keep_enriching`";
            return Err(Fault::new(ErrorKind::BadValue, at, summary)
                .hint("otherwise nothing is enriched after the switch: take `enrich_for` away"));
        }
    }
    Ok(spec)
}

/// A duration that is more than nothing.
pub(super) fn some_time(node: Node, what: &str) -> Result<std::time::Duration, Fault> {
    let at = node.at;
    let time = cursor::duration(node, what)?;
    if time.is_zero() {
        let summary = format!("{what} must be more than nothing");
        return Err(Fault::new(ErrorKind::BadValue, at, summary)
            .hint("for example 30s; without the key its default holds"));
    }
    Ok(time)
}

fn after_switch(node: Node) -> Result<AfterSwitch, Fault> {
    let words = [
        ("writers_send_new_shape", AfterSwitch::WritersSendNewShape),
        ("target_accepts_both", AfterSwitch::TargetAcceptsBoth),
        ("keep_enriching", AfterSwitch::KeepEnriching),
    ];
    cursor::choice(node, "`after_switch`", &words)
}

const LIMITS: [&str; 13] = [
    "batch_docs",
    "max_batches",
    "batch_bytes",
    "lanes",
    "parts",
    "retries",
    "retry_delay",
    "max_memory_percent",
    "heap_percent",
    "disk_percent",
    "health_wait",
    "lease_ttl",
    "docs_per_second",
];

/// Shorter leases would expire under a busy machine.
pub(super) const LEAST_LEASE: std::time::Duration = std::time::Duration::from_secs(1);

fn limits(node: Node) -> Result<Limits, Fault> {
    let mut fields = Fields::open(node, "`limits`", &LIMITS)?;
    let mut limits = Limits::default();
    let small = |fields: &mut Fields, key: &str, to: &mut u32, range| -> Result<(), Fault> {
        if let Some(node) = fields.take(key) {
            *to = cursor::small(&node, &format!("`{key}`"), range)?;
        }
        Ok(())
    };
    small(&mut fields, "batch_docs", &mut limits.batch_docs, 1..=100_000)?;
    small(&mut fields, "lanes", &mut limits.lanes, 1..=64)?;
    small(&mut fields, "parts", &mut limits.parts, 1..=64)?;
    small(&mut fields, "retries", &mut limits.retries, 0..=100)?;
    if let Some(node) = fields.take("batch_bytes") {
        // The engines take requests of up to 100 MB by default.
        limits.batch_bytes = cursor::bytes(node, "`batch_bytes`", 1 << 10..=100 << 20)?;
    }
    for (key, to) in
        [("retry_delay", &mut limits.retry_delay), ("health_wait", &mut limits.health_wait)]
    {
        if let Some(node) = fields.take(key) {
            *to = cursor::duration(node, &format!("`{key}`"))?;
        }
    }
    if let Some(node) = fields.take("lease_ttl") {
        let ttl = cursor::duration(node, "`lease_ttl`")?;
        // A sign of life a fifth of it apart must be possible.
        limits.lease_ttl = ttl.max(LEAST_LEASE);
    }
    for (key, to) in [
        ("max_memory_percent", &mut limits.max_memory_percent),
        ("heap_percent", &mut limits.heap_percent),
    ] {
        if let Some(node) = fields.take(key) {
            *to = cursor::percent(&node, &format!("`{key}`"))?;
        }
    }
    if let Some(node) = fields.take("disk_percent") {
        limits.disk_percent = Some(cursor::percent(&node, "`disk_percent`")?);
    }
    if let Some(node) = fields.take("max_batches") {
        limits.max_batches = batches(node)?;
    }
    if let Some(node) = fields.take("docs_per_second") {
        limits.docs_per_second = speed(node)?;
    }
    Ok(limits)
}

fn batches(node: Node) -> Result<Option<u64>, Fault> {
    if matches!(&node.value, node::Value::Text(_)) {
        return cursor::choice(node, "`max_batches`", &[("all", None)]);
    }
    if matches!(&node.value, node::Value::Filled(text) if text == "all") {
        return Ok(None);
    }
    cursor::number(&node, "`max_batches`", 1..=u64::MAX).map(Some)
}

fn speed(node: Node) -> Result<DocsPerSecond, Fault> {
    if matches!(&node.value, node::Value::Text(_)) {
        return cursor::choice(node, "`docs_per_second`", &[("auto", DocsPerSecond::Auto)]);
    }
    if matches!(&node.value, node::Value::Filled(text) if text == "auto") {
        return Ok(DocsPerSecond::Auto);
    }
    Ok(DocsPerSecond::AtMost(cursor::number(&node, "`docs_per_second`", 1..=u64::MAX)?))
}
