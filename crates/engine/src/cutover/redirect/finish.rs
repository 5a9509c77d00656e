//! After the switch: waiting for the last redirected write, and the part's pipeline for what the
//! application wrote by way of ours.

use std::time::{Duration, Instant};

use segue_cluster::Fetch;
use segue_model::enrich::Rule;
use segue_model::id::SeqNo;
use segue_model::journal::Event;
use segue_transform::Bound;

use super::note::{Note, NoteKey, Notes, journalled};
use super::pipeline::Redirection;
use super::reader::{Reader, highest, numbers};
use crate::enrich::{Batch, is_enriched};
use crate::error::{Doing, Error};
use crate::part_run::PartRun;
use crate::verify::fingerprint;

const PATIENCE: Duration = Duration::from_secs(60);
const NAMED: usize = 50;

/// What enriching did.
#[derive(Debug, Default)]
struct Enriched {
    enriched: u64,
    left: u64,
    named: Vec<String>,
}

/// Does what is left of a redirect after the switch; nothing where there was none. May be repeated.
pub(crate) async fn finish(run: &mut PartRun, program: Option<&Bound>) -> Result<(), Error> {
    let Some(cutover) = run.state.cutover.clone().filter(|cutover| cutover.redirect.is_some())
    else {
        return Ok(());
    };
    let key = NoteKey { epoch: cutover.epoch, ..NoteKey::of(run) };
    let notes = Notes::new(run.session.cluster(), &key);
    if !cutover.is_redirect_pending() {
        return notes.forget().await;
    }
    let Some(note) = notes.load().await?.or_else(|| journalled(run)) else { return Ok(()) };
    let ends = match cutover.redirect.and_then(|redirect| redirect.ends) {
        Some(ends) => ends,
        None => end_redirect(run, &note).await?,
    };
    run.session.drill("ended")?;
    let enriched = match program {
        // What follows the switch enriches everything from the cursor on.
        _ if is_enriched(run) => Enriched::default(),
        Some(program) if !run.session.recipe().pipeline.is_empty() => {
            enrich(run, &note, &notes, program, &ends).await?
        }
        None if !run.session.recipe().pipeline.is_empty() => {
            return Err(Error::Task("redirected documents wait for a pipeline".to_owned()));
        }
        _ => Enriched::default(),
    };
    for name in &enriched.named {
        tracing::warn!(part = %run.source(), document = name, "left as the application wrote it");
    }
    let (session, source, target) =
        (run.session.clone(), run.source().clone(), run.target().clone());
    let (cluster, migration) = (session.cluster(), session.migration());
    let redirection = Redirection { cluster, migration, source: &source, note: &note };
    session.drill("enriched")?;
    redirection.ready_target(&target).await?;
    session.drill("readied")?;
    if note.has_final() {
        super::wait_for_writes(&session, Instant::now() + PATIENCE).await?;
    }
    redirection.remove_after().await?;
    let Enriched { enriched, left, named } = enriched;
    if left > 0 {
        let text =
            format!("{left} redirected documents are left as written ({})", named.join(", "));
        run.session.listener().note(run.source(), text);
    }
    run.record(Event::RedirectEnriched { enriched, left, named }).await?;
    session.drill("recorded")?;
    notes.forget().await
}

/// Requests that were under way at the switch still come through the pipeline: it stays until they have
/// ended.
async fn end_redirect(run: &mut PartRun, note: &Note) -> Result<Vec<SeqNo>, Error> {
    let session = run.session.clone();
    let cluster = session.cluster();
    super::wait_for_writes(&session, Instant::now() + PATIENCE).await?;
    let ends = highest(&numbers(cluster, run.target().as_str()).await?);
    let (migration, source) = (session.migration(), run.source().clone());
    Redirection { cluster, migration, source: &source, note }.remove().await?;
    run.record(Event::RedirectEnded { ends: ends.clone() }).await?;
    Ok(ends)
}

/// Applies the part's pipeline to what was redirected, document by document where it still is as it was
/// found: what the application writes meanwhile is not touched. What is enriched gets a number above
/// `ends`, so that a repetition does not see it.
async fn enrich(
    run: &PartRun,
    note: &Note,
    notes: &Notes,
    program: &Bound,
    ends: &[SeqNo],
) -> Result<Enriched, Error> {
    let cluster = run.session.cluster();
    let target = run.target().as_str();
    let prints = notes.prints().await?;
    cluster.refresh(target).await.doing(|| format!("refreshing {target}"))?;
    let mut reader = Reader::new(cluster, target, &note.cursor, ends, Fetch::Source).await?;
    let mut worker = program.worker();
    let mut done = Enriched::default();
    while let Some((shard, page)) = reader.next().await? {
        let mut batch = Batch::default();
        for hit in page.hits() {
            let is_ours =
                prints.contains(&fingerprint(&hit.id, hit.routing.as_deref(), hit.source));
            if !is_ours {
                batch.take(&mut worker, Rule::Once, shard, &hit)?;
            }
        }
        batch.write(cluster, target).await?;
        done.enriched += batch.balance.written;
        for letter in &batch.left {
            done.leave(&letter.document, &format!("{}: {}", letter.kind, letter.reason));
        }
    }
    Ok(done)
}

impl Enriched {
    fn leave(&mut self, id: &str, reason: &str) {
        self.left += 1;
        if self.named.len() < NAMED {
            self.named.push(format!("{id:?}: {reason}"));
        }
    }
}
