//! `segue recipe new`.

use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use segue_cluster::Cluster;
use segue_engine::observe::observe;
use segue_model::draft::{Draft, Series, Wanted, draft};
use segue_model::recipe::{Recipe, nearest};
use serde_json::json;

use crate::args::{ConnectOptions, NewOptions};
use crate::exit::Usage;
use crate::recipe_file;

/// Names that are listed where one is to be chosen.
const LISTED: usize = 40;

/// Drafts a recipe and writes it.
pub async fn run(options: &NewOptions) -> anyhow::Result<ExitCode> {
    let lines = options.connect.lines();
    let bare = recipe(&lines, &Series::one("any"))?;
    let cluster = recipe_file::connect(&bare, Path::new("."))?;
    let what = match &options.index {
        Some(index) => index.clone(),
        None => ask_for_index(&cluster).await?,
    };
    let series = series(&cluster, &what).await?;
    let looked = recipe(&lines, &series)?;
    let seen = observe(&cluster, &looked, Path::new("."), BTreeMap::new()).await?;
    let Some(first) = seen.candidates.first() else {
        return Err(Usage(format!("{what} could not be looked at")).into());
    };
    let versions = seen.versions.get(&first.name).cloned().unwrap_or_default();
    let name = options.name.clone();
    let mut wanted =
        Wanted { name, target: options.target.clone(), cluster: lines, template: None };
    let proposed = draft(&series, &seen.engine, &seen.candidates, &versions, &wanted);
    let path = match &options.out {
        Some(path) => path.clone(),
        None => PathBuf::from(format!("{}.yaml", name_of(&proposed)?)),
    };
    if !options.no_template {
        let template = path.with_extension("template.json");
        let template = template.file_name().context("the file to write has no name")?;
        wanted.template = Some(template.to_string_lossy().into_owned());
    }
    let drafted = draft(&series, &seen.engine, &seen.candidates, &versions, &wanted);
    check(&drafted)?;
    write(&path, &drafted, &wanted, options.force)?;
    Ok(ExitCode::SUCCESS)
}

impl ConnectOptions {
    /// `cluster`, as lines of a recipe. The environment may name another cluster later, unless another one
    /// than its own was meant from the beginning.
    pub fn lines(&self) -> Vec<String> {
        let other = std::env::var("SEGUE_CLUSTER").is_ok_and(|url| url != self.cluster);
        let url = match other {
            true => self.cluster.clone(),
            false => format!("${{SEGUE_CLUSTER:-{}}}", self.cluster),
        };
        let mut lines = vec![format!("url: {}", json!(url))];
        if let (Some(user), Some(variable)) = (&self.user, &self.password_env) {
            let (user, variable) = (json!(user), json!(variable));
            let auth = format!("{{ basic: {{ user: {user}, password: {{ env: {variable} }} }} }}");
            lines.push(format!("auth: {auth}"));
        }
        if let Some(variable) = &self.api_key_env {
            lines.push(format!("auth: {{ api_key: {{ env: {} }} }}", json!(variable)));
        }
        if let Some(ca) = &self.ca {
            lines.push(format!("tls: {{ ca: {} }}", json!(ca.to_string_lossy())));
        }
        lines
    }
}

/// A recipe that says no more than where to look.
pub fn recipe(cluster: &[String], series: &Series) -> anyhow::Result<Recipe> {
    let wanted = Wanted { cluster: cluster.to_vec(), ..Wanted::default() };
    let text = draft(series, "", &[], &[], &wanted).recipe;
    parse(&text)
}

fn parse(text: &str) -> anyhow::Result<Recipe> {
    Recipe::parse(text, "the draft", &BTreeMap::new(), &|name| std::env::var(name).ok())
        .map_err(|error| Usage(error.render()).into())
}

fn check(drafted: &Draft) -> anyhow::Result<()> {
    parse(&drafted.recipe).map(drop)
}

fn name_of(drafted: &Draft) -> anyhow::Result<String> {
    Ok(parse(&drafted.recipe)?.name)
}

/// The indices that a name, an alias or a wildcard stands for.
async fn series(cluster: &Cluster, what: &str) -> anyhow::Result<Series> {
    let seen = cluster.indices(what).await.with_context(|| format!("cannot look at {what}"))?;
    let mut names: Vec<_> = seen
        .iter()
        .filter(|index| !index.system && index.data_stream.is_none())
        .map(|index| index.name.as_str())
        .collect();
    names.sort_unstable();
    if names.is_empty() {
        let there = all(cluster).await?;
        let hint = match nearest(what, there.iter().map(String::as_str)) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("there are: {}", listed(&there)),
        };
        return Err(Usage(format!("there is no index {what}; {hint}")).into());
    }
    Series::of(what, &names).ok_or_else(|| {
        let names = listed(&names.iter().map(ToString::to_string).collect::<Vec<_>>());
        let text =
            format!("the names behind {what} differ in more than one place: {names}; name one");
        Usage(text).into()
    })
}

async fn ask_for_index(cluster: &Cluster) -> anyhow::Result<String> {
    if !std::io::stdin().is_terminal() {
        return Err(Usage("which index? Name it: segue recipe new INDEX".to_owned()).into());
    }
    eprintln!("indices: {}", listed(&all(cluster).await?));
    eprint!("which one (a name, an alias or a wildcard)? ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    match answer.trim() {
        "" => Err(Usage("no index was named".to_owned()).into()),
        name => Ok(name.to_owned()),
    }
}

/// Every index that is an application's.
async fn all(cluster: &Cluster) -> anyhow::Result<Vec<String>> {
    let seen = cluster.indices("*").await.context("cannot list the indices")?;
    let ours = |name: &str| name.starts_with("segue-") || name.starts_with('.');
    let names = seen.into_iter().filter(|index| !index.system && !ours(&index.name));
    let mut names: Vec<_> = names.map(|index| index.name).collect();
    names.sort();
    Ok(names)
}

fn listed(names: &[String]) -> String {
    let more = names.len().saturating_sub(LISTED);
    let some = names.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    match (names.len(), more) {
        (0, _) => "none".to_owned(),
        (_, 0) => some,
        _ => format!("{some} and {more} more"),
    }
}

/// Writes both files, or none.
fn write(path: &Path, drafted: &Draft, wanted: &Wanted, force: bool) -> anyhow::Result<()> {
    let mut files = vec![(path.to_owned(), drafted.recipe.clone())];
    if let (Some(template), Some(name)) = (&drafted.template, &wanted.template) {
        files.push((path.with_file_name(name), format!("{template:#}\n")));
    }
    if let Some((there, _)) = files.iter().find(|(path, _)| !force && path.exists()) {
        let text = format!("{} is there already: --force overwrites it", there.display());
        return Err(Usage(text).into());
    }
    for (path, text) in files {
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}", path.display());
    }
    eprintln!("next: edit, then segue plan {}", path.display());
    Ok(())
}
