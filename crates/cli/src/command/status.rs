//! `segue status`.

use std::process::ExitCode;

use segue_engine::progress::Listener;
use segue_engine::status;
use segue_model::doctor::word;
use tokio_util::sync::CancellationToken;

use super::plan::{Bounds, open};
use crate::args::StatusOptions;
use crate::recipe_file;
use crate::render::status::{json, text};

/// Shows where the parts stand.
pub async fn run(options: &StatusOptions) -> anyhow::Result<ExitCode> {
    let listener = Listener::new(|_| {});
    let session =
        open(&options.file, Bounds::default(), listener, CancellationToken::new()).await?;
    let status = status::look(&session, &recipe_file::folder(&options.file)).await?;
    if options.json {
        println!("{}", json(session.migration(), &status));
    } else {
        let command = format!("segue run {}", word(&options.file.recipe.to_string_lossy()));
        print!("{}", text(session.migration(), &status, &command));
    }
    Ok(ExitCode::SUCCESS)
}
