//! What the predicted pause of a cutover is computed from: two looks at the numbers that the sources' shards
//! have given out; and what disk and time are estimated from. The number of requests does not grow with the number of indices.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use segue_cluster::{Cluster, Error, Request, path};
use segue_model::estimate::measured;
use segue_model::pause::Basis;
use segue_model::plan::{Action, Plan, PlannedPart};
use segue_model::recipe::Recipe;
use serde::Deserialize;

use crate::checkpoint_store::CheckpointStore;
use crate::error::chain;
use crate::session::Session;

/// The time between both looks: long enough for some tens of writes a second to show.
const BETWEEN: Duration = Duration::from_millis(250);
/// Many indices make long answers.
const LISTING: usize = 1 << 28;

/// Adds to a plan that is to be shown how long writers will be refused, and what it is expected to cost.
pub async fn predict(session: &Session, plan: &mut Plan) {
    forecast(session.cluster(), session.recipe(), plan).await;
    cost(session, plan).await;
}

/// Adds what is expected of disk and time. What of the journal cannot be read is left out of account.
async fn cost(session: &Session, plan: &mut Plan) {
    let records = session.journal().records().await.unwrap_or_else(|error| {
        tracing::warn!(error = chain(&error), "no rate is known from the journal");
        Vec::new()
    });
    let mut copied = BTreeMap::new();
    for part in &plan.parts {
        if matches!(part.action, Action::Resume { .. }) {
            copied.insert(part.source.clone(), read_so_far(session, part).await);
        }
    }
    let copied = |part: &PlannedPart| copied.get(&part.source).copied().unwrap_or(0);
    plan.estimate(session.recipe(), measured(&records), &copied);
}

/// Documents of a part that were read already, updates of theirs included.
async fn read_so_far(session: &Session, part: &PlannedPart) -> u64 {
    let (cluster, migration) = (session.cluster().clone(), session.migration().clone());
    let store = CheckpointStore::new(cluster, migration, part.source.clone());
    match store.load(part.shards).await {
        Ok(kept) => {
            let checkpoints = kept.into_iter().filter_map(|kept| kept.checkpoint);
            checkpoints.map(|checkpoint| checkpoint.balance.read).sum()
        }
        Err(error) => {
            let error = chain(&error);
            tracing::warn!(error, part = %part.source, "how far it is could not be read");
            0
        }
    }
}

/// Adds the predicted pauses to `plan`. What cannot be seen is not predicted: the gate looks for itself.
async fn forecast(cluster: &Cluster, recipe: &Recipe, plan: &mut Plan) {
    if !plan.active().any(|part| part.shards > 0 && part.files.is_none()) {
        return;
    }
    let wildcard = recipe.wildcard();
    let begun = Instant::now();
    let first = look(cluster, &wildcard).await;
    let request = begun.elapsed();
    tokio::time::sleep(BETWEEN).await;
    let second = look(cluster, &wildcard).await;
    let (Ok(first), Ok(second)) = (&first, &second) else {
        let why = first.as_ref().err().or(second.as_ref().err()).map(|error| chain(error));
        tracing::warn!(why, "no pause can be predicted");
        return;
    };
    // From the middle of one answer to the middle of the other.
    let between = begun.elapsed().saturating_sub(request / 2);
    let basis = |part: &PlannedPart| {
        let sum = |seen: &BTreeMap<String, i64>| {
            part.indices()
                .iter()
                .map(|index| seen.get(index.as_str()).copied())
                .sum::<Option<i64>>()
        };
        let (before, after) = (sum(first), sum(second));
        let rate = before.zip(after).map(|(before, after)| rate(before, after, between));
        Some(Basis {
            documents: part.docs,
            shards: part.shards,
            writes_per_second: rate,
            request_ms: u64::try_from(request.as_millis()).unwrap_or(u64::MAX),
        })
    };
    plan.predict_pauses(recipe, &basis);
}

/// Operations a second.
fn rate(before: i64, after: i64, between: Duration) -> u64 {
    let operations = u64::try_from(after.saturating_sub(before)).unwrap_or(0);
    let ms = u64::try_from(between.as_millis()).unwrap_or(u64::MAX).max(1);
    operations.saturating_mul(1000) / ms
}

#[derive(Deserialize)]
struct Stats {
    #[serde(default)]
    indices: BTreeMap<String, OfIndex>,
}

#[derive(Deserialize)]
struct OfIndex {
    #[serde(default)]
    shards: BTreeMap<u32, Vec<Copy>>,
}

#[derive(Deserialize)]
struct Copy {
    routing: Routing,
    #[serde(default)]
    seq_no: Option<Numbers>,
}

#[derive(Deserialize)]
struct Routing {
    primary: bool,
}

#[derive(Deserialize)]
struct Numbers {
    max_seq_no: i64,
}

/// The sum of the highest numbers that the primaries of each index have given out.
async fn look(cluster: &Cluster, wildcard: &str) -> Result<BTreeMap<String, i64>, Error> {
    let request = Request::get(path(&[wildcard, "_stats", "docs"]))
        .query("level", "shards")
        .query("expand_wildcards", "all")
        .query("ignore_unavailable", "true")
        .query("forbid_closed_indices", "false")
        .query(
            "filter_path",
            "indices.*.shards.*.routing.primary,indices.*.shards.*.seq_no.max_seq_no",
        );
    let stats: Stats = cluster.json(request.max_response(LISTING)).await?;
    let sum = |index: OfIndex| {
        let primaries = index.shards.into_values().flatten().filter(|copy| copy.routing.primary);
        primaries.filter_map(|copy| copy.seq_no).map(|seq_no| seq_no.max_seq_no).sum()
    };
    Ok(stats.indices.into_iter().map(|(name, index)| (name, sum(index))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_by_the_second() {
        for (before, after, ms, expected) in
            [(0, 0, 250, 0), (10, 35, 250, 100), (5, 3, 250, 0), (-1, 0, 0, 1000)]
        {
            assert_eq!(rate(before, after, Duration::from_millis(ms)), expected);
        }
    }
}
