//! Deleting what is no longer needed once a part is done: after the switch the kept copy, after the way
//! back the target.
//!
//! Everything is looked at twice: for the list that is shown, and again just before each deletion. The
//! journal takes *retired* before the index goes, so that nobody who wants to go back finds it gone
//! without knowing why; of a clean-up and a way back exactly one gets the next record.

mod look;

use std::collections::BTreeMap;
use std::time::Duration;

use segue_cluster::AliasAction;
use segue_model::cleanup::{Doubt, Found, Remains, doubts};
use segue_model::id::{IndexName, IndexUuid};
use segue_model::journal::Event;
use segue_model::part::PartState;
use segue_model::phase::Phase;
use serde::Serialize;

use crate::abandon::delete;
use crate::error::{Doing, Ending, Error, chain};
use crate::part_run::PartRun;
use crate::report::PartError;
use crate::session::Session;
use segue_model::cutover::Mark;

/// What a part leaves behind, and whether it may go.
#[derive(Clone, Debug)]
pub struct Item {
    /// The part.
    pub source: IndexName,
    /// Where it stands.
    pub phase: String,
    /// What it leaves; none where it is not done.
    pub remains: Option<Remains>,
    /// The index as it was found; none = it is gone, or could not be looked at.
    pub found: Option<Found>,
    /// Every reason against deleting it.
    pub doubts: Vec<Doubt>,
    /// Write aliases that are left on the target.
    pub write_aliases: Vec<String>,
}

/// What became of one part.
#[derive(Clone, Debug, Serialize)]
pub struct Cleaned {
    /// The part.
    pub source: IndexName,
    /// Where it stands.
    pub phase: String,
    /// What was deleted.
    pub deleted: Vec<Deleted>,
    /// Write aliases that were removed from the target.
    pub write_aliases: Vec<String>,
    /// What was left, and why.
    pub refused: Vec<Refused>,
    /// Why the part could not be cleaned up.
    pub error: Option<PartError>,
    /// How that ends the command.
    #[serde(skip)]
    pub ending: Option<Ending>,
}

/// An index that was deleted.
#[derive(Clone, Debug, Serialize)]
pub struct Deleted {
    /// Its name.
    pub index: IndexName,
    /// Its documents.
    pub documents: u64,
    /// Its primaries' bytes.
    pub bytes: u64,
}

/// An index that was left.
#[derive(Clone, Debug, Serialize)]
pub struct Refused {
    /// Its name.
    pub index: IndexName,
    /// A reason.
    #[serde(flatten)]
    pub doubt: Doubt,
    /// The reason in words.
    pub why: String,
}

impl Item {
    /// Whether there is anything that may be deleted or removed.
    pub fn is_due(&self) -> bool {
        self.doubts.is_empty() && self.found.is_some() || !self.write_aliases.is_empty()
    }
}

/// The journal's parts, and when the names of each last moved, in milliseconds since 1970.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Each part's state.
    pub parts: BTreeMap<IndexName, PartState>,
    moved_ms: BTreeMap<IndexName, u64>,
}

/// Reads the journal.
pub async fn known(session: &Session) -> Result<Known, Error> {
    let parts = session.journal().read().await?.parts;
    let mut moved_ms = BTreeMap::new();
    for record in session.journal().records().await? {
        if let (Some(part), Event::Switched { .. } | Event::RolledBack { .. }) =
            (record.part, &record.event)
        {
            moved_ms.insert(part, record.at_ms);
        }
    }
    Ok(Known { parts, moved_ms })
}

/// Looks at what the part `part` leaves behind, and judges it: one item for each of its sources, its own the
/// last.
pub async fn look(session: &Session, known: &Known, part: &IndexName, keep: Duration) -> Vec<Item> {
    let state = known.parts.get(part).cloned().unwrap_or_default();
    let mut items = Vec::new();
    let mut sources = state.by_source(part);
    // The target is left behind once, however many sources it has had.
    if state.phase == Phase::RolledBack {
        sources.truncate(1);
    }
    for (source, state) in sources.into_iter().rev() {
        items.push(look_at(session, known, (part, &source), state, keep).await);
    }
    items
}

async fn look_at(
    session: &Session,
    known: &Known,
    (part, source): (&IndexName, &IndexName),
    state: PartState,
    keep: Duration,
) -> Item {
    let mut item = Item {
        source: source.clone(),
        phase: state.phase.to_string(),
        remains: Remains::of(&state),
        found: None,
        doubts: Vec::new(),
        write_aliases: Vec::new(),
    };
    if let Some(remains) = &item.remains {
        let moved_ms = known.moved_ms.get(part).copied();
        let mut seen = look::at(session, source, remains, moved_ms).await;
        if let Ok(others) = &mut seen.elsewhere {
            others.extend(own_parts(session, known, part, &remains.index));
        }
        item.doubts = doubts(session.migration(), source, &state, remains, &seen, keep);
        item.found = seen.found.ok().flatten();
    }
    if state.phase == Phase::Finished && part == source {
        match look::write_aliases(session, &state).await {
            Ok(aliases) => item.write_aliases = aliases,
            Err(error) => item.doubts.push(Doubt::Unseen { what: chain(&error) }),
        }
    }
    item
}

/// Other parts of this very migration that have to do with `index`.
fn own_parts(
    session: &Session,
    known: &Known,
    source: &IndexName,
    index: &IndexName,
) -> Vec<(segue_model::id::MigrationName, IndexName)> {
    let uses = |part: &IndexName, state: &PartState| {
        let sources = state.by_source(part);
        let mut of_sources = sources.iter().map(|(source, state)| {
            let keep = state.cutover.as_ref().map(|cutover| &cutover.keep);
            source == index || keep == Some(index)
        });
        state.target.as_ref() == Some(index) || of_sources.any(|uses| uses)
    };
    let others = known.parts.iter().filter(|(part, state)| *part != source && uses(part, state));
    others.map(|(part, _)| (session.migration().clone(), part.clone())).collect()
}

/// Deletes what the part `source` leaves behind, if it may go: everything is looked at once more.
pub async fn clean(session: &Session, source: &IndexName, keep: Duration) -> Cleaned {
    let mut outcome = Cleaned {
        source: source.clone(),
        phase: String::new(),
        deleted: Vec::new(),
        write_aliases: Vec::new(),
        refused: Vec::new(),
        error: None,
        ending: None,
    };
    let ended = try_clean(session, source, keep, &mut outcome).await;
    if !outcome.refused.is_empty() {
        outcome.ending = Some(Ending::Refused);
    }
    if let Err(error) = ended {
        outcome.error = Some(PartError { code: error.code(), message: chain(&error) });
        outcome.ending = Some(error.ending());
    }
    outcome
}

async fn try_clean(
    session: &Session,
    source: &IndexName,
    keep: Duration,
    outcome: &mut Cleaned,
) -> Result<(), Error> {
    let known = known(session).await?;
    let items = look(session, &known, source, keep).await;
    let state = known.parts.get(source).cloned().unwrap_or_default();
    outcome.phase = state.phase.to_string();
    let mut run = PartRun::known(session, source, state);
    for alias in items.iter().flat_map(|item| item.write_aliases.clone()) {
        let index = run.target().to_string();
        let action = AliasAction::Remove { index, alias: alias.clone(), must_exist: true };
        let removing = || format!("removing the alias {alias}");
        session.cluster().update_aliases(&[action]).await.doing(removing)?;
        outcome.write_aliases.push(alias);
    }
    let mut gone = Vec::new();
    for item in items {
        let Some(remains) = item.remains else { continue };
        outcome.refused.extend(item.doubts.into_iter().map(|doubt| {
            let why = doubt.to_string();
            Refused { index: remains.index.clone(), doubt, why }
        }));
        gone.extend(item.found.map(|found| (item.source, remains.index, found)));
    }
    if !outcome.refused.is_empty() || gone.is_empty() {
        return Ok(());
    }
    // One word for all of them, that there is no way back any more. Of copies that are left of a clean-up which
    // was cut short it was said then.
    if let Some((_, index, found)) = gone.iter().find(|(of, _, _)| of == source)
        && run.state.retired.as_ref() != Some(index)
    {
        let (index, uuid) = (index.clone(), IndexUuid::new(found.uuid.as_str()));
        run.record(Event::Retired { index, uuid }).await?;
    }
    for (_, index, Found { documents, bytes, .. }) in gone {
        delete(session, source, index.as_str()).await?;
        outcome.deleted.push(Deleted { index, documents, bytes });
    }
    Ok(())
}

fn is_write_alias(name: &str) -> bool {
    Mark::is_one(name)
}
