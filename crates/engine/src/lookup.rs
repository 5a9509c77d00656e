//! Pinning lookups: every transform of a migration, and its verification, read the same rows.
//!
//! A **view** is the rows of a lookup index as they were at one moment, kept in a local file; its hash
//! stands in the journal. A view that is gone or not the journalled one is pinned anew, and then
//! everything that was projected with the old one has to be projected again
//! (`docs/concepts/protocol.md`, "lookups").

use std::path::{Path, PathBuf};
use std::sync::Arc;

use segue_cluster::{Fetch, Hit};
use segue_model::id::{IndexName, IndexUuid, SeqNo, Shard};
use segue_model::journal::Event;
use segue_transform::{Bound, LookupSpec, Program, View, ViewBuilder};
use xxhash_rust::xxh3::xxh3_128;

use crate::error::{Doing, Error};
use crate::journal_store::Journal;
use crate::progress::Progress;
use crate::scan::{Visitor, everything, scan};
use crate::session::Session;

/// A pipeline with its pinned views, and what both together are.
#[derive(Clone, Debug)]
pub struct Pinned {
    /// The pipeline, bound to its views.
    pub program: Bound,
    /// The fingerprint of the pipeline and its views: what it is equal for gives equal documents.
    pub fingerprint: String,
}

/// Which views are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pinning {
    /// Those in the journal; it is an error if one is not on this machine, as another process works with it.
    Kept,
    /// Those in the journal; what is not there is pinned anew.
    KeptOrAnew,
    /// All pinned anew.
    Anew,
}

/// Compiles the recipe's pipeline and binds it to its views.
pub async fn pin(
    session: &Session,
    journal: &mut Journal,
    pinning: Pinning,
) -> Result<Pinned, Error> {
    let program = Program::compile(&session.recipe().pipeline)?;
    let mut views = Vec::new();
    let mut identity = session.recipe().pipeline_fingerprint();
    for spec in program.lookups().to_vec() {
        let view = view_of(session, journal, &spec, pinning).await?;
        identity.push_str(&hash_text(&view));
        views.push(Arc::new(view));
    }
    let mark = if session.recipe().is_keyed() { KEYED } else { "" };
    let fingerprint = format!("{mark}{:032x}", xxh3_128(identity.as_bytes()));
    Ok(Pinned { program: program.bind(views)?, fingerprint })
}

/// What the fingerprint of a pipeline begins with that makes keys.
const KEYED: &str = "keyed-";

/// Whether the pipeline of this fingerprint makes keys.
pub(crate) fn is_keyed(fingerprint: &str) -> bool {
    fingerprint.starts_with(KEYED)
}

fn hash_text(view: &View) -> String {
    format!("{:032x}", view.hash())
}

async fn view_of(
    session: &Session,
    journal: &mut Journal,
    spec: &LookupSpec,
    pinning: Pinning,
) -> Result<View, Error> {
    let last = journal.migration.iter().rev().find_map(|event| match event {
        Event::LookupPinned { lookup, epoch, hash, .. } if *lookup == spec.name => {
            Some((*epoch, hash.clone()))
        }
        _ => None,
    });
    if let Some((epoch, hash)) = last.as_ref().filter(|_| pinning != Pinning::Anew) {
        // A file that cannot be read is as good as none: the view is pinned anew.
        let view = View::open(&file_of(session, spec, *epoch), spec).ok();
        if let Some(view) = view.filter(|view| hash_text(view) == *hash) {
            return Ok(view);
        }
    }
    if pinning == Pinning::Kept {
        let epoch = last.as_ref().map_or(0, |(epoch, _)| *epoch);
        return Err(Error::Recipe(format!(
            "the pinned view of lookup {} is not on this machine, so that nothing can be carried from \
             here: copy {} from the machine that began the migration",
            spec.name,
            file_of(session, spec, epoch).display()
        )));
    }
    let epoch = last.as_ref().map_or(0, |(epoch, _)| epoch.saturating_add(1));
    let begun = std::time::Instant::now();
    let (view, event) = pin_anew(session, spec, epoch).await?;
    let same = last.is_some_and(|(_, hash)| hash == hash_text(&view));
    let number = journal.migration.len() as u64 + 1;
    session.journal().append(None, number, &event).await?;
    journal.migration.push(event);
    session.listener().tell(Progress::Step {
        part: None,
        step: "pin lookup",
        took: begun.elapsed(),
    });
    let rows = view.rows();
    let again = if same { ", same content as before" } else { "" };
    let text = format!("lookup {} pinned: {rows} rows{again}", spec.name);
    session.listener().tell(Progress::Note { part: None, text });
    Ok(view)
}

fn file_of(session: &Session, spec: &LookupSpec, epoch: u8) -> PathBuf {
    session.migration_dir().join("lookups").join(format!("{}-{epoch}.view", spec.name))
}

async fn pin_anew(session: &Session, spec: &LookupSpec, epoch: u8) -> Result<(View, Event), Error> {
    let fresh = fresh_view(session, spec, &file_of(session, spec, epoch)).await?;
    let index = fresh.index;
    let looking = || format!("looking at {index}");
    let uuid = session.cluster().shard_stats(index.as_str()).await.doing(looking)?.uuid;
    let event = Event::LookupPinned {
        lookup: spec.name.clone(),
        epoch,
        index,
        uuid: IndexUuid::new(uuid),
        checkpoints: fresh.checkpoints,
        rows: fresh.view.rows(),
        hash: hash_text(&fresh.view),
    };
    Ok((fresh.view, event))
}

/// The rows of a lookup as they are now.
pub(crate) struct FreshView {
    pub view: View,
    pub index: IndexName,
    /// Up to where each shard was read.
    pub checkpoints: Vec<SeqNo>,
}

/// Reads the rows of a lookup into `file`.
pub(crate) async fn fresh_view(
    session: &Session,
    spec: &LookupSpec,
    file: &Path,
) -> Result<FreshView, Error> {
    let name = spec.index.literal().ok_or_else(|| {
        Error::Recipe(format!("the index of lookup {} may not differ from part to part", spec.name))
    })?;
    let index = concrete(session, name).await?;
    make_folder(file)?;
    let stretches = everything(session, &index).await?;
    let checkpoints = stretches.iter().map(|stretch| stretch.to).collect();
    let fetch = match spec.includes() {
        [] => Fetch::Source,
        fields => Fetch::SourceIncludes(fields.to_vec()),
    };
    let rows = Rows { builder: ViewBuilder::new(spec, file)? };
    let mut readers = scan(session, &index, &stretches, &fetch, vec![rows]).await?;
    let Some(rows) = readers.pop() else {
        return Err(Error::Task("the reader of a lookup was lost".to_owned()));
    };
    Ok(FreshView { view: rows.builder.finish()?, index, checkpoints })
}

struct Rows {
    builder: ViewBuilder,
}

impl Visitor for Rows {
    fn visit(&mut self, _: Shard, hit: &Hit<'_>) -> Result<(), Error> {
        debug_assert!(hit.seq_no > SeqNo::NONE.0);
        Ok(self.builder.add(hit.source)?)
    }
}

/// The one index that `name` stands for.
async fn concrete(session: &Session, name: &str) -> Result<IndexName, Error> {
    let looking = || format!("looking for the lookup index {name}");
    if session.cluster().index(name).await.doing(looking)?.is_some() {
        return Ok(IndexName::new(name));
    }
    let behind = session.cluster().alias(name).await.doing(looking)?;
    let mut behind = behind.into_iter();
    match (behind.next(), behind.next()) {
        (Some((index, props)), None) if props.filter.is_none() => Ok(IndexName::new(index)),
        (Some((index, _)), None) => Err(Error::Recipe(format!(
            "the lookup {name} is a filtered alias of {index}: name the index"
        ))),
        (Some(_), Some(_)) => {
            Err(Error::Recipe(format!("the lookup {name} stands for several indices: name one")))
        }
        (None, _) => Err(Error::Recipe(format!("the lookup index {name} does not exist"))),
    }
}

fn make_folder(file: &Path) -> Result<(), Error> {
    let folder = file.parent().unwrap_or(file);
    std::fs::create_dir_all(folder).map_err(|source| Error::Io {
        doing: "creating",
        path: folder.to_owned(),
        source,
    })
}
