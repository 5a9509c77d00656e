//! The way back: the old index serves again by its name, with what was written since.
//!
//! After the switch the **kept copy** is the source as it was. The **reverse feed** carries what
//! applications write to the target into it: the same loop as the copy, from the target's numbers at
//! the switch on, through the reverse pipeline, with the next incarnation. A rollback is a cutover the
//! other way round: block the target, last pass, deletes, comparison, and one request that moves the
//! names (`docs/concepts/protocol.md`, "the way back").
//!
//! The write alias of the epoch stands on the kept copy now. Of a rollback and its back-out exactly
//! one succeeds: both take it away with `must_exist`.

mod base;
mod feed;
mod losses;
mod names;
mod place;
mod report;
mod retreat;
mod sweep;

use std::time::Instant;

use segue_model::id::{Epoch, SeqNo};
use segue_model::journal::{CutoverWindow, Event, VerifySummary};
use segue_model::plan::{Plan, PlannedPart};
use tokio::sync::Semaphore;

pub(crate) use feed::{Feed, close_kept, is_fed_back};
pub use losses::Losses;
use losses::losses;
pub(crate) use place::Place;
pub use report::{PartBack, RollbackReport};
pub use retreat::{Retreat, give_way};
use sweep::{LeftOut, Swept, sweep};

use crate::audit::audit;
use crate::cutover::watchdog::{Undo, Watchdog};
use crate::cutover::{GRACE, Patience, TakenBack, close, closing, over, settle};
use crate::error::{Ending, Error, chain};
use crate::journal_store::Journal;
use crate::lookup::{Pinned, Pinning, pin};
use crate::part_run::PartRun;
use crate::pass::DeadLetters;
use crate::report::PartError;
use crate::session::Session;
use crate::turn;
use crate::verify::{Frozen, verify_window};

/// A part that can be asked to go back.
#[derive(Debug)]
pub struct Candidate {
    run: PartRun,
    /// What would be lost; none where it is carried back.
    pub losses: Option<Losses>,
}

impl Candidate {
    /// The part's plan and state.
    pub fn part(&self) -> &PlannedPart {
        &self.run.planned
    }
}

/// What a rollback did, and how it ended.
#[derive(Debug)]
pub struct RolledBack {
    /// What it did.
    pub report: RollbackReport,
    /// How the worst part ended; none = all serve by their old index again.
    pub ending: Option<Ending>,
}

/// The parts of `plan` that are switched and whose kept copy is there. Changes nothing.
///
/// # Errors
/// A part whose names or copy are not as the journal says; failures of requests.
pub async fn candidates(
    session: &Session,
    plan: &Plan,
    journal: &Journal,
) -> Result<Vec<Candidate>, Error> {
    let (mut candidates, mut refused) = (Vec::new(), None);
    for planned in &plan.parts {
        let Some(state) = journal.parts.get(&planned.source) else { continue };
        if !state.phase.is_switched() {
            continue;
        }
        if !planned.also.is_empty() {
            let kept: Vec<_> = planned.keeps().iter().map(ToString::to_string).collect();
            let (part, target) = (planned.source.clone(), planned.target.clone());
            let refusal = Error::NoWayBack { part, target, kept: kept.join(", ") };
            session.listener().note(&planned.source, refusal.to_string());
            refused.get_or_insert(refusal);
            continue;
        }
        let (planned, state) = (planned.clone(), state.clone());
        let run = PartRun { session: session.clone(), planned, state };
        let place = Place::look(&run).await?;
        let losses = if is_fed_back(&run) { None } else { Some(losses(&run, &place).await?) };
        candidates.push(Candidate { run, losses });
    }
    // Those that can go back are not held up by those that cannot.
    match refused.filter(|_| candidates.is_empty()) {
        Some(refusal) => Err(refusal),
        None => Ok(candidates),
    }
}

/// Takes `candidates` back. Without a feed back the losses that were shown are accepted, and with one,
/// where `discards`, documents that cannot go back.
///
/// # Errors
/// What concerns all parts; the errors of a part stand in the report.
pub async fn roll_back(
    session: &Session,
    candidates: Vec<Candidate>,
    mut journal: Journal,
    discards: bool,
) -> Result<RolledBack, Error> {
    let begun = Instant::now();
    let fed_back = candidates.iter().any(|candidate| candidate.losses.is_none());
    let pinned =
        if fed_back { Some(pin(session, &mut journal, Pinning::KeptOrAnew).await?) } else { None };
    let (mut parts, mut ending) = (Vec::new(), None);
    let one_at_a_time = Semaphore::new(1);
    for candidate in candidates {
        let Candidate { mut run, losses } = candidate;
        let mut part = PartBack::of(&run, losses);
        let done = match turn::take(&mut run, &one_at_a_time, true).await {
            Ok(turn) => {
                let name = run.source().clone();
                let done = tokio::select! {
                    done = take_back(&mut run, pinned.as_ref(), discards, &mut part) => done,
                    () = turn.held.lost() => {
                        let how = "its lease is another process's, or could not be kept".to_owned();
                        Err(Error::TakenOver { part: name, how })
                    }
                };
                turn.held.give_back().await;
                done
            }
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            part.error = Some(PartError { code: error.code(), message: chain(&error) });
            part.outcome = "stopped; the target serves as before".to_owned();
            ending = crate::migrate::worse(ending, Some(error.ending()));
        }
        part.phase = run.state.phase.to_string();
        parts.push(part);
    }
    let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let report = RollbackReport { migration: session.migration().clone(), duration_ms, parts };
    Ok(RolledBack { report, ending })
}

async fn take_back(
    run: &mut PartRun,
    pinned: Option<&Pinned>,
    discards: bool,
    part: &mut PartBack,
) -> Result<(), Error> {
    if !run.state.phase.is_switched() {
        let how = format!("it is {} by now", run.state.phase);
        return Err(Error::TakenOver { part: run.source().clone(), how });
    }
    match pinned.filter(|_| part.lost.is_none()) {
        Some(pinned) => {
            let trusted = run.state.pipeline.as_ref() == Some(&pinned.fingerprint);
            let letters = DeadLetters::of(&run.session, run.source());
            let left_out = LeftOut { program: pinned.program.clone(), trusted, letters };
            carry_and_move(run, left_out, discards, part).await
        }
        None => move_only(run, part).await,
    }
}

/// With a feed back: everything is carried, then the names move.
async fn carry_and_move(
    run: &mut PartRun,
    left_out: LeftOut,
    discards: bool,
    part: &mut PartBack,
) -> Result<(), Error> {
    let session = run.session.clone();
    let _turn = session.cutover_turn().await;
    session.healthy().await?;
    let place = Place::look(run).await?;
    let feed = Feed::open(run, &place).await?;
    let carried = feed.catch_up().await?;
    let positions = feed.carrier.positions();
    let from = (place.cursor.clone(), VerifySummary::default());
    // Before anything is deleted: searches may still show what an application has just deleted.
    let compared = verify_window(&feed.carrier, &place.kept, &from).await?;
    base::note_base(&feed, &place.cursor).await?;
    let audited = audit(&feed.carrier, &place.kept, feed.carrier.as_ref()).await?;
    let swept = sweep(&feed, &left_out).await?;
    place.check_health(run).await?;
    part.carried = carried.balance.written + carried.balance.already_there;
    part.deleted = swept.deleted + audited.deleted;
    // Where documents were refused, which of them still are is found out once more in the window.
    let verified = if compared.dead_letters == 0 { positions } else { place.cursor.clone() };
    let window = Window { feed: &feed, left_out: &left_out, swept, verified, discards };
    move_names(run, &place, Some(window), part).await
}

/// Without a feed back: the old index serves again as it was at the switch.
async fn move_only(run: &mut PartRun, part: &mut PartBack) -> Result<(), Error> {
    let session = run.session.clone();
    let _turn = session.cutover_turn().await;
    let place = Place::look(run).await?;
    place.check_health(run).await?;
    feed::next_epoch(run).await?;
    // Before the watchdog is there: it has to find a mark to take.
    feed::mark_kept(run, &place).await?;
    move_names(run, &place, None, part).await
}

/// What is left to be carried with the target closed.
struct Window<'a> {
    feed: &'a Feed,
    left_out: &'a LeftOut,
    swept: Swept,
    verified: Vec<SeqNo>,
    discards: bool,
}

async fn move_names(
    run: &mut PartRun,
    place: &Place,
    window: Option<Window<'_>>,
    part: &mut PartBack,
) -> Result<(), Error> {
    let max_pause = run.session.recipe().cutover.max_pause;
    let retreat = Retreat::of(run, place, window.is_none());
    let undo = Undo::Rollback(retreat.clone());
    let watchdog = Watchdog::start(run, undo, max_pause + GRACE).await?;
    run.record(Event::RollbackStarted { discards: window.is_none() }).await?;
    if window.is_none() {
        place.open(run).await?;
    }
    let closed = Instant::now();
    let left = || max_pause.saturating_sub(closed.elapsed());
    let attempted = tokio::time::timeout(left(), attempt(run, place, window, closed, part)).await;
    let attempted =
        attempted.unwrap_or_else(|_| Err(Error::RollbackBackedOut { reason: over(max_pause) }));
    let window = match attempted {
        Ok(last_pass) => {
            let closed_ms = u64::try_from(closed.elapsed().as_millis()).ok();
            watchdog.dismiss().await;
            CutoverWindow { closed_ms, last_pass, ..CutoverWindow::default() }
        }
        Err(error) => {
            let cluster = run.session.cluster();
            let taken_back = give_way(cluster, &retreat, Patience::Times(20)).await?;
            watchdog.dismiss().await;
            match taken_back {
                TakenBack::Back => return give_up(run, error).await,
                TakenBack::Switched => CutoverWindow::default(),
                TakenBack::Superseded => {
                    let how = "a later epoch is in force".to_owned();
                    return Err(Error::TakenOver { part: run.source().clone(), how });
                }
            }
        }
    };
    finish(run, place, window).await?;
    part.closed_ms = window.closed_ms;
    part.outcome = format!("rolled back; {} is a name of {} now", run.source(), place.kept);
    Ok(())
}

/// The names have moved: the old index gets its settings back, and the journal its last word.
async fn finish(run: &mut PartRun, place: &Place, window: CutoverWindow) -> Result<(), Error> {
    place.restore(run).await?;
    run.record(Event::RolledBack { window }).await
}

async fn give_up(run: &mut PartRun, error: Error) -> Result<(), Error> {
    let reason = match &error {
        Error::RollbackBackedOut { reason } => reason.clone(),
        other => chain(other),
    };
    run.record(Event::RollbackBackedOut { reason: reason.clone() }).await?;
    Err(match error {
        Error::Diverged { .. } | Error::Stopped(_) | Error::TakenOver { .. } => error,
        _ => Error::RollbackBackedOut { reason },
    })
}

/// From the block to the names. Any error leaves the names for the back-out.
async fn attempt(
    run: &PartRun,
    place: &Place,
    window: Option<Window<'_>>,
    closed: Instant,
    part: &mut PartBack,
) -> Result<u64, Error> {
    let max_pause = run.session.recipe().cutover.max_pause;
    let epoch = run.state.epoch.unwrap_or(Epoch(0));
    let cluster = run.session.cluster();
    let mark = closing::mark(cluster, run.target(), &place.kept, &run.write_alias(), epoch).await?;
    close(&run.session, std::slice::from_ref(run.target()), &mark, closed, max_pause).await?;
    let last_pass = match window {
        Some(window) => window.carry(place, part).await?,
        None => 0,
    };
    place.set_pipelines(run).await?;
    names::move_back(run, place).await?;
    if !names::is_back(run.session.cluster(), run.source(), &place.kept).await? {
        let reason = "the names did not move".to_owned();
        return Err(Error::RollbackBackedOut { reason });
    }
    Ok(last_pass)
}

impl Window<'_> {
    /// Carries the rest, deletes what is gone, and compares. Returns the documents of the last pass.
    async fn carry(self, place: &Place, part: &mut PartBack) -> Result<u64, Error> {
        let carrier = &self.feed.carrier;
        settle(carrier).await?;
        let passed = carrier.pass().await?;
        let verified = (self.verified, VerifySummary::default());
        let mut frozen = verify_window(carrier, &place.kept, &verified).await?;
        let allowed = carrier.session().recipe().cutover.max_dead_letters;
        part.refused = frozen.dead_letters;
        if frozen.dead_letters > allowed && !self.discards {
            let reason = format!("{} documents cannot go back, {allowed} allowed", part.refused);
            return Err(Error::RollbackBackedOut { reason });
        }
        part.carried += passed.balance.written + passed.balance.already_there;
        let mut swept = self.swept;
        // Every document of the target is in the kept copy. Where there are as many in both, and none
        // of the copy's own, they are the same ones.
        let same = frozen.counts_are_right() && swept.left_out + frozen.dead_letters == 0;
        if !same {
            part.deleted += audit(carrier, &place.kept, carrier.as_ref()).await?.deleted;
            frozen.count_target(carrier, &place.kept).await?;
        }
        if !same && !is_expected(&frozen, &swept) {
            // The application has written documents that the migration had left out.
            swept = sweep(self.feed, self.left_out).await?;
            part.deleted += swept.deleted;
            frozen.count_target(carrier, &place.kept).await?;
        }
        part.left_out = swept.left_out;
        if is_expected(&frozen, &swept) {
            return Ok(passed.balance.read);
        }
        let held = frozen.target_documents;
        let expected = frozen.source_documents + swept.left_out;
        let reason = format!("the kept copy holds {held} documents, {expected} expected");
        Err(Error::Diverged { reason, summary: VerifySummary::default() })
    }
}

/// Whether the kept copy holds as many documents as it should: the target's, less those that cannot go
/// back and were not there before, and those that the migration had left out.
fn is_expected(frozen: &Frozen, swept: &Swept) -> bool {
    let (held, expected) = (frozen.target_documents, frozen.source_documents + swept.left_out);
    held <= expected && held + frozen.dead_letters >= expected
}

/// Finds out how a rollback ended that the journal has no end of, and journals it. Needs nothing but
/// the journal.
pub async fn diagnose(run: &mut PartRun) -> Result<(), Error> {
    let place = Place::known(run)?;
    let retreat = Retreat { write_alias: None, ..Retreat::of(run, &place, !is_fed_back(run)) };
    match give_way(run.session.cluster(), &retreat, Patience::Times(20)).await? {
        TakenBack::Switched => finish(run, &place, CutoverWindow::default()).await,
        TakenBack::Back | TakenBack::Superseded => {
            let reason = "the process that rolled back died; the target takes writes again";
            run.record(Event::RollbackBackedOut { reason: reason.to_owned() }).await
        }
    }
}
