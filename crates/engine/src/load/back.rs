//! The way back of a swap: the alias stands for the generation before once more.

use std::time::Instant;

use segue_model::id::IndexName;
use segue_model::journal::{CutoverWindow, Event};
use segue_model::part::PartState;
use segue_model::phase::Phase;

use super::retire::generations;
use super::swap::{close, moving, standing, writes_since};
use crate::error::{Doing, Error, chain};
use crate::part_run::PartRun;
use crate::session::Session;

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
/// A generation before that is gone; failures of requests.
pub async fn look(session: &Session) -> Result<Option<Back>, Error> {
    for (_, part, state) in generations(session).await?.into_iter().rev() {
        let Some(swap) = state.swap.clone().filter(|_| state.phase.is_switched()) else { continue };
        if standing(session.cluster(), &swap.alias).await? != [part.clone()] {
            continue;
        }
        let Some(to) = swap.from else { return Ok(None) };
        let looking = || format!("looking at {to}");
        if session.cluster().index(to.as_str()).await.doing(looking)?.is_none() {
            return Err(Error::Contradiction(vec![format!(
                "{to}, which served before {part}, is gone: cutover.keep_generations says how many are \
                 kept"
            )]));
        }
        let writes = writes_since(session, &part).await?;
        return Ok(Some(Back { from: part, to, writes, state }));
    }
    Ok(None)
}

/// Gives the alias back. What was written to the generation that serves stays behind, if the caller has
/// accepted that.
///
/// # Errors
/// [`Error::RollbackBackedOut`] where it was given up, and the alias stands as before.
pub async fn roll_back(session: &Session, back: Back, discards: bool) -> Result<RolledBack, Error> {
    let Back { from, to, state, .. } = back;
    let mut run = PartRun::known(session, &from, state);
    let Some(swap) = run.state.swap.clone() else {
        return Err(Error::Task("a rollback without a swap".to_owned()));
    };
    run.record(Event::RollbackStarted { discards }).await?;
    let closed = Instant::now();
    let attempted = async {
        session.drill("swap-back-announced")?;
        close(session, &from).await?;
        let writes = writes_since(session, &from).await?;
        if writes > 0 && !discards {
            let reason = format!("{from} has just taken {writes} writes, which would be lost");
            return Err(Error::RollbackBackedOut { reason });
        }
        session.drill("swap-back-closed")?;
        let doing = || format!("moving {} to {to}", swap.alias);
        let actions = moving(&swap.alias, Some(&from), &to);
        session.cluster().update_aliases(&actions).await.doing(doing)?;
        Ok(writes)
    };
    let attempted = attempted.await;
    let closed_ms = u64::try_from(closed.elapsed().as_millis()).unwrap_or(u64::MAX);
    let back = end(&mut run, CutoverWindow { closed_ms: Some(closed_ms), ..Default::default() });
    match (back.await?, attempted) {
        (true, attempted) => Ok(RolledBack { from, to, lost: attempted.unwrap_or(0), closed_ms }),
        (false, Err(error)) => Err(Error::RollbackBackedOut { reason: chain(&error) }),
        (false, Ok(_)) => {
            Err(Error::RollbackBackedOut { reason: "the alias did not move".to_owned() })
        }
    }
}

/// Looks where the alias stands, opens what it stands for, and journals it. Whether it went back.
async fn end(run: &mut PartRun, window: CutoverWindow) -> Result<bool, Error> {
    let Some(swap) = run.state.swap.clone() else { return Ok(false) };
    let cluster = run.session.cluster();
    let on = standing(cluster, &swap.alias).await?;
    for serving in &on {
        let opening = || format!("opening {serving}");
        cluster.unblock_writes(serving.as_str()).await.doing(opening)?;
    }
    let back = !on.contains(run.source());
    let reason = "the rollback did not come to its end; the alias stands as before";
    let event = match back {
        true => Event::RolledBack { window },
        false => Event::RollbackBackedOut { reason: reason.to_owned() },
    };
    run.record(event).await?;
    // Nothing is watched: what was taken back is finished as it was.
    if run.state.phase == Phase::Watching {
        run.record(Event::WatchEnded).await?;
    }
    Ok(back)
}

/// Finds out how a rollback ended that the journal has no end of, and journals it.
pub(crate) async fn diagnose(run: &mut PartRun) -> Result<(), Error> {
    end(run, CutoverWindow::default()).await.map(drop)
}
