//! A turn at a part: the permit that keeps the number of parts at work within `limits.parts`, and the
//! lease that keeps other processes away.

use std::time::{Duration, Instant};

use segue_model::governor::WaitingOn;
use segue_model::id::IndexName;
use segue_model::lease::Watched;
use segue_model::phase::Phase;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::{Error, Stop};
use crate::lease_store::{Claimed, Held};
use crate::part_run::PartRun;
use crate::session::Session;

/// How often a lease that somebody else holds is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The right to work on a part.
pub(crate) struct Turn<'a> {
    /// The part's lease.
    pub held: Held,
    _permit: Option<SemaphorePermit<'a>>,
}

/// Waits for a permit and for the lease of the part. Somebody else may have worked on it meanwhile: its
/// state is read again then.
///
/// # Errors
/// [`Stop::Leased`] when another process works on it for longer than `health_wait`, or at all where it is
/// not waited for.
pub(crate) async fn take<'a>(
    run: &mut PartRun,
    permits: &'a Semaphore,
    waits: bool,
) -> Result<Turn<'a>, Error> {
    let begun = Instant::now();
    let patience = if waits { run.session.limits().health_wait } else { Duration::ZERO };
    let (mut watched, mut told) = (Watched::default(), false);
    loop {
        // No permit is kept while somebody else has the lease: other parts may go on.
        let permit = permits.acquire().await.ok();
        run.session.check_stop()?;
        let by = match run.session.leases().claim(run.source(), &mut watched).await? {
            Claimed::Ours(held) => {
                if held.generation() > 1 {
                    look_again(run).await?;
                }
                return Ok(Turn { held, _permit: permit });
            }
            Claimed::Theirs(by) => by,
        };
        drop(permit);
        let waiting = WaitingOn::Lease { holder: by.to_string() };
        if begun.elapsed() >= patience {
            let waited_s = begun.elapsed().as_secs();
            return Err(Error::Stopped(Stop::Leased { waited_s, reason: waiting }));
        }
        if !told {
            run.session.listener().note(run.source(), format!("waiting on {waiting}"));
            told = true;
        }
        run.session.sleep(LOOK_EVERY).await?;
    }
}

async fn look_again(run: &mut PartRun) -> Result<(), Error> {
    let mut journal = run.session.journal().read().await?;
    if let Some(state) = journal.parts.remove(run.source()) {
        run.state = state;
    }
    if run.also() != run.planned.also {
        let how = "it was begun with other sources than were planned here".to_owned();
        return Err(Error::TakenOver { part: run.source().clone(), how });
    }
    Ok(())
}

/// The lease of a part whose cutover or rollback has no end in the journal. `None` if the process that
/// works on it lives, and came to an end while it was waited for.
///
/// # Errors
/// Whatever keeps the lease from being taken. A source may be closed: who wants to open it goes on
/// without.
pub(crate) async fn take_to_recover(
    session: &Session,
    part: &IndexName,
) -> Result<Option<Held>, Error> {
    session.leases().ensure().await?;
    let patience = session.recipe().cutover.max_pause + 2 * session.limits().lease_ttl;
    let (begun, mut watched) = (Instant::now(), Watched::default());
    loop {
        let by = match session.leases().claim(part, &mut watched).await? {
            Claimed::Ours(held) => return Ok(Some(held)),
            Claimed::Theirs(by) => by,
        };
        if begun.elapsed() > patience {
            let how = format!("{by} has been moving its names for {} s", begun.elapsed().as_secs());
            return Err(Error::TakenOver { part: part.clone(), how });
        }
        session.sleep(LOOK_EVERY).await?;
        let phase = session.journal().read().await?.parts.remove(part).map(|state| state.phase);
        if !matches!(phase, Some(Phase::CuttingOver { .. } | Phase::RollingBack)) {
            return Ok(None);
        }
    }
}
