//! Looking at what the gate judges.

use std::time::Instant;

use segue_model::cutover::Mark;
use segue_model::gate::{Seen, judge, refusals};
use segue_model::id::{IndexName, SeqNo};
use segue_model::journal::VerifySummary;
use segue_model::plan::AliasMove;

use crate::error::{Doing, Error};
use crate::part_run::PartRun;
use crate::pass::Carrier;

/// Up to where the part was verified, and what was counted there.
pub type Verified = (Vec<SeqNo>, VerifySummary);

/// How many operations behind a cutover may start: the window carries them.
const LAG_ALLOWED: u64 = 50_000;

/// Judges whether the cutover may start; returns what the window's verification builds on.
pub async fn pass_gate(run: &PartRun, carrier: &Carrier) -> Result<Verified, Error> {
    let begun = Instant::now();
    let (all, target) = (run.all_sources(), run.target().as_str());
    let source = all.as_str();
    let looking = || format!("looking at {source} and {target} for the gate");
    let cluster = run.session.cluster();
    cluster.refresh(target).await.doing(looking)?;
    let source_shards = cluster.shard_stats(source).await.doing(looking)?;
    let target_shards = cluster.shard_stats(target).await.doing(looking)?;
    let health = cluster.index_health(target).await.doing(looking)?;
    let balance = carrier.balance();
    let verified = run.state.verified.clone();
    let (positions, summary) = verified.clone().unwrap_or_default();
    let since = source_shards.primaries.iter().zip(&positions);
    let since = since.map(|(primary, at)| u64::try_from(primary.max_seq_no - at.0).unwrap_or(0));
    let copies = |shards: &segue_cluster::IndexShards| {
        let primaries = u32::try_from(shards.primaries.len().max(1)).unwrap_or(1);
        shards.active_copies / primaries
    };
    let lag = carrier.lag().await?;
    let seen = Seen {
        read: balance.read,
        balanced: balance.check().is_ok(),
        source_documents: cluster.count(source, None).await.doing(looking)?,
        target_documents: cluster.count(target, None).await.doing(looking)?,
        left_out: summary.filtered + summary.dead_lettered,
        fans_out: carrier.program().fans_out(),
        dead_letters: summary.dead_lettered,
        dead_letters_allowed: run.session.recipe().cutover.max_dead_letters,
        verified: verified.is_some(),
        versioning: run.state.versioning,
        lag,
        unverified: since.sum(),
        lag_allowed: LAG_ALLOWED,
        copies: (copies(&source_shards), copies(&target_shards)),
        target_serves: health.status != segue_cluster::Colour::Red,
        names_as_planned: names(run).await?,
        // What the window asks of the cluster is much like what this look asked, and the rest of
        // the lag.
        pause_ms: (
            u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX) * 4 + lag / 20,
            u64::try_from(run.session.recipe().cutover.max_pause.as_millis()).unwrap_or(u64::MAX),
        ),
    };
    let predicates = judge(&seen);
    for predicate in &predicates {
        tracing::info!(part = source, %predicate, "gate");
    }
    match verified {
        Some(verified) if refusals(&predicates).is_empty() => Ok(verified),
        _ => Err(Error::Gate(predicates)),
    }
}

/// Whether the names stand as the plan saw them.
async fn names(run: &PartRun) -> Result<Result<(), String>, Error> {
    let uuids = run.planned.source_uuid.as_str().split(',');
    for (source, uuid) in run.indices().iter().zip(uuids) {
        if let Err(why) = names_of(run, source, uuid).await? {
            return Ok(Err(why));
        }
    }
    Ok(Ok(()))
}

/// Whether the names of one of the sources do.
async fn names_of(
    run: &PartRun,
    source: &IndexName,
    uuid: &str,
) -> Result<Result<(), String>, Error> {
    let looking = || format!("looking at the names of {source}");
    let Some(index) = run.session.cluster().index(source.as_str()).await.doing(looking)? else {
        return Ok(Err(format!("{source} is not an index any more")));
    };
    if index.uuid != uuid {
        return Ok(Err(format!("{source} is another index than the one that was planned")));
    }
    for alias in run.planned.aliases.iter().filter(|alias| alias.is_on(source, run.source())) {
        if !index.aliases.contains_key(alias.alias.as_str()) {
            return Ok(Err(format!("the alias {} is not on {source} any more", alias.alias)));
        }
    }
    for alias in index.aliases.keys().filter(|alias| !Mark::is_one(alias)) {
        let planned = |planned: &&AliasMove| planned.alias.as_str() == alias;
        let known = run.planned.aliases.iter().find(planned);
        // One that the source alone had may come onto it by an attempt that was cut short.
        if known
            .is_none_or(|known| !run.planned.also.is_empty() && !known.is_on(source, run.source()))
        {
            return Ok(Err(format!("the alias {alias} was put on {source} since the plan")));
        }
    }
    Ok(Ok(()))
}
