//! The indices of a part's source, read as one: their shards are numbered through, in the order of the names.
//!
//! Mostly it is one index. Where a recipe merges several into one target, requests about the whole source
//! name them all, as the engines allow it, and what is asked of a shard is asked of the one index it belongs
//! to.

use std::collections::BTreeMap;
use std::sync::Arc;

use segue_cluster::{Cluster, Document, IndexShards};
use segue_model::id::{IndexName, Shard};

use crate::error::Error;
use crate::fetch::fetch;

/// A document: the shard it stood in, its id and routing.
pub(crate) type Key<'a> = (Shard, &'a str, Option<&'a str>);

/// Indices that are read as one.
#[derive(Clone, Debug)]
pub struct Sources {
    all: IndexName,
    /// Which shard of which index each shard is; empty where there is one index only.
    places: Arc<[(IndexName, Shard)]>,
}

impl Sources {
    /// The indices that `shards` are of, where `all` was asked for.
    pub fn of(all: IndexName, shards: &IndexShards) -> Sources {
        let several = all.as_str().contains(',');
        let primaries = shards.primaries.iter().filter(|_| several);
        let place = |primary: &segue_cluster::ShardStats| {
            (IndexName::new(primary.index.as_str()), Shard(primary.in_index))
        };
        Sources { all, places: primaries.map(place).collect() }
    }

    /// What requests about all of them name.
    pub fn all(&self) -> &IndexName {
        &self.all
    }

    /// The index that `shard` belongs to, and its number there.
    pub fn place(&self, shard: Shard) -> (&IndexName, Shard) {
        let at = usize::try_from(shard.0).ok().and_then(|at| self.places.get(at));
        at.map_or((&self.all, shard), |(index, in_index)| (index, *in_index))
    }

    /// The documents of `keys`, in their order, each from the index that the shard belongs to which it stood in:
    /// of that id there may be another one in another index.
    pub(crate) async fn fetch(
        &self,
        cluster: &Cluster,
        keys: &[Key<'_>],
        with_source: bool,
    ) -> Result<Vec<Option<Document>>, Error> {
        let mut by_index: BTreeMap<&IndexName, (Vec<usize>, Vec<_>)> = BTreeMap::new();
        for (at, (shard, id, routing)) in keys.iter().enumerate() {
            let (places, of_index) = by_index.entry(self.place(*shard).0).or_default();
            places.push(at);
            of_index.push((*id, *routing));
        }
        let mut found: Vec<Option<Document>> = vec![None; keys.len()];
        for (index, (places, of_index)) in by_index {
            let here = fetch(cluster, index, &of_index, with_source).await?;
            for (at, document) in places.into_iter().zip(here) {
                if let Some(found) = found.get_mut(at) {
                    *found = document;
                }
            }
        }
        Ok(found)
    }
}

impl From<&IndexName> for Sources {
    fn from(index: &IndexName) -> Sources {
        Sources { all: index.clone(), places: Arc::new([]) }
    }
}

impl From<&Sources> for Sources {
    fn from(sources: &Sources) -> Sources {
        sources.clone()
    }
}
