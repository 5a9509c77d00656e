//! `segue status`.

use std::process::ExitCode;

use segue_engine::checkpoint_store::CheckpointStore;
use segue_engine::enrich::{self, Progress};
use segue_engine::progress::Listener;
use segue_model::balance::Balance;
use segue_model::id::IndexName;
use segue_model::lease::Holder;
use segue_model::part::PartState;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::plan::{Bounds, open};
use crate::args::StatusOptions;

/// Shows where the parts stand.
pub async fn run(options: &StatusOptions) -> anyhow::Result<ExitCode> {
    let listener = Listener::new(|_| {});
    let session =
        open(&options.file, Bounds::default(), listener, CancellationToken::new()).await?;
    let journal = session.journal().read().await?;
    let mut parts = Vec::new();
    for (source, state) in &journal.parts {
        let store = CheckpointStore::new(
            session.cluster().clone(),
            session.migration().clone(),
            source.clone(),
        );
        let shards = state.source.as_ref().map_or(0, |source| source.histories.len());
        let mut balance = Balance::default();
        for kept in store.load(u32::try_from(shards).unwrap_or(0)).await? {
            if let Some(checkpoint) = kept.checkpoint {
                balance.add(&checkpoint.balance);
            }
        }
        let holder = session.leases().holder(source).await?;
        let enrichment = enrich::progress(&session, state).await?;
        parts.push((source, state, balance, holder, enrichment));
    }
    if options.json {
        let parts: Vec<_> =
            parts.iter().map(|(s, p, b, h, e)| as_json(s, p, b, h.as_ref(), e.as_ref())).collect();
        println!("{}", json!({ "migration": session.migration(), "parts": parts }));
        return Ok(ExitCode::SUCCESS);
    }
    if parts.is_empty() {
        println!("{}: nothing has begun", session.migration());
    }
    for (source, state, balance, holder, enrichment) in parts {
        println!("{source}\n    {}", state.phase);
        if let Some(holder) = holder {
            println!("    {holder} works on it");
        }
        println!(
            "    {} read, {} written, {} already there, {} filtered, {} dead letters",
            balance.read,
            balance.written,
            balance.already_there,
            balance.filtered(),
            balance.dead_lettered()
        );
        if let Some(enrichment) = enrichment {
            println!("    {enrichment}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(
    source: &IndexName,
    state: &PartState,
    balance: &Balance,
    holder: Option<&Holder>,
    enrichment: Option<&Progress>,
) -> serde_json::Value {
    json!({
        "source": source,
        "target": state.target,
        "state": state.phase,
        "text": state.phase.to_string(),
        "balance": balance,
        "holder": holder,
        "enrichment": enrichment,
        "cutover": state.cutover.as_ref().and_then(|cutover| cutover.window),
    })
}
