//! A load: a new **generation** of an index, made whole from files and swapped in behind its alias.
//!
//! Files are not a log: they are read from their beginning to their end, and what is in them does not
//! change while they are read (if it does, the load stops, and the next one begins anew). So there is
//! one pass and no deletes; everything else is as with indices: positions (the number of a record in
//! its file), versions that say which record a document came from, the balance, dead letters, the
//! comparison of everything, the gate, and marks that fence late requests
//! (`docs/concepts/protocol.md`, "loads").

pub mod back;
mod compare;
mod lane;
mod ledger;
mod read;
mod retire;
pub(crate) mod sample;
mod source;
pub(crate) mod swap;

use std::sync::Arc;
use std::time::Instant;

use segue_model::balance::Balance;
use segue_model::checkpoint::ShardIdentity;
use segue_model::id::{AliasName, HistoryUuid, IndexName, IndexUuid, SeqNo, Shard};
use segue_model::journal::{Event, SourceIdentity};
use segue_model::phase::Phase;
use segue_model::plan::PlannedFiles;
use segue_model::recipe::{CutoverStart, FilesSpec};
use segue_model::stamp::Stamp;
use segue_transform::Bound;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

pub use retire::{Retired, give_up, retire, surplus};

use crate::checkpoint_store::CheckpointStore;
use crate::cutover::wait_for_copies;
use crate::error::{Error, Stop, chain};
use crate::lookup::Pinned;
use crate::migrate::Goal;
use crate::part_run::PartRun;
use crate::pass::{DeadLetters, Lineage, Passed, Sender};
use crate::prepare::{open_epoch, prepare, restore};
use crate::progress::Progress;
use crate::report::PartReport;
use crate::session::Session;
use ledger::Ledger;
use source::SourceFile;

/// Loads files into a generation.
#[derive(Debug)]
struct Loader {
    session: Session,
    part: IndexName,
    write_alias: AliasName,
    lineage: Lineage,
    program: Bound,
    files: Vec<SourceFile>,
    ledgers: Vec<Ledger>,
    dead_letters: DeadLetters,
}

/// Takes a generation from where it stands to where the recipe wants it.
pub(crate) async fn load(
    run: &mut PartRun,
    files: &PlannedFiles,
    pinned: &Pinned,
    goal: Goal,
    report: &mut PartReport,
) -> Result<String, Error> {
    let Some(spec) = run.session.recipe().source.files().cloned() else {
        return Err(Error::Task("a generation without files".to_owned()));
    };
    run.resume().await?;
    if matches!(run.state.phase, Phase::CuttingOver { .. }) {
        swap::diagnose(run).await?;
    }
    if run.state.phase.is_switched() {
        swap::finish(run).await?;
        return Ok("the swap had happened".to_owned());
    }
    if goal == Goal::Join && run.state.phase == Phase::Planned {
        return Ok("left to whoever runs the recipe: nobody has begun it".to_owned());
    }
    retire::unfinished(run).await?;
    if matches!(run.state.phase, Phase::Planned | Phase::Preparing) {
        let begun = Instant::now();
        prepare(run, files.identity.clone(), &pinned.fingerprint).await?;
        report.took("prepare", begun.elapsed());
    }
    if let Err(error) = check_begun(run, &files.identity, pinned) {
        retire::give_up_held(run).await?;
        return Err(error);
    }
    open_epoch(run).await?;
    let loader = Arc::new(Loader::open(run, &spec, files, pinned).await?);
    let done = carry_and_swap(run, &loader, &spec, files, goal, report).await;
    report.balance = loader.balance();
    done
}

/// What was begun with other files, or another pipeline, cannot be gone on with.
fn check_begun(run: &PartRun, identity: &SourceIdentity, pinned: &Pinned) -> Result<(), Error> {
    let what = if run.state.source.as_ref() != Some(identity) {
        "the files are others than those it was begun with"
    } else if run.state.pipeline.as_deref() != Some(&pinned.fingerprint) {
        "the pipeline or its lookups are others than those it was begun with"
    } else {
        return Ok(());
    };
    let what = format!("{what}; it was given up, and the next run begins another generation");
    Err(Error::SourceChanged { part: run.source().clone(), what })
}

async fn carry_and_swap(
    run: &mut PartRun,
    loader: &Arc<Loader>,
    spec: &FilesSpec,
    files: &PlannedFiles,
    goal: Goal,
    report: &mut PartReport,
) -> Result<String, Error> {
    let begun = Instant::now();
    let passed = loader.load().await;
    report.took("load", begun.elapsed());
    report.batches += passed?.batches;
    if run.state.phase == Phase::Backfilling {
        run.record(Event::Backfilled).await?;
    } else if run.state.phase != Phase::CatchingUp {
        run.record(Event::CatchUpStarted).await?;
    }
    restore(run).await?;
    run.session.healthy().await?;
    let begun = Instant::now();
    run.record(Event::VerifyStarted).await?;
    let compared = compare::compare(loader, run.target(), spec.duplicates).await;
    report.took("verify", begun.elapsed());
    let positions = loader.positions();
    run.record(Event::Verified { positions, summary: compared? }).await?;
    loader.check_files()?;
    if goal == Goal::Verify {
        return Ok("verified: files and generation are equal".to_owned());
    }
    let manual = run.session.recipe().cutover.start == CutoverStart::Manual;
    if manual && goal != Goal::Cutover {
        return Ok("ready: start the swap with `segue cutover`".to_owned());
    }
    if let Some(live) = &files.live {
        wait_for_copies(&run.session, live, run.target()).await?;
    }
    let begun = Instant::now();
    let swapped = swap::swap(run, files, &loader.balance()).await;
    report.took("cutover", begun.elapsed());
    swapped?;
    // The swap is done: what cannot be deleted now is with the next run, or `segue cleanup`.
    let note = match retire::retire_held(&run.session).await {
        Ok(retired) if retired.is_empty() => None,
        Ok(retired) => {
            let names: Vec<_> = retired.iter().map(|retired| retired.index.to_string()).collect();
            Some(format!("deleted {}", names.join(", ")))
        }
        Err(error) => Some(format!("older generations were not deleted: {}", chain(&error))),
    };
    if let Some(note) = note {
        run.session.listener().note(run.source(), note);
    }
    Ok(match &files.live {
        Some(live) => format!("{} stands for it now, and stood for {live} before", files.alias),
        None => format!("{} stands for it now", files.alias),
    })
}

impl Loader {
    async fn open(
        run: &PartRun,
        spec: &FilesSpec,
        planned: &PlannedFiles,
        pinned: &Pinned,
    ) -> Result<Loader, Error> {
        let session = run.session.clone();
        let files = source::files(spec, planned, &session.options().folder);
        let store = CheckpointStore::new(
            session.cluster().clone(),
            session.migration().clone(),
            run.source().clone(),
        );
        let lineage = run.lineage();
        let kept = store.load(u32::try_from(files.len()).unwrap_or(u32::MAX)).await?;
        let ledgers = files.iter().zip(kept).map(|(file, kept)| {
            let identity = ShardIdentity {
                index: IndexUuid::new(planned.identity.uuid.as_str()),
                history: HistoryUuid::new(file.seen.identity()),
                primary_term: 1,
            };
            Ledger::open(store.clone(), kept, file.number, &identity, &lineage)
        });
        let ledgers = ledgers.collect();
        let dead_letters = DeadLetters::under(&session, run.source(), &lineage);
        Ok(Loader {
            part: run.source().clone(),
            write_alias: run.write_alias(),
            program: pinned.program.clone(),
            lineage,
            files,
            ledgers,
            dead_letters,
            session,
        })
    }

    fn sender(&self) -> Sender<'_> {
        Sender {
            session: &self.session,
            part: &self.part,
            write_alias: &self.write_alias,
            latest: self.lineage.incarnation,
        }
    }

    /// What the record of this number is written with.
    fn stamp(&self, file: Shard, number: i64) -> Result<Stamp, Error> {
        let files = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        Ok(self.lineage.stamp(SeqNo(number), file, files, 0)?)
    }

    fn balance(&self) -> Balance {
        let mut sum = Balance::default();
        for ledger in &self.ledgers {
            sum.add(&ledger.balance());
        }
        sum
    }

    fn positions(&self) -> Vec<SeqNo> {
        self.ledgers.iter().map(Ledger::position).collect()
    }

    /// Whether every file is still what it was.
    fn check_files(&self) -> Result<(), Error> {
        self.files.iter().try_for_each(|file| {
            file.check().map_err(|what| Error::SourceChanged { part: self.part.clone(), what })
        })
    }

    /// Reads every file to its end, from where it is.
    async fn load(self: &Arc<Self>) -> Result<Passed, Error> {
        self.check_files()?;
        let lanes = usize::try_from(self.session.limits().lanes.max(1)).unwrap_or(1);
        let (sender, receiver) = mpsc::channel(lanes);
        let receiver = Arc::new(Mutex::new(receiver));
        let mut working = JoinSet::new();
        for _ in 0..lanes {
            working.spawn(lane::work(Arc::clone(self), Arc::clone(&receiver)));
        }
        // Once the last lane has gone, readers find nobody to read for.
        drop(receiver);
        let reading = tokio::spawn(read::read_all(Arc::clone(self), sender, lanes));
        let (mut passed, mut first_error) = (Passed::default(), None);
        while let Some(ended) = working.join_next().await {
            match ended {
                Ok(Ok(lane)) => passed.add(&lane),
                // Who is to stop ends its chunk first: what is finished need not be repeated.
                Ok(Err(error @ Error::Stopped(Stop::Batches | Stop::Time))) => {
                    first_error.get_or_insert(error);
                }
                Ok(Err(error)) => {
                    working.abort_all();
                    first_error.get_or_insert(error);
                }
                Err(join) if join.is_cancelled() => {}
                Err(join) => {
                    working.abort_all();
                    first_error.get_or_insert(Error::Task(join.to_string()));
                }
            }
        }
        let read = reading.await.map_err(|join| Error::Task(join.to_string()))?;
        for ledger in &self.ledgers {
            let saved = ledger.save().await;
            // What went wrong first is what matters.
            if first_error.is_none() {
                saved?;
            }
        }
        if let Some(error) = first_error {
            return Err(error);
        }
        read?;
        self.check_files()?;
        let part = Some(self.part.clone());
        self.session.listener().tell(Progress::Step {
            part,
            step: "load",
            took: Default::default(),
        });
        Ok(passed)
    }
}

/// Finds out how a swap, or the way back of one, ended that the journal has no end of.
pub(crate) async fn diagnose(run: &mut PartRun) -> Result<(), Error> {
    match run.state.phase {
        Phase::RollingBack => back::diagnose(run).await,
        _ => swap::diagnose(run).await,
    }
}
