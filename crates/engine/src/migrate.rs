//! The coordinator: takes every part from where it stands to where the recipe wants it.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use segue_model::balance::Balance;
use segue_model::journal::{Event, VerifySummary};
use segue_model::part::{Cutover, PartState};
use segue_model::phase::Phase;
use segue_model::plan::{Action, Plan, PlannedPart};
use segue_model::recipe::CutoverStart;
use segue_model::stamp::Versioning;
use segue_model::version::Rewrite;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::abandon;
use crate::audit::{Audited, audit, rebuild};
use crate::checkpoint_store::CheckpointStore;
use crate::cutover::{cut_over, diagnose, wait_for_copies};
use crate::enrich::{self, check_stable, probe_stable};
use crate::error::{Doing, Ending, Error, Stop, chain};
use crate::journal_store::{Journal, JournalStore};
use crate::letters::first_open;
use crate::load;
use crate::lookup::{Pinned, Pinning, pin};
use crate::observe::observe;
use crate::part_run::PartRun;
use crate::pass::{Carrier, DeadLetters, Passed, source_identity};
use crate::prepare::{open_epoch, prepare, restore};
use crate::probe::probe;
use crate::progress::Progress;
use crate::report::{PartError, PartReport, Report, Totals};
use crate::rollback;
use crate::sabotage;
use crate::session::Session;
use crate::turn;
use crate::verify::verify_all;
use crate::watch::{Watched, watch};

/// How many documents behind a part may be when it is verified: one more pass would find as many.
const NEAR: u64 = 5_000;
/// How many passes may follow each other before verification; writers faster than that are left to
/// the window.
const PASSES: u32 = 20;

/// How often the beginning is tried again when another process writes the journal at the same time.
const BEGINNINGS: u32 = 4;

/// What a run is to do with each part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Everything; the cutover only if the recipe starts it by itself.
    Run,
    /// As `Run`, in a migration that another process began: parts that others work on are left to
    /// them, and lookups are read as they were pinned.
    Join,
    /// Carry and compare, and stop there.
    Verify,
    /// Everything, the cutover included.
    Cutover,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Ran {
    /// What it did.
    pub report: Report,
    /// How the worst part ended; none = all as wanted.
    pub ending: Option<Ending>,
}

/// Looks and plans; changes nothing. Where writes are to be redirected, documents are tried in a scratch
/// index that is removed again.
pub async fn plan(session: &Session, folder: &Path) -> Result<(Plan, Journal), Error> {
    let journal = session.journal().read().await?;
    let parts = journal.parts.clone();
    let seen = observe(session.cluster(), session.recipe(), folder, parts).await?;
    let mut plan = Plan::make(session.recipe(), &seen);
    probe(session.cluster(), session.recipe(), &mut plan).await;
    probe_stable(session, &mut plan).await;
    Ok((plan, journal))
}

/// Ends cutovers that a process left when it died: their sources may be closed. This comes before
/// everything else that could fail, and needs nothing but the journal.
pub async fn recover(session: &Session) -> Result<(), Error> {
    let journal = session.journal().read().await?;
    for (source, state) in journal.parts {
        let doing = match state.phase {
            Phase::CuttingOver { .. } => "cut over",
            Phase::RollingBack => "rolled back",
            _ => continue,
        };
        let text = format!("an earlier process died while it {doing}: looking how that ended");
        session.listener().note(&source, text);
        let held = match turn::take_to_recover(session, &source).await {
            Ok(Some(held)) => Some(held),
            Ok(None) => continue,
            Err(error @ Error::Stopped(_)) => return Err(error),
            Err(error) => {
                tracing::warn!(part = %source, error = chain(&error), "recovering without a lease");
                None
            }
        };
        let mut run = PartRun::known(session, &source, state);
        let diagnosed = match run.state.phase {
            _ if run.state.swap.is_some() => load::diagnose(&mut run).await,
            Phase::RollingBack => rollback::diagnose(&mut run).await,
            _ => diagnose(&mut run).await,
        };
        if let Some(held) = held {
            held.give_back().await;
        }
        diagnosed?;
    }
    Ok(())
}

/// Carries out `plan`.
pub async fn run(
    session: &Session,
    plan: &Plan,
    mut journal: Journal,
    goal: Goal,
) -> Result<Ran, Error> {
    let begun = Instant::now();
    session.healthy().await?;
    ensure_stores(session.journal(), session).await?;
    let enriches = session.recipe().enriches_in_place();
    let pending = |state: &PartState| {
        state.cutover.as_ref().is_some_and(Cutover::is_redirect_pending)
            || enriches && state.phase == Phase::Watching
    };
    let pinned = if plan.active().next().is_some() || journal.parts.values().any(pending) {
        Some(Arc::new(begin(session, plan, &mut journal, goal).await?))
    } else {
        None
    };

    let permits = usize::try_from(session.limits().parts.max(1)).unwrap_or(1);
    let permits = Arc::new(Semaphore::new(permits));
    let mut working = JoinSet::new();
    for planned in &plan.parts {
        let state = journal.parts.get(&planned.source).cloned().unwrap_or_default();
        let run = PartRun { session: session.clone(), planned: planned.clone(), state };
        let (permits, pinned) = (Arc::clone(&permits), pinned.clone());
        working.spawn(async move { Box::pin(work_in_turn(run, &permits, pinned, goal)).await });
    }
    let (mut parts, mut ending) = (Vec::new(), None);
    while let Some(ended) = working.join_next().await {
        let (part, how) = ended.map_err(|join| Error::Task(join.to_string()))?;
        parts.push(part);
        ending = worse(ending, how);
    }
    let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let report = Report {
        migration: session.migration().clone(),
        plan: plan.hash.clone(),
        duration_ms,
        totals: Totals::default(),
        parts,
    };
    Ok(Ran { report: report.sum(), ending })
}

/// The ending that the whole run takes: a failure outweighs a refusal, and so on.
pub(crate) fn worse(one: Option<Ending>, other: Option<Ending>) -> Option<Ending> {
    let weight = |ending: &Option<Ending>| match ending {
        None => 0,
        Some(Ending::Limit) => 1,
        Some(Ending::Refused) => 2,
        Some(Ending::Diverged) => 3,
        Some(Ending::Failed) => 4,
        Some(Ending::Interrupted) => 5,
    };
    if weight(&other) > weight(&one) { other } else { one }
}

async fn ensure_stores(journal: &JournalStore, session: &Session) -> Result<(), Error> {
    journal.ensure().await?;
    session.leases().ensure().await?;
    CheckpointStore::ensure(session.cluster()).await?;
    DeadLetters::ensure(session.cluster()).await
}

/// Adopts the plan and pins its lookups. Of two processes that begin at once one is first; the other
/// goes on from what that one wrote.
async fn begin(
    session: &Session,
    plan: &Plan,
    journal: &mut Journal,
    goal: Goal,
) -> Result<Pinned, Error> {
    for _ in 0..BEGINNINGS {
        let begun = async {
            adopt(session, plan, journal).await?;
            pin(session, journal, pinning(plan, goal)).await
        };
        match begun.await {
            Err(Error::TakenOver { .. }) => *journal = session.journal().read().await?,
            answer => return answer,
        }
    }
    adopt(session, plan, journal).await?;
    pin(session, journal, pinning(plan, goal)).await
}

/// A new generation reads the rows as they are now; everything else goes on with those it began with.
fn pinning(plan: &Plan, goal: Goal) -> Pinning {
    let is_new = |part: &PlannedPart| part.files.is_some() && part.action == Action::Migrate;
    match goal {
        Goal::Join => Pinning::Kept,
        _ if plan.active().any(is_new) => Pinning::Anew,
        _ => Pinning::KeptOrAnew,
    }
}

async fn adopt(session: &Session, plan: &Plan, journal: &mut Journal) -> Result<(), Error> {
    let last = journal.migration.iter().rev().find_map(|event| match event {
        Event::PlanAdopted { plan } => Some(plan.clone()),
        _ => None,
    });
    if last.as_deref() == Some(&plan.hash) {
        return Ok(());
    }
    let event = Event::PlanAdopted { plan: plan.hash.clone() };
    session.journal().append(None, journal.migration.len() as u64 + 1, &event).await?;
    journal.migration.push(event);
    Ok(())
}

/// Works on one part as long as its lease is this process's.
async fn work_in_turn(
    mut run: PartRun,
    permits: &Semaphore,
    pinned: Option<Arc<Pinned>>,
    goal: Goal,
) -> (PartReport, Option<Ending>) {
    let idle = matches!(run.planned.action, Action::Skip { .. });
    if idle && run.state.phase != Phase::Watching {
        return Box::pin(work(run, pinned, goal)).await;
    }
    let mut report = blank(&run.planned, &run.state);
    let mut stopped = |error: &Error| {
        report.outcome = "nothing was done".to_owned();
        report.error = Some(PartError { code: error.code(), message: chain(error) });
        (report.clone(), Some(error.ending()))
    };
    let turn = match turn::take(&mut run, permits, goal != Goal::Join).await {
        Ok(turn) => turn,
        Err(error) => return stopped(&error),
    };
    let part = run.source().clone();
    let done = tokio::select! {
        done = work(run, pinned, goal) => done,
        () = turn.held.lost() => {
            let how = "its lease is another process's, or could not be kept".to_owned();
            stopped(&Error::TakenOver { part, how })
        }
    };
    turn.held.give_back().await;
    done
}

/// Works on one part and reports; its errors stay with it.
async fn work(
    mut run: PartRun,
    pinned: Option<Arc<Pinned>>,
    goal: Goal,
) -> (PartReport, Option<Ending>) {
    let mut report = blank(&run.planned, &run.state);
    if let Action::Skip { reason } = &run.planned.action {
        report.outcome = format!("nothing to do: {reason}");
        let ended = match watch(&mut run, pinned.as_deref().map(|pinned| &pinned.program)).await {
            Ok(watched) => {
                report.outcome = watched.map_or(report.outcome, |watched| watched.to_string());
                None
            }
            Err(error) => Some(error),
        };
        run.session.listener().note(run.source(), report.outcome.clone());
        report.enrichment = enrich::reported(&run).await;
        report.error = ended.as_ref().map(|e| PartError { code: e.code(), message: chain(e) });
        report.phase = run.state.phase.clone();
        return (report, ended.map(|error| error.ending()));
    }
    let worked = match &pinned {
        Some(pinned) => match run.planned.files.clone() {
            Some(files) => load::load(&mut run, &files, pinned, goal, &mut report).await,
            None => migrate(&mut run, pinned, goal, &mut report).await,
        },
        None => Err(Error::Task("a part has work to do but no pipeline".to_owned())),
    };
    let mut verified = run.state.verified.clone().map(|(_, summary)| summary);
    let ending = match worked {
        Ok(outcome) => {
            report.outcome = outcome;
            None
        }
        Err(error) => {
            // What an earlier comparison counted would belie the one that has just failed.
            if let Error::Diverged { summary, .. } = &error {
                verified = Some(summary.clone()).filter(|summary| !summary.divergences.is_empty());
            }
            note_failure(&mut run, &error).await;
            report.outcome = stopped(&run.state.phase).to_owned();
            report.error = Some(PartError { code: error.code(), message: chain(&error) });
            Some(error.ending())
        }
    };
    report.phase = run.state.phase.clone();
    report.verification = verified;
    report.cutover = run.state.cutover.as_ref().and_then(|cutover| cutover.window);
    let open = first_open(&run.session, run.source(), &run.state, 20).await;
    if let Ok(letters) = open {
        report.dead_letters = letters;
    }
    report.enrichment = enrich::reported(&run).await;
    (report, ending)
}

/// What a part is left as by an error.
fn stopped(phase: &Phase) -> &'static str {
    match phase {
        Phase::CuttingOver { .. } => "stopped while names were switched; run again to end that",
        phase if phase.is_switched() => "switched; the next run does what is left",
        _ => "stopped; the source serves as before",
    }
}

fn blank(planned: &PlannedPart, state: &PartState) -> PartReport {
    PartReport {
        source: planned.source.clone(),
        target: planned.target.clone(),
        captures: planned.captures.clone(),
        phase: state.phase.clone(),
        outcome: String::new(),
        error: None,
        balance: Balance::default(),
        batches: 0,
        deleted: 0,
        durations_ms: std::collections::BTreeMap::default(),
        verification: state.verified.clone().map(|(_, summary)| summary),
        cutover: state.cutover.as_ref().and_then(|cutover| cutover.window),
        dead_letters: Vec::new(),
        enrichment: None,
    }
}

/// Journals why a part stopped, unless somebody else works on it or it can simply go on.
async fn note_failure(run: &mut PartRun, error: &Error) {
    let reason = chain(error);
    let event = match error {
        Error::Stopped(Stop::Health { .. }) => Event::Paused { reason },
        Error::Stopped(stop) if stop.is_asked_for() => return,
        Error::TakenOver { .. } => return,
        Error::Diverged { summary, .. } if run.state.phase == Phase::Verifying => {
            Event::Diverged { reason, summary: summary.clone() }
        }
        Error::Gate(_) => return,
        _ if run.state.phase.may_stop() => Event::Failed { reason },
        _ => return,
    };
    if let Err(error) = run.record(event).await {
        // The cluster may be what failed: the next run finds out from evidence.
        tracing::error!(error = chain(&error), "the failure could not be journalled");
    }
}

async fn migrate(
    run: &mut PartRun,
    pinned: &Pinned,
    goal: Goal,
    report: &mut PartReport,
) -> Result<String, Error> {
    if run.planned.shards == 0 && !run.state.phase.is_switched() {
        return Err(Error::Contradiction(vec![format!(
            "the journal has this part as {}, but the recipe's source.index does not find {}",
            run.state.phase,
            run.source()
        )]));
    }
    run.resume().await?;
    if run.state.phase.is_given_up() {
        // Only what was planned as such begins anew: this process may have waited for its turn since.
        if run.planned.action != Action::Migrate {
            let how = "it was given up meanwhile".to_owned();
            return Err(Error::TakenOver { part: run.source().clone(), how });
        }
        abandon::begin_anew(run).await?;
    }
    if matches!(run.state.phase, Phase::CuttingOver { .. }) {
        diagnose(run).await?;
    }
    if run.state.phase.is_switched() {
        let watched = watch(run, Some(&pinned.program)).await?.unwrap_or(Watched::Finished);
        return Ok(format!("the switch had happened; {watched}"));
    }
    if matches!(run.state.phase, Phase::Planned | Phase::Preparing) {
        check_stable(&run.session, &pinned.program, &run.all_sources()).await?;
        let begun = Instant::now();
        let source = run.all_sources();
        let looking = || format!("looking at the shards of {source}");
        let stats = run.session.cluster().shard_stats(source.as_str()).await.doing(looking)?;
        prepare(run, source_identity(&stats), &pinned.fingerprint).await?;
        report.took("prepare", begun.elapsed());
    }
    check_index(run).await?;
    check_versioning(run)?;
    check_source(run, pinned).await?;
    open_epoch(run).await?;
    let carrier = Arc::new(Carrier::open(run, pinned.program.clone()).await?);
    let worked = carry_and_switch(run, &carrier, goal, report).await;
    report.balance = carrier.balance();
    let redirect = run.state.cutover.as_ref().and_then(|cutover| cutover.redirect.as_ref());
    if let Some(redirect) = redirect.filter(|_| run.state.phase.is_switched()) {
        report.balance.add(&redirect.balance);
    }
    worked
}

async fn carry_and_switch(
    run: &mut PartRun,
    carrier: &Arc<Carrier>,
    goal: Goal,
    report: &mut PartReport,
) -> Result<String, Error> {
    let documents = carrier.lag().await?;
    let part = run.source().clone();
    run.session.listener().tell(Progress::Expected { part, documents });
    if run.state.phase == Phase::Backfilling {
        let begun = Instant::now();
        let passed = carrier.pass().await;
        report.took("backfill", begun.elapsed());
        report.batches += passed?.batches;
        run.record(Event::Backfilled).await?;
    } else {
        if run.state.phase != Phase::CatchingUp {
            run.record(Event::CatchUpStarted).await?;
        }
    }
    let begun = Instant::now();
    let caught_up = catch_up(run, carrier).await;
    report.took("catch up", begun.elapsed());
    report.batches += caught_up?.batches;
    let begun = Instant::now();
    let audited = audit(carrier, run.target(), carrier.as_ref()).await;
    report.took("audit", begun.elapsed());
    report.deleted += audited?.deleted;
    restore(run).await?;

    run.session.healthy().await?;
    let begun = Instant::now();
    run.record(Event::VerifyStarted).await?;
    let verified = verify(run, carrier, report).await;
    report.took("verify", begun.elapsed());
    let positions = carrier.positions();
    run.record(Event::Verified { positions, summary: verified? }).await?;
    if goal == Goal::Verify {
        return Ok("verified: source and target are equal".to_owned());
    }
    let manual = run.session.recipe().cutover.start == CutoverStart::Manual;
    if manual && goal != Goal::Cutover {
        return Ok("ready: start the cutover with `segue cutover`".to_owned());
    }
    wait_for_copies(&run.session, &run.all_sources(), run.target()).await?;
    run.session.healthy().await?;
    // What was written during the comparison need not be carried with the source closed.
    let begun = Instant::now();
    let caught_up = catch_up(run, carrier).await;
    report.took("catch up", begun.elapsed());
    report.batches += caught_up?.batches;
    run.session.check_stop()?;
    let begun = Instant::now();
    let window = cut_over(run, carrier).await;
    report.took("cutover", begun.elapsed());
    let window = window?;
    watch(run, Some(carrier.program())).await?;
    let closed = window.closed_ms.unwrap_or(0);
    Ok(match window.redirected_ms {
        None => format!("switched; the old name refused writes for {closed} ms"),
        Some(ms) => format!("switched; writes were redirected for {ms} ms, none was refused"),
    })
}

/// Compares source and target in full. Where the target holds documents that the source does not, and
/// of which the inventory knows nothing, it is incomplete (a machine that lost power, a tombstone
/// that was forgotten before a late request): it is made anew, once, which takes them away.
async fn verify(
    run: &PartRun,
    carrier: &Arc<Carrier>,
    report: &mut PartReport,
) -> Result<VerifySummary, Error> {
    let error = match verify_all(carrier, run.target()).await {
        Err(error @ Error::Diverged { .. }) => error,
        answer => return answer,
    };
    let Error::Diverged { summary, .. } = &error else { return Err(error) };
    let too_much = ["extra", "stale"].iter().any(|class| summary.divergences.contains_key(*class));
    if !too_much || sabotage::lacks("no-delete-audit") {
        return Err(error);
    }
    let text = "the target holds what the source does not: all ids of both are compared";
    run.session.listener().note(run.source(), text);
    let Audited { deleted, .. } = rebuild(carrier, run.target(), carrier.as_ref()).await?;
    report.deleted += deleted;
    if deleted == 0 { Err(error) } else { verify_all(carrier, run.target()).await }
}

/// Passes until the part is near, or writers prove faster.
async fn catch_up(run: &PartRun, carrier: &Arc<Carrier>) -> Result<Passed, Error> {
    let mut sum = Passed::default();
    for _ in 0..PASSES {
        run.session.check_stop()?;
        let passed = carrier.pass().await?;
        let operations = passed.operations;
        sum.add(&passed);
        if operations <= NEAR {
            break;
        }
    }
    Ok(sum)
}

/// The source has to be an index of its own: a name that stands for the target by now would be
/// carried onto itself.
async fn check_index(run: &PartRun) -> Result<(), Error> {
    let mut contradictions = Vec::new();
    for source in run.indices() {
        let looking = || format!("looking at {source}");
        let index = run.session.cluster().index(source.as_str()).await.doing(looking)?;
        let own = index.filter(|index| {
            run.state.target_uuid.as_ref().is_none_or(|target| target.as_str() != index.uuid)
        });
        if own.is_none() {
            contradictions.push(format!(
                "the journal has this part as {}, but {source} is no index of its own any more: \
                 somebody else moved or removed it",
                run.state.phase
            ));
        }
    }
    if contradictions.is_empty() { Ok(()) } else { Err(Error::Contradiction(contradictions)) }
}

/// What stands in the target has the versions that it was begun with.
fn check_versioning(run: &PartRun) -> Result<(), Error> {
    let (was, now) = (run.state.versioning, run.session.recipe().target.versioning());
    if was == now {
        return Ok(());
    }
    Err(Error::Recipe(format!(
        "{} was begun with target.versions {was}, the recipe says {now}: set it back, or give the part \
         up with `segue abandon` and run again",
        run.source()
    )))
}

/// Begins anew where the source is another index by now, or the pipeline another function.
async fn check_source(run: &mut PartRun, pinned: &Pinned) -> Result<(), Error> {
    let source = run.source().clone();
    let looking = || format!("looking at the shards of {source}");
    let all = run.all_sources();
    let stats = run.session.cluster().shard_stats(all.as_str()).await.doing(looking)?;
    let identity = source_identity(&stats);
    let same_source = run.state.source.as_ref() == Some(&identity);
    let same_pipeline = run.state.pipeline.as_deref() == Some(&pinned.fingerprint);
    if same_source && same_pipeline {
        return Ok(());
    }
    let reason = if same_source {
        "the pipeline or its lookups are others than those that wrote the target"
    } else {
        "the source is another index than the one that was read"
    };
    if run.state.versioning == Versioning::Preserved {
        let (target, reason) = (run.target().clone(), reason.to_owned());
        return Err(Error::PreservedOnce { target, reason });
    }
    let used_up = || Error::VersionsUsedUp { target: run.target().clone() };
    let (mut incarnation, rewrite) = (run.state.incarnation, run.state.rewrite.next());
    let rewrite = match rewrite {
        // Which keys stand for what another pipeline knows: all that it made goes.
        Some(rewrite) if same_source && !run.is_keyed() => rewrite,
        _ => {
            incarnation = incarnation.next().ok_or_else(used_up)?;
            Rewrite::FIRST
        }
    };
    run.session.listener().note(&source, format!("{reason}: everything is projected anew"));
    let (pipeline, reason) = (pinned.fingerprint.clone(), reason.to_owned());
    run.record(Event::Restarted { source: identity, incarnation, rewrite, pipeline, reason }).await
}
