//! Removing what segue's own indices and this machine hold about a part. The journal stays: it says
//! what became of it.

use std::path::PathBuf;

use segue_cluster::{Class, Request, path};
use segue_model::id::IndexName;
use serde_json::{Value, json};

use crate::checkpoint_store::CHECKPOINT_INDEX;
use crate::error::{Doing, Error};
use crate::lease_store::LEASE_INDEX;
use crate::pass::DEAD_LETTER_INDEX;
use crate::session::Session;

/// How often documents that changed meanwhile are looked for again.
const ROUNDS: u32 = 5;

/// Removes checkpoints, dead letters and local state of `part`.
pub(crate) async fn everything(
    session: &Session,
    part: &IndexName,
    removed: &mut Vec<String>,
) -> Result<(), Error> {
    for (index, what) in [(CHECKPOINT_INDEX, "checkpoints"), (DEAD_LETTER_INDEX, "dead letters")] {
        let gone = documents(session, index, part).await?;
        if gone > 0 {
            removed.push(format!("{gone} {what}"));
        }
    }
    folder(session.part_dir(part), removed)
}

/// Removes the lease of `part`, whoever has it: its holder stops at its next sign of life.
pub(super) async fn lease(session: &Session, part: &IndexName) -> Result<(), Error> {
    documents(session, LEASE_INDEX, part).await.map(drop)
}

/// Removes a folder of local state, if it is there.
pub(super) fn folder(folder: PathBuf, removed: &mut Vec<String>) -> Result<(), Error> {
    match std::fs::remove_dir_all(&folder) {
        Ok(()) => removed.push(format!("folder {}", folder.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(source) => return Err(Error::Io { doing: "removing", path: folder, source }),
    }
    Ok(())
}

/// Deletes the documents of `part` in one of our own indices; returns how many, once none is left.
async fn documents(session: &Session, index: &str, part: &IndexName) -> Result<u64, Error> {
    let removing = || format!("removing what {index} holds of {part}");
    let cluster = session.cluster();
    if cluster.index(index).await.doing(removing)?.is_none() {
        return Ok(0);
    }
    let query = json!({ "bool": { "filter": [
        { "term": { "migration": session.migration() } }, { "term": { "part": part } }
    ]}});
    let mut gone = 0;
    for _ in 0..ROUNDS {
        cluster.refresh(index).await.doing(removing)?;
        if cluster.count(index, Some(&query)).await.doing(removing)? == 0 {
            return Ok(gone);
        }
        let request = Request::post(path(&[index, "_delete_by_query"]))
            .query("conflicts", "proceed")
            .query("refresh", "true")
            .json(&json!({ "query": query }))
            .idempotent(true);
        match cluster.json::<Value>(request).await {
            Ok(answer) => gone += answer["deleted"].as_u64().unwrap_or(0),
            Err(error) if error.class() == Class::MaybeApplied => {}
            Err(error) => return Err(error).doing(removing),
        }
    }
    Err(Error::TakenOver {
        part: part.clone(),
        how: format!("{index} is written for it again and again"),
    })
}
