//! `segue try`.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::process::ExitCode;

use segue_engine::progress::Listener;
use segue_engine::trial::{Wanted, try_out};
use tokio_util::sync::CancellationToken;

use crate::args::TryOptions;
use crate::command::plan;
use crate::exit::Usage;
use crate::recipe_file;
use crate::render::trial::render;

/// Below this width, in columns, the two documents stand one after the other.
const SIDE_BY_SIDE: usize = 100;

/// Shows documents before and after the pipeline.
pub async fn run(options: &TryOptions) -> anyhow::Result<ExitCode> {
    let session = plan::open(
        &options.file,
        plan::Bounds::default(),
        Listener::new(|_| {}),
        CancellationToken::new(),
    )
    .await?;
    if session.recipe().source.files().is_some() {
        let why = "try takes documents of indices, and this recipe's source is files";
        return Err(Usage(why.to_owned()).into());
    }
    let wanted = match options.ids.as_slice() {
        [] => Wanted::Sample(options.sample),
        ids => Wanted::Ids(ids.to_vec()),
    };
    let folder = recipe_file::folder(&options.file);
    let tried = try_out(&session, &folder, &wanted).await?;
    let width = width();
    for document in &tried {
        if options.json {
            println!("{}", serde_json::to_string(document)?);
        } else {
            println!("{}", render(document, width));
        }
    }
    let found: BTreeSet<&str> = tried.iter().map(|document| document.id.as_str()).collect();
    let missing: Vec<&str> =
        options.ids.iter().map(String::as_str).filter(|id| !found.contains(id)).collect();
    anyhow::ensure!(missing.is_empty(), "in no source: {}", missing.join(", "));
    Ok(ExitCode::SUCCESS)
}

/// The terminal's width, if standard output is one that is wide enough.
fn width() -> Option<usize> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    let (width, _) = terminal_size::terminal_size()?;
    Some(usize::from(width.0)).filter(|width| *width >= SIDE_BY_SIDE)
}
