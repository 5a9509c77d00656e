//! Checkpoints as they are kept in the cluster: the index `segue-checkpoints`, one document for
//! each shard of a part, moved by compare-and-set.

use segue_cluster::{Class, Cluster, DocVersion};
use segue_model::checkpoint::Checkpoint;
use segue_model::id::{IndexName, MigrationName};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::error::{Doing, Error};
use crate::journal_store::ensure_index;

/// The index that holds the checkpoints of every migration.
pub const CHECKPOINT_INDEX: &str = "segue-checkpoints";

/// The checkpoints of one part.
#[derive(Clone, Debug)]
pub struct CheckpointStore {
    cluster: Cluster,
    migration: MigrationName,
    part: IndexName,
}

/// A checkpoint and the mark by which the next one replaces it.
#[derive(Clone, Debug)]
pub struct Kept {
    /// What is stored; `None` if nothing is.
    pub checkpoint: Option<Checkpoint>,
    /// The stored document's mark.
    mark: Option<DocVersion>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    migration: MigrationName,
    part: IndexName,
    shard: u32,
    checkpoint: Checkpoint,
}

impl CheckpointStore {
    /// The checkpoints of `part`.
    pub fn new(cluster: Cluster, migration: MigrationName, part: IndexName) -> CheckpointStore {
        CheckpointStore { cluster, migration, part }
    }

    /// Makes the index unless it is there.
    pub async fn ensure(cluster: &Cluster) -> Result<(), Error> {
        let body = json!({
            "settings": { "index": {
                "number_of_shards": 1, "auto_expand_replicas": "0-1", "hidden": true
            }},
            "mappings": { "dynamic": "strict", "properties": {
                "migration": { "type": "keyword" },
                "part": { "type": "keyword" },
                "shard": { "type": "integer" },
                "checkpoint": { "type": "object", "enabled": false }
            }}
        });
        ensure_index(cluster, CHECKPOINT_INDEX, &body).await
    }

    fn id(&self, shard: u32) -> String {
        format!("{}:{}:{shard}", self.migration, self.part)
    }

    /// The stored checkpoints of shards 0 to `shards` − 1.
    pub async fn load(&self, shards: u32) -> Result<Vec<Kept>, Error> {
        let names: Vec<_> = (0..shards).map(|shard| self.id(shard)).collect();
        let ids: Vec<_> = names.iter().map(|id| (id.as_str(), None)).collect();
        let reading = || format!("reading the checkpoints of {}", self.part);
        let documents = match self.cluster.get_many(CHECKPOINT_INDEX, &ids, true).await {
            Err(error) if error.class() == Class::NotFound => vec![None; ids.len()],
            answer => answer.doing(reading)?,
        };
        documents
            .into_iter()
            .map(|document| {
                let Some(document) = document else {
                    return Ok(Kept { checkpoint: None, mark: None });
                };
                let mark =
                    DocVersion { seq_no: document.seq_no, primary_term: document.primary_term };
                let text = document.source.as_ref().map_or("null", |source| source.get());
                let stored: Stored = serde_json::from_str(text).map_err(|source| {
                    Error::Stored { what: format!("checkpoint {}", document.id), source }
                })?;
                Ok(Kept { checkpoint: Some(stored.checkpoint), mark: Some(mark) })
            })
            .collect()
    }

    /// Replaces `kept` by `checkpoint`; fails with [`Error::TakenOver`] if somebody else did.
    pub async fn save(&self, kept: &mut Kept, checkpoint: &Checkpoint) -> Result<(), Error> {
        if kept.checkpoint.as_ref() == Some(checkpoint) {
            return Ok(());
        }
        let id = self.id(checkpoint.shard.0);
        let stored = Stored {
            migration: self.migration.clone(),
            part: self.part.clone(),
            shard: checkpoint.shard.0,
            checkpoint: checkpoint.clone(),
        };
        let writing = || format!("moving the checkpoint {id}");
        let answer = self.cluster.put_document_if(CHECKPOINT_INDEX, &id, &stored, kept.mark).await;
        match answer {
            Ok(mark) => {
                *kept = Kept { checkpoint: Some(checkpoint.clone()), mark: Some(mark) };
                return Ok(());
            }
            // Perhaps our own write whose answer was lost: what stands there decides.
            Err(error) if matches!(error.class(), Class::Conflict | Class::MaybeApplied) => {}
            Err(error) => return Err(error).doing(writing),
        }
        let there = self.load(checkpoint.shard.0 + 1).await?.pop();
        match there {
            Some(there) if there.checkpoint.as_ref() == Some(checkpoint) => {
                *kept = there;
                Ok(())
            }
            _ => Err(Error::TakenOver {
                part: self.part.clone(),
                how: format!("the checkpoint of shard {} was moved", checkpoint.shard),
            }),
        }
    }
}
