//! `segue errors`.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use segue_engine::Ending;
use segue_engine::letters::{Chosen, Group, Pages, PartLetters, explain, list, retry};
use segue_engine::migrate;
use segue_engine::session::Session;
use segue_model::id::IndexName;
use segue_model::part::PartState;
use segue_model::selection::select;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::ask::{self, stop_on_interrupt};
use super::plan::{Bounds, open};
use crate::args::{ErrorsCommand, ErrorsOptions, RecipeFile, RetryOptions};
use crate::exit::{self, Usage};
use crate::render::errors as render;
use crate::render::progress::Display;

/// The parts that were asked for, as the journal has them.
type Parts = Vec<(IndexName, PartState)>;

/// Lists, explains, exports or retries dead letters.
pub async fn run(options: &ErrorsOptions) -> anyhow::Result<ExitCode> {
    let cancel = CancellationToken::new();
    stop_on_interrupt(cancel.clone());
    let file = RecipeFile { recipe: options.recipe.clone(), set: options.set.clone() };
    let display = Display::start();
    let session = open(&file, Bounds::default(), display.listener(), cancel).await?;
    let retries = matches!(options.command, Some(ErrorsCommand::Retry(_)));
    if retries {
        // A cutover that a process left is ended first: its source may be closed.
        migrate::recover(&session).await?;
    }
    let parts = chosen(&session, options).await?;
    let done = match &options.command {
        None => groups(&session, &parts, options.json).await,
        Some(ErrorsCommand::Show { id }) => show(&session, &parts, id, options.json).await,
        Some(ErrorsCommand::Export { file }) => export(&session, &parts, file.as_deref()).await,
        Some(ErrorsCommand::Retry(how)) => again(&session, parts, how, options.json).await,
    };
    display.finish();
    done
}

async fn chosen(session: &Session, options: &ErrorsOptions) -> anyhow::Result<Parts> {
    let mut journal = session.journal().read().await?;
    let chosen = select(session.recipe(), journal.parts.iter(), &options.only)
        .map_err(|error| Usage(format!("--only: {error}")))?;
    let mut parts = Vec::new();
    for source in chosen {
        if let Some(state) = journal.parts.remove(&source) {
            parts.push((source, state));
        }
    }
    Ok(parts)
}

async fn listed(session: &Session, parts: &Parts) -> anyhow::Result<Vec<PartLetters>> {
    let mut all = Vec::new();
    for (source, state) in parts {
        all.push(list(session, source, state).await?);
    }
    Ok(all)
}

async fn groups(session: &Session, parts: &Parts, as_json: bool) -> anyhow::Result<ExitCode> {
    let allowed = session.recipe().cutover.max_dead_letters;
    let all = listed(session, parts).await?;
    if as_json {
        let open: u64 = all.iter().map(|part| part.open).sum();
        let waiting: u64 = all.iter().map(|part| part.waiting).sum();
        println!(
            "{}",
            json!({
                "migration": session.migration(), "allowed": allowed, "open": open,
                "waiting": waiting, "parts": all,
            })
        );
    } else {
        print!("{}", render::groups(&all, allowed));
    }
    let refuses = all.iter().any(|part| part.open > allowed);
    Ok(exit::code(refuses.then_some(Ending::Refused)))
}

async fn show(
    session: &Session,
    parts: &Parts,
    id: &str,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let mut found = Vec::new();
    for (source, state) in parts {
        found.extend(explain(session, source, state, id).await?);
    }
    let files = session.recipe().source.files().is_some();
    if as_json {
        println!("{}", json!({ "migration": session.migration(), "letters": found }));
    } else {
        found.iter().for_each(|one| print!("{}", render::explained(one, files)));
    }
    if found.is_empty() {
        return Err(Usage(format!("no dead letter is about a document {id:?}")).into());
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the letters that are open or wait, a line of JSON each.
async fn export(session: &Session, parts: &Parts, file: Option<&Path>) -> anyhow::Result<ExitCode> {
    let mut out: Box<dyn Write> = match file {
        None => Box::new(BufWriter::new(std::io::stdout())),
        Some(path) => Box::new(BufWriter::new(
            File::create(path).with_context(|| format!("cannot write {}", path.display()))?,
        )),
    };
    let mut lines = 0_u64;
    for (source, state) in parts {
        let mut pages = Pages::open(session, source, state).await?.with_what_was_sent();
        while let Some(letters) = pages.next().await? {
            for letter in letters.iter().filter(|letter| !letter.standing.is_void()) {
                let mut line = json!(letter);
                line["source"] = json!(source);
                writeln!(out, "{line}").context("cannot write the letters")?;
                lines += 1;
            }
        }
    }
    out.flush().context("cannot write the letters")?;
    eprintln!("{lines} dead letters");
    Ok(ExitCode::SUCCESS)
}

async fn again(
    session: &Session,
    parts: Parts,
    how: &RetryOptions,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let all = listed(session, &parts).await?;
    let groups = match &how.group {
        None => None,
        Some(wanted) => Some(matching(&all, wanted)?),
    };
    if !how.yes {
        eprint!("{}", render::groups(&all, session.recipe().cutover.max_dead_letters));
        match &groups {
            None => ask::confirm("retry all of them?")?,
            Some(groups) => ask::confirm(&format!("retry {} group(s) of them?", groups.len()))?,
        }
    }
    let chosen = Chosen { groups, not_deleted: how.not_deleted };
    let (done, ending) = retry(session, parts, &chosen).await?;
    if as_json {
        println!("{}", json!({ "migration": session.migration(), "parts": done }));
    } else {
        print!("{}", render::retried(&done));
    }
    Ok(exit::code(ending))
}

/// The groups that `wanted` names: by number in the list of the only part that has letters, or by a piece
/// of kind or reason.
fn matching(all: &[PartLetters], wanted: &str) -> anyhow::Result<BTreeSet<(String, String)>> {
    let key = |group: &Group| (group.kind.clone(), group.group.clone());
    let with: Vec<_> = all.iter().filter(|part| !part.groups.is_empty()).collect();
    if let Ok(number) = wanted.parse::<usize>() {
        let [part] = with.as_slice() else {
            let text = "a group has a number within one part: choose the part with --only, or the \
                        group by its text";
            return Err(Usage(text.to_owned()).into());
        };
        let group = part.groups.iter().find(|group| group.number == number);
        let group = group.ok_or_else(|| Usage(format!("there is no group {number}")))?;
        return Ok(BTreeSet::from([key(group)]));
    }
    let holds = |group: &&Group| group.kind.contains(wanted) || group.group.contains(wanted);
    let found: BTreeSet<_> =
        with.iter().flat_map(|part| &part.groups).filter(holds).map(key).collect();
    if found.is_empty() {
        return Err(Usage(format!("no open dead letter's kind or reason holds {wanted:?}")).into());
    }
    Ok(found)
}
