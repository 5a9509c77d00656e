//! `segue doctor`.

use std::process::ExitCode;

use segue_engine::doctor::{Examined, examine};
use segue_engine::progress::Listener;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::plan::open;
use crate::args::StatusOptions;
use crate::exit;

/// Compares what stands in the cluster with the journal.
pub async fn run(options: &StatusOptions) -> anyhow::Result<ExitCode> {
    let listener = Listener::new(|_| {});
    let session = open(&options.file, None, listener, CancellationToken::new()).await?;
    let examined = examine(&session).await;
    let recipe = options.file.recipe.display().to_string();
    if options.json {
        println!("{}", json!({ "migration": session.migration(), "parts": examined }));
    } else if examined.is_empty() {
        println!("{}: nothing has begun", session.migration());
    } else {
        examined.iter().for_each(|part| show(part, &recipe));
    }
    let clean = examined.iter().all(|part| part.findings.is_empty());
    Ok(exit::code((!clean).then_some(segue_engine::Ending::Refused)))
}

fn show(part: &Examined, recipe: &str) {
    match &part.source {
        Some(source) => println!("{source}: {}", part.phase),
        None => println!("the migration"),
    }
    if part.findings.is_empty() {
        println!("    all as the journal says");
    }
    for finding in &part.findings {
        println!("    {} {}: {}", finding.severity, finding.name, finding.what);
        println!("        next: {}", finding.next.in_words(recipe));
    }
}
