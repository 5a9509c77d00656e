//! Generations that are no longer needed: older ones than the recipe keeps, and those that were begun
//! and will not be ended.

use segue_model::generation;
use segue_model::id::{IndexName, IndexUuid};
use segue_model::journal::Event;
use segue_model::part::PartState;
use segue_model::phase::Phase;
use segue_model::recipe::CutoverMode;
use serde::Serialize;

use crate::abandon::{delete, forget};
use crate::error::{Doing, Error};
use crate::part_run::PartRun;
use crate::session::Session;

/// A generation that was deleted.
#[derive(Clone, Debug, Serialize)]
pub struct Retired {
    /// Its name.
    pub index: IndexName,
    /// Its documents.
    pub documents: u64,
    /// Its primaries' bytes.
    pub bytes: u64,
}

/// The generations of the journal, oldest first.
pub(super) async fn generations(
    session: &Session,
) -> Result<Vec<(u64, IndexName, PartState)>, Error> {
    let template = &session.recipe().target.index;
    let parts = session.journal().read().await?.parts.into_iter();
    let mut all: Vec<_> = parts
        .filter_map(|(part, state)| {
            Some((generation::number(template, part.as_str())?, part, state))
        })
        .collect();
    all.sort_by_key(|(number, ..)| *number);
    Ok(all)
}

/// The generations that are older than those the recipe keeps, oldest first.
///
/// # Errors
/// A journal that cannot be read.
pub async fn surplus(session: &Session) -> Result<Vec<IndexName>, Error> {
    Ok(older(session).await?.into_iter().map(|(part, _)| part).collect())
}

async fn older(session: &Session) -> Result<Vec<(IndexName, PartState)>, Error> {
    let CutoverMode::Swap(spec) = session.recipe().cutover.mode else { return Ok(Vec::new()) };
    let mut standing = Vec::new();
    for (_, part, state) in generations(session).await? {
        let done = matches!(state.phase, Phase::Finished | Phase::RolledBack);
        if done && state.retired.is_none() {
            standing.push((part, state));
        }
    }
    // The one that serves is among them.
    let kept = usize::try_from(spec.keep_generations).unwrap_or(usize::MAX).saturating_add(1);
    standing.truncate(standing.len().saturating_sub(kept));
    Ok(standing)
}

/// Deletes the generations that are older than those the recipe keeps. Never one that an alias stands
/// for, nor one that the journal does not call ours.
///
/// # Errors
/// Failures of requests: what cannot be looked at stays.
pub async fn retire(session: &Session) -> Result<Vec<Retired>, Error> {
    let mut retired = Vec::new();
    for (part, state) in older(session).await? {
        retired.extend(retire_one(session, &part, state).await?);
    }
    Ok(retired)
}

async fn retire_one(
    session: &Session,
    part: &IndexName,
    state: PartState,
) -> Result<Option<Retired>, Error> {
    let looking = || format!("looking at {part}");
    let there = session.cluster().index(part.as_str()).await.doing(looking)?;
    let ours = |uuid: &str| state.target_uuid.as_ref().is_some_and(|own| own.as_str() == uuid);
    let gone = there.as_ref().is_none_or(|index| !ours(&index.uuid));
    let serves = there.as_ref().is_some_and(|index| {
        index.aliases.keys().any(|alias| !segue_model::cutover::Mark::is_one(alias))
    });
    if serves {
        return Ok(None);
    }
    let mut run = PartRun::known(session, part, state);
    let uuid = run.state.target_uuid.clone().unwrap_or_else(|| IndexUuid::new(""));
    run.record(Event::Retired { index: part.clone(), uuid }).await?;
    let Some(index) = there.filter(|_| !gone) else { return Ok(None) };
    delete(session, part, part.as_str()).await?;
    forget::everything(session, part, &mut Vec::new()).await?;
    Ok(Some(Retired { index: part.clone(), documents: index.docs, bytes: index.bytes }))
}

/// Gives up the generations before `run`'s that were begun and never took over: their files are others
/// by now.
pub(super) async fn unfinished(run: &PartRun) -> Result<(), Error> {
    for (_, part, state) in generations(&run.session).await? {
        if part == *run.source() {
            break;
        }
        let stopped = match &state.phase {
            Phase::Paused { at, .. } | Phase::Failed { at, .. } => at.may_stop(),
            phase => phase.may_stop() || *phase == Phase::Abandoning,
        };
        if stopped {
            run.session.listener().note(&part, "given up: its files are others by now");
            give_up(&run.session, &part, state).await?;
        }
    }
    Ok(())
}

/// Gives a generation up that has not taken over: it is deleted, and what is known about it.
///
/// # Errors
/// [`Error::Switched`] once it has taken over; failures of requests.
pub async fn give_up(session: &Session, part: &IndexName, state: PartState) -> Result<(), Error> {
    let mut run = PartRun::known(session, part, state);
    if matches!(run.state.phase, Phase::CuttingOver { .. }) {
        super::swap::diagnose(&mut run).await?;
    }
    if run.state.phase == Phase::Abandoned {
        return Ok(());
    }
    if run.state.phase.is_switched() {
        let phase = run.state.phase.to_string();
        return Err(Error::Switched { part: part.clone(), phase });
    }
    if run.state.phase != Phase::Abandoning {
        run.record(Event::AbandonStarted).await?;
    }
    let looking = || format!("looking at {part}");
    let there = session.cluster().index(part.as_str()).await.doing(looking)?;
    let meta = there.as_ref().map(|index| &index.mappings["_meta"]["segue"]["migration"]);
    if meta.is_some_and(|migration| *migration == serde_json::json!(session.migration())) {
        delete(session, part, part.as_str()).await?;
    }
    forget::everything(session, part, &mut Vec::new()).await?;
    run.record(Event::Abandoned).await
}
