//! The cutover. In mode `block` the source is closed to writes, the last changes are carried and
//! compared, and one request moves the names; mode `redirect` stands in [`redirect`].
//!
//! Of a switch and a back-out exactly one wins: both have to take the epoch's write alias from the
//! target, with `must_exist`, in the request that does the rest. Names are judged by looking again,
//! never by the answer of the request that moved them.

mod back_out;
pub(crate) mod before;
pub(crate) mod closing;
mod copies;
mod gate;
mod lull;
pub(crate) mod marks;
pub mod redirect;
mod switch;
pub mod watchdog;

use std::sync::Arc;
use std::time::{Duration, Instant};

use segue_cluster::BlockAnswer;
use segue_model::id::{AliasName, Epoch, IndexName, SeqNo};
use segue_model::journal::{CutoverWindow, Event, VerifySummary};
use segue_model::recipe::CutoverMode;

pub use back_out::{Fence, TakenBack, back_out_names, diagnose};
pub(crate) use copies::wait_for_copies;
pub use gate::pass_gate;
pub use marks::Patience;

use crate::audit::audit;
use crate::error::{Doing, Error};
use crate::part_run::PartRun;
use crate::pass::{Carrier, log};
use crate::prepare::restore_after_switch;
use crate::progress::Progress;
use crate::sabotage;
use crate::session::Session;
use crate::verify::{Frozen, verify_window};
use watchdog::{Undo, Watchdog};

/// How much longer than the longest pause the watchdog waits before it lifts the block itself.
pub(crate) const GRACE: Duration = Duration::from_secs(10);

/// Switches the part's names to the target, or leaves everything as it was.
pub async fn cut_over(run: &mut PartRun, carrier: &Arc<Carrier>) -> Result<CutoverWindow, Error> {
    let session = run.session.clone();
    session.check_time()?;
    let _turn = lull::turn_in_a_lull(&session, run, carrier).await?;
    let verified = pass_gate(run, carrier).await?;
    if carrier.program().is_keyed() {
        // Every document that was written again since the first audit takes a look: better now than with the
        // source closed.
        audit(carrier, run.target(), carrier.as_ref()).await?;
    }
    let max_pause = run.session.recipe().cutover.max_pause;
    let redirect = match run.session.recipe().cutover.mode {
        // Generations are swapped by the load itself.
        CutoverMode::Block | CutoverMode::Swap(_) => None,
        CutoverMode::Redirect => Some(redirect::ready(run, carrier).await?),
    };
    let fence = Fence { redirect: redirect.clone(), ..Fence::of(run) };
    let watchdog =
        Watchdog::start(run, Undo::Cutover(Box::new(fence.clone())), max_pause + GRACE).await?;
    run.record(Event::CutoverStarted {
        epoch: run.state.epoch.unwrap_or(Epoch(0)),
        keep: run.planned.keep.clone(),
        aliases: back_out::names_of_source(run),
        before: before::look(run).await?.map(Box::new),
    })
    .await?;
    let closed = Instant::now();
    let attempted = match &redirect {
        None => attempt(run, carrier, &verified, closed).await,
        Some(note) => redirect::attempt(run, carrier, &verified, note, closed).await,
    };
    let window = match attempted {
        Ok(last_pass) => {
            let took = u64::try_from(closed.elapsed().as_millis()).ok();
            let (closed_ms, redirected_ms) = match redirect {
                None => (took, None),
                Some(_) => (Some(0), took),
            };
            watchdog.dismiss().await;
            CutoverWindow { closed_ms, last_pass, redirected_ms }
        }
        Err(error) => {
            let taken_back =
                back_out_names(run.session.cluster(), &fence, Patience::Times(20)).await?;
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
    run.record(Event::Switched { window }).await?;
    // First: it writes documents, which no final pipeline is to change once more.
    redirect::finish(run, Some(carrier.program())).await?;
    restore_after_switch(run).await?;
    let took = closed.elapsed();
    let part = Some(run.source().clone());
    run.session.listener().tell(Progress::Step { part, step: "cutover", took });
    Ok(window)
}

/// Marks the sources as those that this epoch may close.
async fn mark(run: &PartRun, indices: &[IndexName]) -> Result<AliasName, Error> {
    let epoch = run.state.epoch.unwrap_or(Epoch(0));
    let cluster = run.session.cluster();
    let alias = run.write_alias();
    closing::mark_all(cluster, indices, run.target(), &alias, epoch).await
}

/// Journals that the names are back, and says why.
async fn give_up(run: &mut PartRun, error: Error) -> Result<CutoverWindow, Error> {
    let reason = match &error {
        Error::BackedOut { reason } => reason.clone(),
        other => crate::error::chain(other),
    };
    run.record(Event::BackedOut { reason: reason.clone() }).await?;
    Err(match error {
        Error::Diverged { .. } | Error::Stopped(_) | Error::TakenOver { .. } => error,
        _ => Error::BackedOut { reason },
    })
}

/// From the block to the switch. Any error leaves the names for the back-out to set right.
async fn attempt(
    run: &mut PartRun,
    carrier: &Arc<Carrier>,
    verified: &gate::Verified,
    closed: Instant,
) -> Result<u64, Error> {
    let max_pause = run.session.recipe().cutover.max_pause;
    let source = run.source().clone();
    let mut indices = run.indices();
    if sabotage::lacks("close-all") {
        indices.truncate(1);
    }
    let mark = mark(run, &indices).await?;
    close(&run.session, &indices, &mark, closed, max_pause).await?;
    let (target, also) = (run.target().clone(), run.planned.also.clone());
    // Both only read the closed source.
    let last = async {
        settle(carrier).await?;
        let passed = carrier.pass().await?;
        // Where ids may come twice, equal counts prove nothing: one document may have come for another.
        let merged = !also.is_empty() && !sabotage::lacks("audit-before-counts");
        let audited = carrier.program().is_keyed() || merged;
        if audited {
            audit(carrier, &target, carrier.as_ref()).await?;
        }
        let mut frozen = verify_window(carrier, &target, verified).await?;
        // Right counts prove that there is nothing to delete.
        if !audited && !frozen.counts_are_right() {
            audit(carrier, &target, carrier.as_ref()).await?;
            frozen.count_target(carrier, &target).await?;
        }
        check_counts(run, &frozen)?;
        Ok::<_, Error>(passed.balance.read)
    };
    let both = async { tokio::try_join!(last, switch::keep_copy(run)) };
    let left = max_pause.saturating_sub(closed.elapsed());
    let Ok(done) = tokio::time::timeout(left, both).await else {
        return Err(Error::BackedOut { reason: over(max_pause) });
    };
    let (last_pass, ()) = done?;
    let looking = || format!("looking at the shards of {target}");
    let stats = run.session.cluster().shard_stats(target.as_str()).await.doing(looking)?;
    let cursor = stats.primaries.iter().map(|primary| SeqNo(primary.max_seq_no)).collect();
    run.record(Event::Switching { cursor }).await?;
    switch::move_names(run).await?;
    if !switch::is_switched(run.session.cluster(), &source, &target).await? {
        return Err(Error::BackedOut { reason: "the names did not move".to_owned() });
    }
    Ok(last_pass)
}

pub(crate) fn over(max_pause: Duration) -> String {
    format!(
        "the source would have been closed for longer than {} ms (max_pause)",
        max_pause.as_millis()
    )
}

/// Closes `sources`, all that bear the mark, and waits until every write that was under way has ended.
pub(crate) async fn close(
    session: &Session,
    sources: &[IndexName],
    mark: &AliasName,
    closed: Instant,
    max_pause: Duration,
) -> Result<(), Error> {
    let names: Vec<_> = sources.iter().map(IndexName::as_str).collect();
    let source = names.join(", ");
    loop {
        let left = max_pause.saturating_sub(closed.elapsed());
        if left.is_zero() {
            return Err(Error::BackedOut { reason: over(max_pause) });
        }
        let closing = || format!("closing {source} to writes");
        let asked = session.cluster().block_writes_of(&names, mark.as_str(), left).await;
        match asked.doing(closing)? {
            BlockAnswer::Drained => return Ok(()),
            BlockAnswer::NotDrained { detail } => {
                tracing::warn!(source, %detail, "writes are still under way");
            }
        }
    }
}

/// Lets the global checkpoint reach the last operation; where the source syncs lazily it needs a
/// flush for that.
pub(crate) async fn settle(carrier: &Carrier) -> Result<(), Error> {
    let source = carrier.sources().all().as_str();
    let looking = || format!("looking at the shards of {source}");
    let session = carrier.session();
    let cluster = session.cluster();
    for _ in 0..100 {
        let stats = cluster.shard_stats(source).await.doing(looking)?;
        if stats.primaries.iter().all(|primary| log(primary).is_settled()) {
            return Ok(());
        }
        cluster.flush(source).await.doing(|| format!("flushing {source}"))?;
        session.sleep(Duration::from_millis(20)).await?;
    }
    Err(Error::BackedOut {
        reason: "the source's global checkpoint does not reach its end".to_owned(),
    })
}

fn check_counts(run: &PartRun, frozen: &Frozen) -> Result<(), Error> {
    let expected = frozen.expected();
    let allowed = run.session.recipe().cutover.max_dead_letters;
    if !frozen.counts_are_right() {
        let reason = format!(
            "the target holds {} documents, {expected} expected ({} in the source, {} left out): \
             the target holds what it should not, or lacks what it should",
            frozen.target_documents, frozen.source_documents, frozen.left_out
        );
        return Err(Error::Diverged { reason, summary: VerifySummary::default() });
    }
    if frozen.dead_letters > allowed {
        let reason = format!("{} dead letters, {allowed} allowed", frozen.dead_letters);
        return Err(Error::BackedOut { reason });
    }
    Ok(())
}
