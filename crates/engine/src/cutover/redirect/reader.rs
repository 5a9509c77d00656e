//! Reading stretches of an index page by page with nothing but the cluster: the watchdog has no
//! session. One reader, as the stretches are short.

use std::collections::VecDeque;

use segue_cluster::{Class, Cluster, Distribution, Fetch, IndexShards, Page, PageRequest};
use segue_model::id::{SeqNo, Shard};

use crate::error::{Doing, Error};

const DOCUMENTS: u32 = 1000;
const PAGE_BYTES: usize = 32 << 20;
const DOCUMENT_BYTES: usize = 256 << 20;

/// Reads documents of an index in ascending order of their numbers, shard by shard.
pub(super) struct Reader {
    cluster: Cluster,
    distribution: Distribution,
    index: String,
    stretches: VecDeque<(Shard, SeqNo, SeqNo)>,
    fetch: Fetch,
    size: u32,
}

/// The numbers of each shard of `index`.
pub(super) async fn numbers(cluster: &Cluster, index: &str) -> Result<IndexShards, Error> {
    cluster.shard_stats(index).await.doing(|| format!("looking at the shards of {index}"))
}

/// The highest number given out on each shard.
pub(super) fn highest(shards: &IndexShards) -> Vec<SeqNo> {
    shards.primaries.iter().map(|primary| SeqNo(primary.max_seq_no)).collect()
}

impl Reader {
    /// A reader of `(from, to]` of each shard. What is to be seen has to be searchable.
    pub(super) async fn new(
        cluster: &Cluster,
        index: &str,
        from: &[SeqNo],
        to: &[SeqNo],
        fetch: Fetch,
    ) -> Result<Reader, Error> {
        let asking = || "asking the cluster what it is".to_owned();
        let distribution = cluster.distribution().await.doing(asking)?;
        let stretches = (0u32..)
            .zip(to)
            .map(|(shard, to)| {
                let at = usize::try_from(shard).unwrap_or(usize::MAX);
                (Shard(shard), from.get(at).copied().unwrap_or(SeqNo::NONE), *to)
            })
            .filter(|(_, from, to)| from < to)
            .collect();
        let (cluster, index) = (cluster.clone(), index.to_owned());
        Ok(Reader { cluster, distribution, index, stretches, fetch, size: DOCUMENTS })
    }

    /// The next page with its shard; `None` after the last one.
    pub(super) async fn next(&mut self) -> Result<Option<(Shard, Page)>, Error> {
        while let Some((shard, from, to)) = self.stretches.front().copied() {
            let request = PageRequest {
                index: &self.index,
                shard: shard.0,
                after: from.0,
                to: to.0,
                size: self.size,
                fetch: self.fetch.clone(),
                max_bytes: if self.size == 1 { DOCUMENT_BYTES } else { PAGE_BYTES },
            };
            let page = match self.cluster.read_page(&request, self.distribution).await {
                Err(error) if error.class() == Class::TooLarge && self.size > 1 => {
                    self.size = (self.size / 4).max(1);
                    continue;
                }
                answer => answer.doing(|| format!("reading {} shard {shard}", self.index))?,
            };
            // A complete answer with fewer documents than asked for is the end of the stretch.
            match page.last_seq_no().filter(|_| page.len() >= self.size as usize) {
                Some(last) => self.stretches[0].1 = SeqNo(last),
                None => drop(self.stretches.pop_front()),
            }
            if !page.is_empty() {
                return Ok(Some((shard, page)));
            }
        }
        Ok(None)
    }
}
