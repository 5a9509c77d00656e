//! The note of a redirect: what undoing it needs, kept in the cluster, where the watchdog finds it as
//! well as a later run on another machine.
//!
//! It is created before anything is redirected, and forgotten when nothing of the redirect is left.
//! Beside it stand the **prints** of what segue itself writes into the target meanwhile: hashes over
//! id, routing and content, kept before the write. A document of the target above the cursor with
//! such a print is ours (or equal to ours, which comes to the same: the source holds what it was made
//! from); every other one is the application's.

use std::collections::HashSet;

use segue_cluster::{Class, Cluster, Creation, Request, path};
use segue_model::id::{Epoch, IndexName, MigrationName, SeqNo};
use segue_model::version::{Incarnation, Provenance, Rewrite};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_128;

use crate::error::{Doing, Error};
use crate::journal_store::ensure_index;
use crate::part_run::PartRun;

/// The index that holds the notes of every migration.
pub const REDIRECT_INDEX: &str = "segue-redirects";

/// Prints documents are read in groups.
const GROUP: usize = 50;

/// Which attempt a note is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteKey {
    /// The migration.
    pub migration: MigrationName,
    /// The part.
    pub part: IndexName,
    /// The epoch of the attempt.
    pub epoch: Epoch,
}

/// What undoing a redirect needs to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The pipeline that redirects.
    pub pipeline: String,
    /// The source's own default pipeline.
    pub default_pipeline: Option<String>,
    /// The source's own final pipeline.
    pub final_pipeline: Option<String>,
    /// The target's default pipeline as planned.
    #[serde(default)]
    pub target_default: Option<String>,
    /// The target's final pipeline as planned; none is in force there yet.
    #[serde(default)]
    pub target_final: Option<String>,
    /// The target's highest number on each shard before any write of an application.
    pub cursor: Vec<SeqNo>,
    /// Which meaning operation numbers have in the target's versions.
    pub incarnation: Incarnation,
    /// Which projection of them was written.
    pub rewrite: Rewrite,
}

impl Note {
    /// Whether the target is to have a final pipeline.
    pub(super) fn has_final(&self) -> bool {
        self.target_final.as_ref().is_some_and(|name| name != "_none")
    }

    /// Whether a version is exactly one that the part wrote before the redirect.
    pub(super) fn wrote(&self, was: Provenance) -> bool {
        was.incarnation == self.incarnation && was.rewrite == self.rewrite && !was.delete
    }
}

/// The note of one attempt, in the cluster.
#[derive(Clone, Debug)]
pub(super) struct Notes {
    cluster: Cluster,
    key: NoteKey,
}

#[derive(Serialize, Deserialize)]
struct Ends {
    ends: Vec<SeqNo>,
}

#[derive(Serialize, Deserialize)]
struct Prints {
    prints: Vec<String>,
}

impl NoteKey {
    /// The key of the attempt that `run` is in.
    pub(crate) fn of(run: &PartRun) -> NoteKey {
        NoteKey {
            migration: run.session.migration().clone(),
            part: run.source().clone(),
            epoch: run.state.epoch.unwrap_or(Epoch(0)),
        }
    }
}

impl Notes {
    pub(super) fn new(cluster: &Cluster, key: &NoteKey) -> Notes {
        Notes { cluster: cluster.clone(), key: key.clone() }
    }

    /// Makes the index unless it is there.
    pub(super) async fn ensure(&self) -> Result<(), Error> {
        let body = json!({
            "settings": { "index": {
                "number_of_shards": 1, "auto_expand_replicas": "0-1", "hidden": true
            }},
            "mappings": { "dynamic": false, "properties": {} }
        });
        ensure_index(&self.cluster, REDIRECT_INDEX, &body).await
    }

    fn id(&self, what: &str) -> String {
        let NoteKey { migration, part, epoch } = &self.key;
        let key = format!("{migration}\0{part}\0{}\0{what}", epoch.0);
        format!("{:032x}", xxh3_128(key.as_bytes()))
    }

    fn doing(&self, what: &str) -> String {
        format!("{what} the note of the redirect of {}", self.key.part)
    }

    /// Keeps the note.
    pub(super) async fn keep(&self, note: &Note) -> Result<(), Error> {
        let mut body = json!(note);
        body["attempt"] = json!(self.key);
        let id = self.id("note");
        let kept = self.cluster.create_document(REDIRECT_INDEX, &id, &body, false).await;
        kept.doing(|| self.doing("keeping")).map(drop)
    }

    /// The note; `None` if there is none, or none any more.
    pub(super) async fn load(&self) -> Result<Option<Note>, Error> {
        self.read("note").await
    }

    async fn read<T: serde::de::DeserializeOwned>(&self, what: &str) -> Result<Option<T>, Error> {
        let id = self.id(what);
        let found = match self.cluster.get_document(REDIRECT_INDEX, &id, None).await {
            Err(error) if error.class() == Class::NotFound => None,
            answer => answer.doing(|| self.doing("reading"))?,
        };
        let Some(source) = found.and_then(|found| found.source) else { return Ok(None) };
        serde_json::from_str(source.get())
            .map(Some)
            .map_err(|source| Error::Stored { what: "the note of a redirect".to_owned(), source })
    }

    /// Up to where the source's own writes go back before the redirect: `now`, unless another process
    /// has said so before.
    pub(super) async fn ends(&self, now: Vec<SeqNo>) -> Result<Vec<SeqNo>, Error> {
        self.ensure().await?;
        let id = self.id("ends");
        let body = Ends { ends: now.clone() };
        let made = self.cluster.create_document(REDIRECT_INDEX, &id, &body, false).await;
        match made.doing(|| self.doing("keeping"))? {
            Creation::Created(_) => Ok(now),
            Creation::Exists => Ok(self.read::<Ends>("ends").await?.map_or(now, |ends| ends.ends)),
        }
    }

    /// Keeps the prints of batch `number`, before it is written.
    pub(super) async fn add_prints(&self, number: u64, prints: &[u128]) -> Result<(), Error> {
        let prints = prints.iter().map(|print| format!("{print:032x}")).collect();
        let id = self.id(&format!("prints-{number}"));
        let made =
            self.cluster.create_document(REDIRECT_INDEX, &id, &Prints { prints }, false).await;
        made.doing(|| self.doing("keeping")).map(drop)
    }

    /// All prints.
    pub(super) async fn prints(&self) -> Result<HashSet<u128>, Error> {
        let mut all = HashSet::new();
        for source in self.print_documents().await? {
            let prints: Prints = serde_json::from_str(source.get()).map_err(|source| {
                Error::Stored { what: "the prints of a redirect".to_owned(), source }
            })?;
            all.extend(prints.prints.iter().filter_map(|p| u128::from_str_radix(p, 16).ok()));
        }
        Ok(all)
    }

    async fn print_documents(&self) -> Result<Vec<Box<serde_json::value::RawValue>>, Error> {
        let mut documents = Vec::new();
        loop {
            let from = documents.len();
            let ids: Vec<_> =
                (from..from + GROUP).map(|n| self.id(&format!("prints-{n}"))).collect();
            let ids: Vec<_> = ids.iter().map(|id| (id.as_str(), None)).collect();
            let found = match self.cluster.get_many(REDIRECT_INDEX, &ids, true).await {
                Err(error) if error.class() == Class::NotFound => return Ok(documents),
                answer => answer.doing(|| self.doing("reading"))?,
            };
            documents.extend(found.into_iter().map_while(|found| found?.source));
            if documents.len() < from + GROUP {
                return Ok(documents);
            }
        }
    }

    /// Forgets everything, the note itself last. May be repeated.
    pub(super) async fn forget(&self) -> Result<(), Error> {
        let prints = self.print_documents().await?.len();
        // The last one first: what is left after a crash is found again.
        let names = (0..prints).rev().map(|n| format!("prints-{n}"));
        for name in names.chain(["ends".to_owned(), "note".to_owned()]) {
            let request = Request::delete(path(&[REDIRECT_INDEX, "_doc", &self.id(&name)]));
            let request = request.allow(404).idempotent(true);
            self.cluster.call(request).await.doing(|| self.doing("forgetting"))?;
        }
        Ok(())
    }
}

/// The note as the journal has it, less the target's pipelines: for who finds the pipeline in force, but
/// no note any more.
pub(crate) fn journalled(run: &PartRun) -> Option<Note> {
    let redirect = run.state.cutover.as_ref()?.redirect.as_ref()?;
    Some(Note {
        pipeline: redirect.pipeline.clone(),
        default_pipeline: redirect.default_pipeline.clone(),
        final_pipeline: redirect.final_pipeline.clone(),
        target_default: None,
        target_final: None,
        cursor: redirect.cursor.clone(),
        incarnation: run.state.incarnation,
        rewrite: run.state.rewrite,
    })
}

/// A setting for the engine: null takes it away.
pub(super) fn setting(value: Option<&String>) -> Value {
    value.map_or(Value::Null, |value| json!(value))
}
