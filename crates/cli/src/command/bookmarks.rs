//! `segue bookmarks`.

use std::process::ExitCode;

use segue_engine::Ending;
use segue_engine::bookmarks::{self, Bookmark};
use segue_engine::checkpoint_store::CheckpointStore;
use segue_engine::progress::Listener;
use segue_model::selection::select;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::ask;
use super::plan::{Bounds, open};
use crate::args::{BookmarksCommand, BookmarksOptions, RecipeFile};
use crate::exit::{self, Usage};
use crate::recipe_file;

/// Shows or clears bookmarks.
pub async fn run(options: &BookmarksOptions) -> anyhow::Result<ExitCode> {
    let file = RecipeFile { recipe: options.recipe.clone(), set: options.set.clone() };
    if recipe_file::is_membership(&file) {
        let recipe = recipe_file::load_membership(&file)?;
        if options.command.is_some() {
            let text = "a membership keeps no bookmarks: there is nothing to clear";
            return Err(Usage(text.to_owned()).into());
        }
        if options.json {
            println!("{}", json!({ "membership": recipe.name, "bookmarks": [] }));
        } else {
            println!("{}\n    no bookmarks: every run looks at all members", recipe.name);
        }
        return Ok(ExitCode::SUCCESS);
    }
    if recipe_file::is_rollup(&file) {
        return of_rollup(&file, options).await;
    }
    if options.command.is_some() {
        let text = "only bookmarks of roll-ups can be cleared; `segue abandon` gives the parts of a \
                    migration up, with what was read";
        return Err(Usage(text.to_owned()).into());
    }
    of_migration(&file, options).await
}

async fn of_rollup(file: &RecipeFile, options: &BookmarksOptions) -> anyhow::Result<ExitCode> {
    let recipe = recipe_file::load_rollup(file)?;
    for (key, _) in &options.only {
        if !matches!(key.as_str(), "name" | "key") {
            let text = format!("--only: `{key}` is nothing to choose bookmarks by: name or key");
            return Err(Usage(text).into());
        }
    }
    let cluster = recipe_file::connect_to(&recipe.cluster, &recipe_file::folder(file))?;
    let mut found = bookmarks::of_rollup(&cluster, &recipe).await?;
    found.retain(|bookmark| is_meant(bookmark, &options.only));
    let Some(BookmarksCommand::Clear { all, yes }) = &options.command else {
        if options.json {
            println!("{}", json!({ "rollup": recipe.name, "bookmarks": found }));
        } else {
            println!("{}", recipe.name);
            found.iter().for_each(|bookmark| println!("    {}", line(bookmark)));
            if found.is_empty() {
                println!("    no bookmarks");
            }
        }
        return Ok(ExitCode::SUCCESS);
    };
    if options.only.is_empty() && !all {
        let text = "say which: --only name=NAME, --only key=KEY, or --all";
        return Err(Usage(text.to_owned()).into());
    }
    found.iter().for_each(|bookmark| eprintln!("delete  {}", line(bookmark)));
    if !found.is_empty() && !yes {
        ask::confirm("delete this?")?;
    }
    let left = bookmarks::clear(&cluster, &found).await?;
    let cleared: Vec<_> =
        found.iter().filter(|one| left.iter().all(|(other, _)| other.id != one.id)).collect();
    if options.json {
        let left: Vec<_> = left
            .iter()
            .map(|(bookmark, why)| json!({ "bookmark": bookmark, "reason": why }))
            .collect();
        println!("{}", json!({ "rollup": recipe.name, "cleared": cleared, "left": left }));
    } else {
        println!("{}", recipe.name);
        cleared.iter().for_each(|bookmark| println!("    deleted: {}", line(bookmark)));
        left.iter().for_each(|(one, why)| println!("    left: {}: {why}", line(one)));
        if found.is_empty() {
            println!("    no such bookmarks");
        }
    }
    Ok(exit::code((!left.is_empty()).then_some(Ending::Refused)))
}

/// Whether a bookmark has one of the names and one of the keys that were given, where any were.
fn is_meant(bookmark: &Bookmark, only: &[(String, String)]) -> bool {
    let fits = |what: &str, value: Option<&str>| {
        let mut wanted = only.iter().filter(|(key, _)| key == what).peekable();
        wanted.peek().is_none() || wanted.any(|(_, wanted)| Some(wanted.as_str()) == value)
    };
    fits("name", Some(&bookmark.name)) && fits("key", bookmark.key.as_deref())
}

fn line(bookmark: &Bookmark) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let Bookmark { index, name, key, date, .. } = bookmark;
    format!("{}  {name}  {}  ({index})", text(date), text(key))
}

/// How far each shard of each part was read.
async fn of_migration(file: &RecipeFile, options: &BookmarksOptions) -> anyhow::Result<ExitCode> {
    let listener = Listener::new(|_| {});
    let session = open(file, Bounds::default(), listener, CancellationToken::new()).await?;
    let journal = session.journal().read().await?;
    let chosen = select(session.recipe(), journal.parts.iter(), &options.only)
        .map_err(|error| Usage(format!("--only: {error}")))?;
    let mut parts = Vec::new();
    for source in chosen {
        let Some(state) = journal.parts.get(&source) else { continue };
        let (cluster, migration) = (session.cluster().clone(), session.migration().clone());
        let store = CheckpointStore::new(cluster, migration, source.clone());
        let shards = state.source.as_ref().map_or(0, |source| source.histories.len());
        let mut positions: Vec<Value> = Vec::new();
        for kept in store.load(u32::try_from(shards).unwrap_or(u32::MAX)).await? {
            if let Some(at) = kept.checkpoint {
                positions.push(json!({
                    "shard": at.shard, "position": at.position, "read": at.balance.read
                }));
            }
        }
        parts.push((source, state.phase.to_string(), positions));
    }
    if options.json {
        let parts: Vec<_> = parts
            .iter()
            .map(|(source, text, shards)| json!({ "source": source, "text": text, "shards": shards }))
            .collect();
        println!("{}", json!({ "migration": session.migration(), "parts": parts }));
        return Ok(ExitCode::SUCCESS);
    }
    if parts.is_empty() {
        println!("{}: nothing has begun", session.migration());
    }
    for (source, text, shards) in parts {
        println!("{source}\n    {text}");
        for at in shards {
            let (shard, position, read) = (&at["shard"], &at["position"], &at["read"]);
            println!("    shard {shard}: read to number {position}, {read} documents");
        }
    }
    Ok(ExitCode::SUCCESS)
}
