//! The cutover in mode `redirect`: no write is refused, if writers only index.
//!
//! A pipeline on the source sends every write on to the target. Once that is in force on every node and
//! what began before has ended, the source stands still without anybody having been refused: it is
//! closed, carried to its end and compared, and the names are switched. From the moment on at which the
//! application may write to the target, segue writes no version of its own there: see
//! [`segue_model::redirect`].

mod carry;
mod drain;
mod finish;
mod note;
mod pipeline;
mod reader;
mod undo;
pub(crate) mod writer;

use std::sync::Arc;
use std::time::Instant;

use segue_model::id::SeqNo;
use segue_model::journal::Event;

pub(crate) use finish::finish;
pub(crate) use note::journalled;
pub use note::{Note, NoteKey, REDIRECT_INDEX};
pub use pipeline::REDIRECT_PIPELINE;
pub(crate) use pipeline::specimen;
pub(crate) use undo::undo;

use super::{back_out, check_counts, close, gate, mark, over, settle, switch};
use crate::audit::audit;
use crate::error::Error;
use crate::part_run::PartRun;
use crate::pass::Carrier;
use crate::prepare::open_epoch;
use crate::sabotage;
use crate::session::Session;
use crate::verify::{Outdone, count_ours, verify_redirected};
use note::Notes;
use pipeline::Redirection;
use reader::numbers;

/// Readies a redirect, with nothing of the application touched yet: a fresh write alias, no versioned
/// write of ours under way any more, and the target's cursor.
pub(super) async fn ready(run: &mut PartRun, carrier: &Arc<Carrier>) -> Result<Note, Error> {
    // What this carries, the last pass need not.
    carrier.pass().await?;
    audit(carrier, run.target(), carrier.as_ref()).await?;
    let (default_pipeline, final_pipeline) =
        pipeline::own_pipelines(run.session.cluster(), run.source()).await?;
    if default_pipeline.as_ref().is_some_and(|name| name.starts_with(REDIRECT_PIPELINE)) {
        return Err(Error::Contradiction(vec![format!(
            "the writes of {} are redirected already, but the journal knows of no redirect",
            run.source()
        )]));
    }
    open_epoch(run).await?;
    Notes::new(run.session.cluster(), &NoteKey::of(run)).ensure().await?;
    let max_pause = run.session.recipe().cutover.max_pause;
    wait_for_writes(&run.session, Instant::now() + max_pause).await?;
    let target = numbers(run.session.cluster(), run.target().as_str()).await?;
    Ok(Note {
        pipeline: pipeline::name(&NoteKey::of(run)),
        default_pipeline,
        final_pipeline,
        target_default: planned(run, "index.default_pipeline"),
        target_final: planned(run, "index.final_pipeline"),
        cursor: reader::highest(&target),
        incarnation: run.state.incarnation,
        rewrite: run.state.rewrite,
    })
}

fn planned(run: &PartRun, setting: &str) -> Option<String> {
    run.planned.target_body.settings.get(setting)?.as_str().map(str::to_owned)
}

/// From the redirect to the switch. Any error leaves everything for the back-out to set right.
pub(super) async fn attempt(
    run: &mut PartRun,
    carrier: &Arc<Carrier>,
    verified: &gate::Verified,
    note: &Note,
    begun: Instant,
) -> Result<u64, Error> {
    let session = run.session.clone();
    let max_pause = session.recipe().cutover.max_pause;
    let until = begun + max_pause;
    let (source, target) = (run.source().clone(), run.target().clone());
    let notes = Notes::new(session.cluster(), &NoteKey::of(run));
    notes.keep(note).await?;
    session.drill("noted")?;
    run.record(Event::RedirectStarted {
        cursor: note.cursor.clone(),
        pipeline: note.pipeline.clone(),
        default_pipeline: note.default_pipeline.clone(),
        final_pipeline: note.final_pipeline.clone(),
    })
    .await?;
    in_time(until, max_pause)?;
    let (cluster, migration) = (session.cluster(), session.migration());
    let redirection = Redirection { cluster, migration, source: &source, note };
    redirection.hold_target(&target).await?;
    session.drill("held")?;
    let mark = mark(run, &run.indices()).await?;
    redirection.begin(&target, &back_out::names_of_source(run), &mark).await?;
    session.drill("redirecting")?;
    wait_for_writes(&session, until).await?;
    // From here on the source stands still, if writers only index.
    let ends = notes.ends(reader::highest(&numbers(session.cluster(), source.as_str()).await?));
    let ends = ends.await?;
    run.record(Event::Redirected).await?;
    session.drill("redirected")?;
    in_time(until, max_pause)?;
    close(&run.session, &run.indices(), &mark, begun, max_pause).await?;
    session.drill("closed")?;
    let last = async {
        settle(carrier).await?;
        stands_still(run, note, &ends).await?;
        let carried = carry::carry(run, carrier, &notes, until).await?;
        session.drill("carried")?;
        let outdone =
            Outdone { ends: &carried.ends, cursor: &note.cursor, prints: &carried.prints };
        let mut frozen = verify_redirected(carrier, &target, verified, &outdone).await?;
        if !frozen.counts_are_right() {
            let remove =
                carry::IfOurs { carrier, target: &target, alias: run.write_alias(), until };
            audit(carrier, &target, &remove).await?;
            frozen.target_documents = count_ours(carrier, &target, &note.cursor).await?;
        }
        check_counts(run, &frozen)?;
        Ok::<_, Error>(carried)
    };
    let both = async { tokio::try_join!(last, switch::keep_copy(run)) };
    let left = until.saturating_duration_since(Instant::now());
    let Ok(done) = tokio::time::timeout(left, both).await else {
        return Err(Error::BackedOut { reason: over(max_pause) });
    };
    let (carried, ()) = done?;
    let read = carried.balance.read;
    let (balance, superseded, named) = (carried.balance, carried.superseded, carried.named);
    run.record(Event::RedirectCarried { balance, superseded, named }).await?;
    session.drill("compared")?;
    run.record(Event::Switching { cursor: note.cursor.clone() }).await?;
    session.drill("switching")?;
    switch::move_names(run).await?;
    session.drill("moved")?;
    if !switch::is_switched(session.cluster(), &source, &target).await? {
        return Err(Error::BackedOut { reason: "the names did not move".to_owned() });
    }
    Ok(read)
}

/// Whether writes are still redirected, and the closed source took none since. One that did reached it past
/// the pipeline, and where a redirected write met it, nobody could say which was the later one.
async fn stands_still(run: &PartRun, note: &Note, ends: &[SeqNo]) -> Result<(), Error> {
    let (cluster, source) = (run.session.cluster(), run.source());
    let (default_pipeline, _) = pipeline::own_pipelines(cluster, source).await?;
    if default_pipeline.as_ref() != Some(&note.pipeline) {
        let reason = format!("somebody else has set the default pipeline of {source}");
        return Err(Error::BackedOut { reason });
    }
    let now = reader::highest(&numbers(cluster, source.as_str()).await?);
    if now == ends {
        return Ok(());
    }
    let more: i64 = now.iter().zip(ends).map(|(now, end)| now.0 - end.0).sum();
    Err(Error::BackedOut {
        reason: format!(
            "{more} writes reached {source} although all were redirected: updates, deletes or writes \
             with a pipeline of their own, against cutover.writers"
        ),
    })
}

/// Looked at before each step that changes something: past the deadline the watchdog takes it back.
fn in_time(until: Instant, max_pause: std::time::Duration) -> Result<(), Error> {
    if Instant::now() < until {
        return Ok(());
    }
    Err(Error::BackedOut { reason: over(max_pause) })
}

/// A drain, unless a test leaves it out.
pub(crate) async fn wait_for_writes(session: &Session, until: Instant) -> Result<(), Error> {
    if sabotage::lacks("no-drain") {
        return Ok(());
    }
    drain::drain(session.cluster(), until).await
}
