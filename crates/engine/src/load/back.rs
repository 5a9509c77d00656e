//! The way back of a swap: the alias stands for the generation before once more.
//!
//! As with a swap, a mark is taken in the request that moves the alias: of the rollback and its back-out
//! exactly one gets it, so that a request that comes late moves nothing. It is the write mark of a new epoch,
//! on the generation that is gone back to.

use std::time::Instant;

use segue_cluster::{AliasAction, AliasProps, Class};
use segue_model::cutover::Mark;
use segue_model::id::{AliasName, Epoch, IndexName};
use segue_model::journal::{CutoverWindow, Event};
use segue_model::part::{PartState, Swap};
use segue_model::phase::Phase;
use tokio::sync::Semaphore;

use super::retire::generations;
use super::swap::{close, moving, props_of, standing, writes_since};
use crate::error::{Doing, Error, chain};
use crate::part_run::PartRun;
use crate::session::Session;
use crate::turn;

/// The generation that serves, and the one before it.
#[derive(Clone, Debug)]
pub struct Back {
    /// The one that serves.
    pub from: IndexName,
    /// The one that served before.
    pub to: IndexName,
    /// Operations on the one that serves since it took over: they would be lost.
    pub writes: u64,
    state: PartState,
}

/// What a rollback did.
#[derive(Clone, Debug, serde::Serialize)]
pub struct RolledBack {
    /// The generation that served.
    pub from: IndexName,
    /// The one that serves now.
    pub to: IndexName,
    /// Operations that were left behind.
    pub lost: u64,
    /// How long the alias refused writes, in milliseconds.
    pub closed_ms: u64,
}

/// What a rollback would do; none where no swap is there to go back from.
///
/// # Errors
/// A generation before that is gone or another index by now; failures of requests.
pub async fn look(session: &Session) -> Result<Option<Back>, Error> {
    let all = generations(session).await?;
    for (_, part, state) in all.iter().rev() {
        let Some(swap) = state.swap.clone().filter(|_| state.phase.is_switched()) else { continue };
        if standing(session.cluster(), &swap.alias).await? != [part.clone()] {
            continue;
        }
        let Some(to) = swap.from else { return Ok(None) };
        let before = all.iter().find(|(_, name, _)| *name == to).map(|(.., state)| state);
        check(session, part, &to, before).await?;
        let writes = writes_since(session, part).await?;
        return Ok(Some(Back { from: part.clone(), to, writes, state: state.clone() }));
    }
    Ok(None)
}

/// Whether the generation before is there, and still the one that was made.
async fn check(
    session: &Session,
    part: &IndexName,
    to: &IndexName,
    before: Option<&PartState>,
) -> Result<(), Error> {
    let looking = || format!("looking at {to}");
    let there = session.cluster().index(to.as_str()).await.doing(looking)?;
    let retired = before.is_some_and(|state| state.retired.is_some());
    let Some(index) = there.filter(|_| !retired) else {
        return Err(Error::Contradiction(vec![format!(
            "{to}, which served before {part}, is gone: cutover.keep_generations says how many are kept"
        )]));
    };
    let made = before.and_then(|state| state.target_uuid.as_ref());
    if made.is_some_and(|uuid| uuid.as_str() != index.uuid) {
        let what = format!("{to} is another index than the generation that served before {part}");
        return Err(Error::Contradiction(vec![what]));
    }
    Ok(())
}

/// Gives the alias back. What was written to the generation that serves stays behind, if the caller has
/// accepted that.
///
/// # Errors
/// [`Error::RollbackBackedOut`] where it was given up, and the alias stands as before.
pub async fn roll_back(session: &Session, back: Back, discards: bool) -> Result<RolledBack, Error> {
    let Back { from, to, state, .. } = back;
    let mut run = PartRun::known(session, &from, state);
    let one = Semaphore::new(1);
    let turn = turn::take(&mut run, &one, true).await?;
    let done = tokio::select! {
        done = take_back(&mut run, &to, discards) => done,
        () = turn.held.lost() => {
            let how = "its lease is another process's, or could not be kept".to_owned();
            Err(Error::TakenOver { part: from, how })
        }
    };
    turn.held.give_back().await;
    done
}

async fn take_back(run: &mut PartRun, to: &IndexName, discards: bool) -> Result<RolledBack, Error> {
    let (session, from) = (run.session.clone(), run.source().clone());
    let Some(swap) = run.state.swap.clone().filter(|_| run.state.phase.is_switched()) else {
        let how = format!("it is {} by now", run.state.phase);
        return Err(Error::TakenOver { part: from, how });
    };
    let epoch = run.state.next_epoch();
    run.record(Event::EpochOpened { epoch }).await?;
    let doing = || format!("marking {to}");
    let mark = Mark::Write(epoch).alias(to);
    session.cluster().update_aliases(&[add(to, &mark, true)]).await.doing(doing)?;
    run.record(Event::RollbackStarted { discards }).await?;
    let closed = Instant::now();
    let mut lost = 0;
    let attempted = async {
        session.drill("swap-back-announced")?;
        close(&session, &from).await?;
        lost = writes_since(&session, &from).await?;
        if lost > 0 && !discards {
            let reason = format!("{from} has just taken {lost} writes, which would be lost");
            return Err(Error::RollbackBackedOut { reason });
        }
        session.drill("swap-back-closed")?;
        let props = props_of(session.cluster(), &swap.alias, &from).await?;
        let mut actions = vec![remove(to, &mark, true)];
        actions.extend(moving(&swap.alias, Some(&from), to, props));
        let doing = || format!("moving {} to {to}", swap.alias);
        match session.cluster().update_aliases(&actions).await {
            Err(error) if error.class() == Class::MaybeApplied => {}
            answer => answer.doing(doing)?,
        }
        session.drill("swap-back-moved")
    };
    let attempted = attempted.await;
    let closed_ms = u64::try_from(closed.elapsed().as_millis()).unwrap_or(u64::MAX);
    let window = CutoverWindow { closed_ms: Some(closed_ms), ..CutoverWindow::default() };
    match (end(run, &swap, epoch, window).await?, attempted) {
        (true, _) => Ok(RolledBack { from, to: to.clone(), lost, closed_ms }),
        (false, Err(error)) => Err(Error::RollbackBackedOut { reason: chain(&error) }),
        (false, Ok(())) => {
            Err(Error::RollbackBackedOut { reason: "the alias did not move".to_owned() })
        }
    }
}

/// Takes the mark, so that nothing moves any more, looks where the alias stands, opens what it stands for,
/// and journals it. Whether it went back.
async fn end(
    run: &mut PartRun,
    swap: &Swap,
    epoch: Epoch,
    window: CutoverWindow,
) -> Result<bool, Error> {
    let cluster = run.session.cluster().clone();
    let Some(to) = swap.from.clone() else { return Ok(false) };
    let from = run.source().clone();
    let fencing = || format!("ending the rollback of {from}");
    let opening = Mark::Opening(epoch).alias(&to);
    let fence = [remove(&to, &Mark::Write(epoch).alias(&to), true), add(&to, &opening, true)];
    match cluster.update_aliases(&fence).await {
        // Who moved the alias has taken it, or who ended this before.
        Err(error) if error.class() == Class::NotFound => {
            cluster.update_aliases(&[add(&to, &opening, true)]).await.doing(fencing)?;
        }
        answer => answer.doing(fencing)?,
    }
    let on = standing(&cluster, &swap.alias).await?;
    let back = match on.as_slice() {
        [one] if *one == to => true,
        [one] if *one == from => false,
        _ => {
            let names: Vec<_> = on.iter().map(ToString::to_string).collect();
            let what = format!(
                "{} was to go from {from} back to {to}, but stands for [{}]: somebody else moved it",
                swap.alias,
                names.join(", ")
            );
            return Err(Error::Contradiction(vec![what]));
        }
    };
    let serving = if back { &to } else { &from };
    let doing = || format!("opening {serving}");
    cluster.unblock_writes_by(serving.as_str(), opening.as_str()).await.doing(doing)?;
    let reason = "the rollback did not come to its end; the alias stands as before";
    let event = if back {
        Event::RolledBack { window }
    } else {
        Event::RollbackBackedOut { reason: reason.to_owned() }
    };
    run.record(event).await?;
    // Nothing is watched: what was not taken back is finished as it was.
    if run.state.phase == Phase::Watching {
        run.record(Event::WatchEnded).await?;
    }
    cluster.update_aliases(&[remove(&to, &opening, false)]).await.doing(fencing)?;
    Ok(back)
}

fn add(index: &IndexName, alias: &AliasName, hidden: bool) -> AliasAction {
    let props = AliasProps { is_hidden: Some(hidden), ..AliasProps::default() };
    AliasAction::Add { index: index.to_string(), alias: alias.to_string(), props }
}

fn remove(index: &IndexName, alias: &AliasName, must_exist: bool) -> AliasAction {
    AliasAction::Remove { index: index.to_string(), alias: alias.to_string(), must_exist }
}

/// Finds out how a rollback ended that the journal has no end of, and journals it.
pub(crate) async fn diagnose(run: &mut PartRun) -> Result<(), Error> {
    let Some(swap) = run.state.swap.clone() else { return Ok(()) };
    let epoch = run.state.epoch.unwrap_or(Epoch(0));
    end(run, &swap, epoch, CutoverWindow::default()).await.map(drop)
}
