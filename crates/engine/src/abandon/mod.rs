//! Giving a part up before its switch: the source stays as it was before the first run, and what was
//! made is removed, or named with the reason why it stays.
//!
//! The order is what makes it safe against a process that still works on the part. First a cutover is
//! taken back. Then the journal takes *abandon started*: whoever is busy with the part loses its next
//! record, and its lease. Then the write alias goes: what is still on its way finds none. Only then anything is
//! deleted. A crash in between is finished by the next `abandon` or `run`; every step may be repeated,
//! and on a part that is given up already the same looks are made, for what arrived late.

pub(crate) mod claim;
pub(crate) mod forget;
mod found;

use std::time::{Duration, Instant};

use segue_model::id::IndexName;
use segue_model::journal::Event;
use segue_model::lease::Watched;
use segue_model::phase::Phase;
use segue_model::version::Incarnation;
use serde::Serialize;

pub use found::Found;
pub(crate) use found::delete;

use crate::cutover::diagnose;
use crate::error::{Doing, Ending, Error, chain};
use crate::journal_store::Journal;
use crate::lease_store::{Claimed, Held};
use crate::part_run::PartRun;
use crate::report::PartError;
use crate::session::Session;
use claim::Claim;

/// How often it is tried again where another process was faster.
const TRIES: u32 = 10;
const BETWEEN: Duration = Duration::from_millis(300);

/// Something that was left where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
}

/// What became of one part.
#[derive(Clone, Debug, Serialize)]
pub struct Abandoned {
    /// The part.
    pub source: IndexName,
    /// Where it stands.
    pub phase: String,
    /// What was removed.
    pub removed: Vec<String>,
    /// What was made by segue, or carries its name, and is still there.
    pub left: Vec<Left>,
    /// Why it could not be given up.
    pub error: Option<PartError>,
    /// How that ends the command.
    #[serde(skip)]
    pub ending: Option<Ending>,
}

impl Abandoned {
    fn nothing_yet(source: &IndexName) -> Abandoned {
        Abandoned {
            source: source.clone(),
            phase: String::new(),
            removed: Vec::new(),
            left: Vec::new(),
            error: None,
            ending: None,
        }
    }
}

/// Why a part that stands at `phase` cannot be given up.
pub fn refusal(source: &IndexName, phase: &Phase) -> Option<Error> {
    let gone_over = phase.is_switched() || matches!(phase, Phase::RollingBack | Phase::RolledBack);
    gone_over.then(|| Error::Switched { part: source.clone(), phase: phase.to_string() })
}

/// Gives one part up, wherever before the switch it stands.
pub async fn abandon(session: &Session, source: &IndexName) -> Abandoned {
    let mut outcome = Abandoned::nothing_yet(source);
    let mut tries = 0;
    let ended = loop {
        tries += 1;
        match try_abandon(session, source, &mut outcome).await {
            Err(Error::TakenOver { .. }) if tries < TRIES => tokio::time::sleep(BETWEEN).await,
            ended => break ended,
        }
    };
    if !outcome.left.is_empty() {
        outcome.ending = Some(Ending::Refused);
    }
    if let Err(error) = ended {
        outcome.error = Some(PartError { code: error.code(), message: chain(&error) });
        outcome.ending = Some(error.ending());
    }
    outcome
}

async fn try_abandon(
    session: &Session,
    source: &IndexName,
    outcome: &mut Abandoned,
) -> Result<(), Error> {
    let journal = session.journal().read().await?;
    let state = journal.parts.get(source).cloned().unwrap_or_default();
    let mut run = PartRun::known(session, source, state);
    let ended = give_up(&mut run, outcome).await;
    outcome.phase = run.state.phase.to_string();
    ended
}

async fn give_up(run: &mut PartRun, outcome: &mut Abandoned) -> Result<(), Error> {
    take_back(run).await?;
    if let Some(refusal) = refusal(run.source(), &run.state.phase) {
        return Err(refusal);
    }
    if !run.state.phase.is_given_up() {
        check(run).await?;
        run.record(Event::AbandonStarted).await?;
        // Whoever works on the part has lost it by now, and learns it sooner this way.
        forget::lease(&run.session, run.source()).await?;
    }
    // Before the look at the journal, which comes with the lease: who begins the part anew in between finds
    // the mark, and takes it away.
    let claim = Claim::put(&run.session, run.source()).await?;
    let held = take_lease(run).await?;
    let finished = tokio::select! {
        finished = finish(run, claim.as_ref(), outcome) => finished,
        () = held.lost() => Err(taken_over(run.source(), "the lease was lost")),
    };
    // Not given back: nobody may take it before it is removed.
    drop(held);
    forget::lease(&run.session, run.source()).await?;
    finished?;
    // Also those of processes that died: whoever lives and has one begins again.
    claim::clear(&run.session, run.source()).await?;
    look_at_source(run, outcome).await
}

fn taken_over(part: &IndexName, how: &str) -> Error {
    Error::TakenOver { part: part.clone(), how: how.to_owned() }
}

/// Nobody may begin the part anew while it is being removed: its new target would go, too.
async fn take_lease(run: &mut PartRun) -> Result<Held, Error> {
    let session = run.session.clone();
    session.leases().ensure().await?;
    let (begun, mut watched) = (Instant::now(), Watched::default());
    let held = loop {
        match session.leases().claim(run.source(), &mut watched).await? {
            Claimed::Ours(held) => break held,
            Claimed::Theirs(by) if begun.elapsed() > session.limits().lease_ttl * 2 => {
                return Err(taken_over(run.source(), &format!("{by} works on it")));
            }
            Claimed::Theirs(_) => session.sleep(BETWEEN).await?,
        }
    };
    if let Err(moved_on) = look_at_journal(run).await {
        held.give_back().await;
        return Err(moved_on);
    }
    Ok(held)
}

/// Fails if the journal has moved on.
async fn look_at_journal(run: &PartRun) -> Result<(), Error> {
    let now = run.session.journal().read().await?.parts.remove(run.source());
    if now.is_none_or(|now| now.records != run.state.records) {
        return Err(taken_over(run.source(), "the journal has moved on"));
    }
    Ok(())
}

/// Takes a cutover back that was begun, or finds that it had switched. Whatever an application wrote
/// into the target meanwhile has to be in the source when this returns: afterwards the target goes.
async fn take_back(run: &mut PartRun) -> Result<(), Error> {
    if matches!(run.state.phase, Phase::CuttingOver { .. }) {
        diagnose(run).await?;
    }
    Ok(())
}

/// The source has to be there, and nobody may read the target: it would be the only copy, or somebody
/// relies on it.
async fn check(run: &PartRun) -> Result<(), Error> {
    let mut contradictions = Vec::new();
    for source in run.indices() {
        let looking = || format!("looking at {source}");
        if run.session.cluster().index(source.as_str()).await.doing(looking)?.is_none() {
            contradictions.push(format!(
                "{source} is no index any more, so that what was copied may be all there is of it"
            ));
        }
    }
    let found = Found::look(&run.session, run.source(), &run.state).await?;
    contradictions.extend(found.target_is_read());
    if contradictions.is_empty() { Ok(()) } else { Err(Error::Contradiction(contradictions)) }
}

/// Removes everything, and journals that it is done.
async fn finish(
    run: &mut PartRun,
    claim: Option<&Claim>,
    outcome: &mut Abandoned,
) -> Result<(), Error> {
    let source = run.source().clone();
    outcome.left.clear();
    let found = Found::look(&run.session, &source, &run.state).await?;
    found.fence(&run.session, claim).await?;
    found.remove(&run.session, claim, outcome).await?;
    forget::everything(&run.session, &source, &mut outcome.removed).await?;
    if run.state.phase == Phase::Abandoning {
        run.record(Event::Abandoned).await?;
    }
    Ok(())
}

/// Names a source that refuses writes. Nothing of ours can close it any more: taking a cutover back opens
/// it, and takes the mark away by which it was closed.
async fn look_at_source(run: &PartRun, outcome: &mut Abandoned) -> Result<(), Error> {
    if run.state.cutover.is_none() {
        return Ok(());
    }
    for source in run.indices() {
        let looking = || format!("looking at {source}");
        let there = run.session.cluster().index(source.as_str()).await.doing(looking)?;
        if there.is_some_and(|index| index.settings["index.blocks.write"] == "true") {
            outcome.left.push(Left {
                what: format!("the write block of {source}"),
                why: "no cutover of this migration runs, so it is somebody else's".to_owned(),
            });
        }
    }
    Ok(())
}

/// Lets a part that was given up begin anew, as if it had never been begun.
pub(crate) async fn begin_anew(run: &mut PartRun) -> Result<(), Error> {
    let mut outcome = Abandoned::nothing_yet(run.source());
    // The plan may have another target by now: this is about what the journal says was made.
    let mut known = PartRun::known(&run.session, run.source(), run.state.clone());
    let claim = Claim::put(&run.session, run.source()).await?;
    look_at_journal(run).await?;
    finish(&mut known, claim.as_ref(), &mut outcome).await?;
    if !outcome.left.is_empty() {
        let left = outcome.left.into_iter();
        let words =
            left.map(|left| format!("{} is left of what was given up: {}", left.what, left.why));
        return Err(Error::Contradiction(words.collect()));
    }
    run.state = known.state;
    // What was written with the old one is gone with its target. Another one costs nothing, and shuts
    // out whatever of the first beginning turns up late.
    let incarnation = run.state.incarnation.next().unwrap_or(Incarnation::FIRST);
    run.record(Event::BegunAnew { incarnation }).await
}

/// Removes the pinned lookups, once no part of `journal` needs them any more: what begins anew later
/// reads them anew. Returns what was removed.
pub fn forget_lookups(session: &Session, journal: &Journal) -> Result<Vec<String>, Error> {
    let mut removed = Vec::new();
    if journal.parts.values().all(|state| state.phase == Phase::Abandoned) {
        forget::folder(session.migration_dir().join("lookups"), &mut removed)?;
    }
    Ok(removed)
}
