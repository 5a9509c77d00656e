//! The swap: one request takes the alias from the generation that serves and gives it to the new one.
//!
//! Nobody is to write to generations. So that a write that came all the same is not lost, the one that
//! serves is closed first, and its numbers are compared with those it had when it took over. Of a swap
//! and its back-out exactly one takes the epoch's write alias.

use std::time::Instant;

use segue_cluster::{AliasAction, AliasProps, BlockAnswer, Class, Cluster, Colour, IndexShards};
use segue_model::balance::Balance;
use segue_model::cutover::Mark;
use segue_model::gate::refusals;
use segue_model::generation::gate::{Live, Seen, judge};
use segue_model::id::{AliasName, Epoch, IndexName, SeqNo};
use segue_model::journal::{CutoverWindow, Event};
use segue_model::part::Swap;
use segue_model::phase::Phase;
use segue_model::plan::PlannedFiles;

use crate::error::{Doing, Error, chain};
use crate::part_run::PartRun;
use crate::prepare::restore_after_switch;
use crate::session::Session;

/// Gives the alias to the generation, or leaves everything as it was.
pub(super) async fn swap(
    run: &mut PartRun,
    files: &PlannedFiles,
    balance: &Balance,
) -> Result<(), Error> {
    pass_gate(run, files, balance).await?;
    run.session.drill("swap-ready")?;
    run.record(Event::SwapStarted {
        epoch: run.state.epoch.unwrap_or(Epoch(0)),
        alias: files.alias.clone(),
        from: files.live.clone(),
    })
    .await?;
    let closed = Instant::now();
    if let Err(error) = attempt(run, files).await {
        return match take_back(run).await? {
            Ended::Swapped => ended(run, None).await,
            Ended::Back => {
                let reason = chain(&error);
                run.record(Event::BackedOut { reason }).await?;
                Err(error)
            }
        };
    }
    let closed_ms = u64::try_from(closed.elapsed().as_millis()).ok();
    ended(run, closed_ms.filter(|_| files.live.is_some())).await
}

async fn ended(run: &mut PartRun, closed_ms: Option<u64>) -> Result<(), Error> {
    let window = CutoverWindow { closed_ms, ..CutoverWindow::default() };
    run.record(Event::Switched { window }).await?;
    run.session.drill("swap-journalled")?;
    finish(run).await
}

/// What is left to be done once the alias stands for the generation.
pub(super) async fn finish(run: &mut PartRun) -> Result<(), Error> {
    restore_after_switch(run).await?;
    if run.state.phase == Phase::Watching {
        run.record(Event::WatchEnded).await?;
    }
    Ok(())
}

async fn pass_gate(run: &PartRun, files: &PlannedFiles, balance: &Balance) -> Result<(), Error> {
    let target = run.target().as_str();
    let looking = || format!("looking at {target} for the gate");
    let cluster = run.session.cluster();
    cluster.refresh(target).await.doing(looking)?;
    let shards = cluster.shard_stats(target).await.doing(looking)?;
    let health = cluster.index_health(target).await.doing(looking)?;
    let verified = run.state.verified.as_ref().map(|(_, summary)| summary);
    let left_out = |summary: &segue_model::journal::VerifySummary| {
        summary.filtered + summary.dead_lettered + summary.superseded
    };
    let seen = Seen {
        read: balance.read,
        balanced: balance.check().is_ok(),
        verified: verified.is_some(),
        dead_letters: verified.map_or(0, |summary| summary.dead_lettered),
        dead_letters_allowed: run.session.recipe().cutover.max_dead_letters,
        documents: cluster.count(target, None).await.doing(looking)?,
        expected: verified.map_or(0, |summary| summary.source.saturating_sub(left_out(summary))),
        live: match &files.live {
            Some(live) => Some(look_at_live(run, live, &shards).await?),
            None => None,
        },
        serves: health.status != Colour::Red,
        names_as_planned: names(run, files).await?,
    };
    let predicates = judge(&seen, &files.swap);
    for predicate in &predicates {
        tracing::info!(part = target, %predicate, "gate");
    }
    if refusals(&predicates).is_empty() { Ok(()) } else { Err(Error::Gate(predicates)) }
}

async fn look_at_live(run: &PartRun, live: &IndexName, new: &IndexShards) -> Result<Live, Error> {
    let looking = || format!("looking at {live} for the gate");
    let cluster = run.session.cluster();
    cluster.refresh(live.as_str()).await.doing(looking)?;
    let old = cluster.shard_stats(live.as_str()).await.doing(looking)?;
    let copies = |shards: &IndexShards| {
        shards.active_copies / u32::try_from(shards.primaries.len().max(1)).unwrap_or(1)
    };
    Ok(Live {
        documents: cluster.count(live.as_str(), None).await.doing(looking)?,
        writes: writes_since(&run.session, live).await?,
        copies: (copies(&old), copies(new)),
    })
}

/// Operations on a generation since it took over.
pub(super) async fn writes_since(session: &Session, generation: &IndexName) -> Result<u64, Error> {
    let parts = session.journal().read().await?.parts;
    let cursor = parts.get(generation).and_then(|state| state.swap.as_ref()?.cursor.clone());
    let Some(cursor) = cursor else {
        return Err(Error::Contradiction(vec![format!(
            "the journal does not say that {generation} ever took over"
        )]));
    };
    since(session.cluster(), generation, &cursor).await
}

/// Operations on an index since its shards had these numbers.
pub(crate) async fn since(
    cluster: &Cluster,
    index: &IndexName,
    cursor: &[SeqNo],
) -> Result<u64, Error> {
    let now = numbers(cluster, index).await?;
    let since = now.iter().zip(cursor).map(|(now, then)| u64::try_from(now.0 - then.0));
    Ok(since.map(|writes| writes.unwrap_or(0)).sum())
}

/// The highest number of each shard.
async fn numbers(cluster: &Cluster, index: &IndexName) -> Result<Vec<SeqNo>, Error> {
    let looking = || format!("looking at the shards of {index}");
    let shards = cluster.shard_stats(index.as_str()).await.doing(looking)?;
    Ok(shards.primaries.iter().map(|primary| SeqNo(primary.max_seq_no)).collect())
}

/// Whether the alias stands as it was planned.
async fn names(run: &PartRun, files: &PlannedFiles) -> Result<Result<(), String>, Error> {
    let alias = &files.alias;
    let on = standing(run.session.cluster(), alias).await?;
    let planned: Vec<_> = files.live.iter().cloned().collect();
    if on == planned {
        return Ok(Ok(()));
    }
    let names: Vec<_> = on.iter().map(ToString::to_string).collect();
    Ok(Err(match names.as_slice() {
        [] => format!("{alias} stands for nothing any more"),
        names => format!("{alias} stands for {} since the plan", names.join(", ")),
    }))
}

/// What an alias stands for.
pub(crate) async fn standing(
    cluster: &Cluster,
    alias: &AliasName,
) -> Result<Vec<IndexName>, Error> {
    let looking = || format!("looking at what {alias} stands for");
    let on = cluster.alias(alias.as_str()).await.doing(looking)?;
    Ok(on.into_keys().map(IndexName::new).collect())
}

/// From the block to the alias. Any error leaves the rest to the back-out.
async fn attempt(run: &mut PartRun, files: &PlannedFiles) -> Result<(), Error> {
    run.session.drill("swap-announced")?;
    if let Some(live) = &files.live {
        close(&run.session, live).await?;
        let writes = writes_since(&run.session, live).await?;
        if writes > 0 && !files.swap.discard_writes {
            let reason =
                format!("{live} has just taken {writes} writes, which the files do not hold");
            return Err(Error::BackedOut { reason });
        }
    }
    let cursor = numbers(run.session.cluster(), run.target()).await?;
    run.record(Event::Switching { cursor }).await?;
    run.session.drill("swap-closed")?;
    let mut actions = vec![AliasAction::Remove {
        index: run.target().to_string(),
        alias: run.write_alias().to_string(),
        must_exist: true,
    }];
    let cluster = run.session.cluster();
    let props = match &files.live {
        Some(live) => props_of(cluster, &files.alias, live).await?,
        None => AliasProps::default(),
    };
    actions.extend(moving(&files.alias, files.live.as_ref(), run.target(), props));
    let moving = || format!("moving {} to {}", files.alias, run.target());
    match cluster.update_aliases(&actions).await {
        // The answer was lost or undecided: the alias is looked at anyway.
        Err(error) if error.class() == Class::MaybeApplied => {}
        answer => answer.doing(moving)?,
    }
    run.session.drill("swap-moved")?;
    if standing(cluster, &files.alias).await? == [run.target().clone()] {
        return Ok(());
    }
    Err(Error::BackedOut { reason: "the alias did not move".to_owned() })
}

/// What an alias adds to an index: filter, routing, flags.
pub(crate) async fn props_of(
    cluster: &Cluster,
    alias: &AliasName,
    index: &IndexName,
) -> Result<AliasProps, Error> {
    let looking = || format!("looking at the alias {alias}");
    let mut on = cluster.alias(alias.as_str()).await.doing(looking)?;
    Ok(on.remove(index.as_str()).unwrap_or_default())
}

/// What moves an alias from one generation to another, as it was.
pub(crate) fn moving(
    alias: &AliasName,
    from: Option<&IndexName>,
    to: &IndexName,
    props: AliasProps,
) -> Vec<AliasAction> {
    let take = from.map(|from| AliasAction::Remove {
        index: from.to_string(),
        alias: alias.to_string(),
        must_exist: true,
    });
    let give = AliasAction::Add { index: to.to_string(), alias: alias.to_string(), props };
    take.into_iter().chain([give]).collect()
}

/// Closes a generation to writes.
pub(super) async fn close(session: &Session, generation: &IndexName) -> Result<(), Error> {
    let closing = || format!("closing {generation} to writes");
    let patience = session.recipe().cutover.max_pause;
    let answer = session.cluster().block_writes(generation.as_str(), patience).await;
    match answer.doing(closing)? {
        BlockAnswer::Drained => Ok(()),
        BlockAnswer::NotDrained { detail } => {
            Err(Error::BackedOut { reason: format!("{generation} could not be closed: {detail}") })
        }
    }
}

/// How a swap ended.
enum Ended {
    Swapped,
    Back,
}

/// Takes a swap back, if it has not happened.
async fn take_back(run: &PartRun) -> Result<Ended, Error> {
    let Some(Swap { epoch, alias, from, .. }) = run.state.swap.clone() else {
        return Ok(Ended::Back);
    };
    let cluster = run.session.cluster();
    let target = run.target().to_string();
    let fencing = || format!("taking back the swap of {alias}");
    let props = AliasProps { is_hidden: Some(true), ..AliasProps::default() };
    let fence = [
        AliasAction::Remove {
            index: target.clone(),
            alias: Mark::Write(epoch).alias(run.target()).to_string(),
            must_exist: true,
        },
        AliasAction::Add {
            index: target,
            alias: Mark::Opening(epoch).alias(run.target()).to_string(),
            props,
        },
    ];
    match cluster.update_aliases(&fence).await {
        // The swap has taken it, or an earlier back-out.
        Err(error) if error.class() == Class::NotFound => {}
        answer => answer.doing(fencing)?,
    }
    let on = standing(cluster, &alias).await?;
    if on == [run.target().clone()] {
        return Ok(Ended::Swapped);
    }
    if on.contains(run.target()) {
        // Somebody else has given it the alias of something too: readers would see everything twice.
        let (index, alias) = (run.target().to_string(), alias.to_string());
        let action = AliasAction::Remove { index, alias, must_exist: true };
        cluster.update_aliases(&[action]).await.doing(fencing)?;
    }
    if let Some(from) = from.filter(|from| on.contains(from)) {
        // By the mark, which the next epoch takes away: what is held up opens nothing that somebody else
        // has closed since.
        let opening = || format!("opening {from} again");
        let mark = Mark::Opening(epoch).alias(run.target());
        match cluster.unblock_writes_by(from.as_str(), mark.as_str()).await {
            Err(error) if error.class() == Class::NotFound => {}
            answer => answer.doing(opening)?,
        }
    }
    Ok(Ended::Back)
}

/// Finds out how a swap ended that the journal has no end of, and journals it.
pub(crate) async fn diagnose(run: &mut PartRun) -> Result<(), Error> {
    match take_back(run).await? {
        Ended::Swapped => ended(run, None).await,
        Ended::Back => {
            let reason = "the process that swapped died; the alias stands as before".to_owned();
            run.record(Event::BackedOut { reason }).await
        }
    }
}
