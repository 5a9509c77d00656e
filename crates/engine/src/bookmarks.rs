//! The bookmarks that a roll-up keeps for another application: shown and deleted.

use segue_cluster::{BulkAnswer, BulkBody, Cluster, DocVersion, ItemOutcome};
use segue_model::recipe::RollupRecipe;
use serde::Serialize;
use serde_json::{Value, json};

use crate::error::{Doing, Error};

/// Bookmarks of one request.
const PAGE: usize = 1000;

/// A bookmark as another application reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bookmark {
    /// Its index.
    pub index: String,
    /// Its id there.
    pub id: String,
    /// The kind of aggregation.
    pub name: String,
    /// What it is of, such as a community.
    pub key: Option<String>,
    /// Up to where everything is complete.
    pub date: Option<String>,
    #[serde(skip)]
    version: DocVersion,
}

/// The bookmarks of a roll-up's outputs, by name and key. None where it keeps none, or has not run yet.
///
/// # Errors
/// What keeps them from being read.
pub async fn of_rollup(cluster: &Cluster, recipe: &RollupRecipe) -> Result<Vec<Bookmark>, Error> {
    let spec = &recipe.rollup;
    let outputs = [Some(&spec.delta), spec.snapshot.as_ref()];
    let mut found: Vec<Bookmark> = Vec::new();
    for wanted in outputs.into_iter().flatten().filter_map(|output| output.bookmark.as_ref()) {
        let index = &wanted.index;
        let reading = || format!("reading the bookmarks in {index}");
        let Some(state) = cluster.index(index).await.doing(reading)? else { continue };
        cluster.refresh(index).await.doing(reading)?;
        for shard in 0..state.shards {
            let mut body = json!({
                "size": PAGE, "track_total_hits": false, "seq_no_primary_term": true,
                "sort": [{ "_seq_no": "asc" }]
            });
            loop {
                let page = cluster.search_shard(index, shard, &body).await.doing(reading)?;
                for hit in &page.hits {
                    let text = hit.source.as_ref().map_or("null", |source| source.get());
                    let document: Value = serde_json::from_str(text).map_err(|source| {
                        Error::Stored { what: format!("bookmark {}", hit.id), source }
                    })?;
                    let (Some(seq_no), Some(primary_term)) = (hit.seq_no, hit.primary_term) else {
                        return Err(Error::Task(format!("{} came without its number", hit.id)));
                    };
                    let text = |field: &str| document[field].as_str().map(str::to_owned);
                    // Whatever the index maps names to: what is meant is told apart here.
                    if document["aggregation_type"] == wanted.name.as_str() {
                        found.push(Bookmark {
                            index: index.clone(),
                            id: hit.id.clone(),
                            name: wanted.name.clone(),
                            key: text(&spec.key.name),
                            date: text("date"),
                            version: DocVersion { seq_no, primary_term },
                        });
                    }
                }
                match page.hits.last() {
                    Some(last) if page.hits.len() == PAGE => {
                        body["search_after"] = last.sort.clone().into();
                    }
                    _ => break,
                }
            }
        }
    }
    found.sort_by(|one, other| {
        (&one.name, &one.key, &one.id).cmp(&(&other.name, &other.key, &other.id))
    });
    found.dedup_by(|one, other| (&one.index, &one.id) == (&other.index, &other.id));
    Ok(found)
}

/// Deletes bookmarks as they were read; those that were not, because they have moved since, with the reason.
///
/// # Errors
/// What keeps them from being deleted.
pub async fn clear(
    cluster: &Cluster,
    bookmarks: &[Bookmark],
) -> Result<Vec<(Bookmark, String)>, Error> {
    let mut left = Vec::new();
    for some in
        bookmarks.chunk_by(|one, next| one.index == next.index).flat_map(|of| of.chunks(PAGE))
    {
        let Some(first) = some.first() else { continue };
        let mut body = BulkBody::default();
        some.iter().for_each(|bookmark| body.remove(&bookmark.id, None, bookmark.version));
        let (bytes, items) = body.take();
        let answer = cluster.bulk_to_index(&first.index, bytes, items).await;
        let answer = answer.doing(|| format!("deleting bookmarks in {}", first.index))?;
        let BulkAnswer::Mixed(outcomes) = answer else { continue };
        for (bookmark, outcome) in some.iter().zip(outcomes) {
            let why = match outcome {
                ItemOutcome::Applied => continue,
                ItemOutcome::Conflict { .. } => "it has just moved".to_owned(),
                ItemOutcome::Throttled { reason }
                | ItemOutcome::Unavailable { reason }
                | ItemOutcome::Blocked { reason }
                | ItemOutcome::Fenced { reason }
                | ItemOutcome::Rejected { reason, .. } => reason,
            };
            left.push((bookmark.clone(), why));
        }
    }
    Ok(left)
}
