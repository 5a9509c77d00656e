//! Where a migration stands: its parts by how far they are, their documents on both sides, what has not begun, and
//! whether health would let a run go on. Changes nothing.

use std::collections::BTreeMap;
use std::path::Path;

use segue_model::balance::Balance;
use segue_model::id::IndexName;
use segue_model::journal::CutoverWindow;
use segue_model::lease::Holder;
use segue_model::part::PartState;
use segue_model::phase::Phase;
use segue_model::plan::{Action, Plan};
use segue_model::recipe::{Captures, Source};
use serde::Serialize;

use crate::checkpoint_store::CheckpointStore;
use crate::enrich::{self, Progress};
use crate::error::{Error, chain};
use crate::observe::observe;
use crate::part_run::PartRun;
use crate::session::Session;

/// Where a migration stands.
#[derive(Debug)]
pub struct Status {
    /// Why a run would wait now; empty = it would not.
    pub waiting_on: Vec<String>,
    /// The parts that have begun, by source.
    pub parts: Vec<PartStatus>,
    /// Sources that the recipe matches and that have not begun.
    pub not_begun: Vec<NotBegun>,
    /// Sources that are as the recipe wants them without ever having begun, and why.
    pub as_wanted: Vec<(IndexName, String)>,
    /// Why nothing is known of sources that have not begun, if so.
    pub unseen: Option<String>,
}

/// Where a part stands.
#[derive(Debug)]
pub struct PartStatus {
    /// Its source.
    pub source: IndexName,
    /// What its name captured.
    pub captures: Captures,
    /// What the journal says.
    pub state: PartState,
    /// What became of the documents read so far.
    pub balance: Balance,
    /// Who works on it.
    pub holder: Option<Holder>,
    /// How far the enrichment after the switch is.
    pub enrichment: Option<Progress>,
    /// How many documents there are.
    pub documents: Documents,
}

/// Documents of a part; what is not there has no number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Documents {
    /// In the source; after the switch in its kept copy.
    pub source: Option<u64>,
    /// In the target.
    pub target: Option<u64>,
    /// Operations of the source that are not carried yet; none after the switch.
    pub remaining: Option<u64>,
}

/// A source that has not begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotBegun {
    /// Its name.
    pub source: IndexName,
    /// What the name captured.
    pub captures: Captures,
    /// Live Lucene documents.
    pub documents: u64,
}

/// How far a part is, in three words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It was begun and has not ended.
    UnderWay,
    /// It was given up or taken back.
    TakenBack,
    /// Its names have moved.
    Completed,
}

impl Stage {
    /// The stage of a phase.
    pub fn of(phase: &Phase) -> Stage {
        match phase {
            Phase::Abandoning | Phase::Abandoned | Phase::RolledBack => Stage::TakenBack,
            phase if phase.is_switched() => Stage::Completed,
            _ => Stage::UnderWay,
        }
    }
}

/// Sums of documents, over all parts and over those with one value of a capture.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sums {
    /// All parts that were not taken back.
    pub all: Sum,
    /// By capture and value.
    pub by_capture: BTreeMap<String, BTreeMap<String, Sum>>,
}

/// Documents of some parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// Parts.
    pub parts: u64,
    /// Documents of their sources.
    pub source: u64,
    /// Documents of their targets.
    pub target: u64,
    /// Operations that are not carried yet.
    pub remaining: u64,
}

impl Sum {
    fn add(&mut self, documents: Documents) {
        self.parts += 1;
        self.source += documents.source.unwrap_or(0);
        self.target += documents.target.unwrap_or(0);
        self.remaining += documents.remaining.unwrap_or(0);
    }
}

impl Status {
    /// The sums of the parts that were not taken back.
    pub fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        let counted = self.parts.iter().filter(|p| Stage::of(&p.state.phase) != Stage::TakenBack);
        for part in counted {
            sums.all.add(part.documents);
            for (capture, value) in &part.captures {
                let by_value = sums.by_capture.entry(capture.clone()).or_default();
                by_value.entry(value.clone()).or_default().add(part.documents);
            }
        }
        sums
    }
}

impl PartStatus {
    /// The length of the cutover's window, once done.
    pub fn window(&self) -> Option<CutoverWindow> {
        self.state.cutover.as_ref().and_then(|cutover| cutover.window)
    }
}

/// Looks where the migration stands. `folder` is where the recipe's files are.
///
/// # Errors
/// A journal that cannot be read; failures of requests about parts that have begun.
pub async fn look(session: &Session, folder: &Path) -> Result<Status, Error> {
    let journal = session.journal().read().await?;
    let mut parts = Vec::new();
    for (source, state) in &journal.parts {
        parts.push(part(session, source, state).await?);
    }
    let mut status = Status {
        waiting_on: session.waiting_on().await,
        parts,
        not_begun: Vec::new(),
        as_wanted: Vec::new(),
        unseen: None,
    };
    if matches!(session.recipe().source, Source::Indices(_)) {
        match observe(session.cluster(), session.recipe(), folder, journal.parts.clone()).await {
            Ok(seen) => not_begun(&mut status, &Plan::make(session.recipe(), &seen)),
            Err(error) => status.unseen = Some(chain(&error)),
        }
    }
    Ok(status)
}

fn not_begun(status: &mut Status, plan: &Plan) {
    let begun = |name: &IndexName| status.parts.iter().any(|part| part.source == *name);
    let (mut left, mut done) = (Vec::new(), Vec::new());
    for part in plan.parts.iter().filter(|part| !begun(&part.source)) {
        match &part.action {
            Action::Skip { reason } => done.push((part.source.clone(), reason.clone())),
            _ => left.push(NotBegun {
                source: part.source.clone(),
                captures: part.captures.clone(),
                documents: part.docs,
            }),
        }
    }
    (status.not_begun, status.as_wanted) = (left, done);
}

async fn part(
    session: &Session,
    source: &IndexName,
    state: &PartState,
) -> Result<PartStatus, Error> {
    let (cluster, migration) = (session.cluster().clone(), session.migration().clone());
    let store = CheckpointStore::new(cluster, migration, source.clone());
    let shards = state.source.as_ref().map_or(0, |source| source.histories.len());
    let (mut balance, mut positions) = (Balance::default(), Vec::new());
    for kept in store.load(u32::try_from(shards).unwrap_or(0)).await? {
        let checkpoint = kept.checkpoint;
        positions.push(checkpoint.as_ref().map_or(-1, |checkpoint| checkpoint.position.0));
        if let Some(checkpoint) = checkpoint {
            balance.add(&checkpoint.balance);
        }
    }
    let holder = session.leases().holder(source).await?;
    let enrichment = enrich::progress(session, state).await?;
    let documents = documents(session, source, state, &positions).await;
    let captures = session.recipe().source.matches(source.as_str()).unwrap_or_default();
    let (source, state) = (source.clone(), state.clone());
    Ok(PartStatus { source, captures, state, balance, holder, enrichment, documents })
}

/// Counts both sides, as far as they are there.
async fn documents(
    session: &Session,
    source: &IndexName,
    state: &PartState,
    positions: &[i64],
) -> Documents {
    let run = PartRun::known(session, source, state.clone());
    let files = session.recipe().source.files().is_some();
    let switched = state.phase.is_switched();
    let held_by: Vec<_> = if switched { run.keeps() } else { run.indices() };
    let names: Vec<_> = held_by.iter().map(ToString::to_string).collect();
    let held_by = names.join(",");
    let mut documents = Documents::default();
    if !files {
        documents.source = session.cluster().count(&held_by, None).await.ok();
    }
    if let (Some(target), Some(_)) = (&state.target, &state.target_uuid) {
        documents.target = session.cluster().count(target.as_str(), None).await.ok();
    }
    if Stage::of(&state.phase) == Stage::UnderWay && !files {
        let stats = session.cluster().shard_stats(&held_by).await.ok();
        documents.remaining = stats.map(|stats| {
            let at = |shard: usize| positions.get(shard).copied().unwrap_or(-1);
            let behind =
                stats.primaries.iter().enumerate().map(|(shard, primary)| {
                    u64::try_from(primary.max_seq_no - at(shard)).unwrap_or(0)
                });
            behind.sum()
        });
    }
    documents
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stage_follows_from_the_phase() {
        for (phase, expected) in [
            (Phase::Ready, Stage::UnderWay),
            (Phase::RollingBack, Stage::UnderWay),
            (Phase::Watching, Stage::Completed),
            (Phase::Finished, Stage::Completed),
            (Phase::Abandoned, Stage::TakenBack),
            (Phase::RolledBack, Stage::TakenBack),
        ] {
            assert_eq!(Stage::of(&phase), expected, "{phase}");
        }
    }

    #[test]
    fn what_was_taken_back_is_not_counted() {
        let part = |event: &str, month: &str, phase: Phase, target: u64| PartStatus {
            source: IndexName::new(format!("{event}-{month}")),
            captures: [("event", event), ("month", month)]
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            state: PartState { phase, ..PartState::default() },
            balance: Balance::default(),
            holder: None,
            enrichment: None,
            documents: Documents { source: Some(10), target: Some(target), remaining: Some(1) },
        };
        let status = Status {
            waiting_on: Vec::new(),
            parts: vec![
                part("view", "01", Phase::Finished, 10),
                part("view", "02", Phase::Ready, 8),
                part("download", "01", Phase::Abandoned, 7),
            ],
            not_begun: Vec::new(),
            as_wanted: Vec::new(),
            unseen: None,
        };
        let sums = status.sums();
        assert_eq!(sums.all, Sum { parts: 2, source: 20, target: 18, remaining: 2 });
        let view = sums.by_capture["event"]["view"];
        assert_eq!((view.parts, view.target), (2, 18));
        assert!(!sums.by_capture["event"].contains_key("download"));
    }
}
