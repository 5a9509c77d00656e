//! Documents of a target with preserved versions that the source does not hold so: is their source
//! ahead, where the next pass or audit will look, or do they differ for good?
//!
//! The version does not say which number a document came from. So the source is asked whether it has
//! written the document since its positions, and the inventory whether the next audit finds it gone.

use std::collections::HashSet;

use segue_cluster::Document;
use segue_model::id::Shard;
use serde_json::json;

use super::DivergenceClass;
use super::classify::{Found, LOOK_UP, Look};
use super::compare::Suspect;
use crate::audit::pending;
use crate::error::{Doing, Error};

type Key = (String, Option<String>);

impl Look<'_> {
    /// Classes documents of the target whose id the source does not hold up to the positions.
    pub(super) async fn unmatched(
        &self,
        extra: &[Suspect],
        found: &mut Found,
    ) -> Result<(), Error> {
        let mut absent = Vec::new();
        for some in extra.chunks(LOOK_UP) {
            let keys = keys(some);
            let before = self.look_up(self.carrier.source(), &keys, false).await?;
            // Asked for after that, so that what was seen above the positions is searchable now.
            let since = self.written_since(&before).await?;
            let after = self.look_up(self.carrier.source(), &keys, false).await?;
            for ((suspect, before), after) in some.iter().zip(before).zip(after) {
                let same = |document: &Document| document.routing == suspect.routing;
                let (before, after) = (before.filter(same), after.filter(same));
                let Some(now) = after else {
                    absent.push(suspect);
                    continue;
                };
                let moved = before.is_none_or(|before| before.seq_no != now.seq_no);
                if moved || since.contains(&(suspect.id.clone(), suspect.routing.clone())) {
                    found.lagging += 1;
                } else {
                    let (there, version) = (suspect.version.0, now.version);
                    let detail = format!("target holds version {there}, source {version}");
                    found.divergences.push(DivergenceClass::Stale, &suspect.id, detail);
                }
            }
        }
        self.gone(&absent, found).await
    }

    /// Those that the source does not hold at all.
    async fn gone(&self, absent: &[&Suspect], found: &mut Found) -> Result<(), Error> {
        if absent.is_empty() {
            return Ok(());
        }
        let pending = pending(self.carrier, self.target).await?;
        for suspect in absent {
            if pending.contains(&(suspect.id.clone(), suspect.routing.clone())) {
                found.lagging += 1;
            } else {
                let detail = "the source does not hold it any more";
                found.divergences.push(DivergenceClass::Extra, &suspect.id, detail);
            }
        }
        Ok(())
    }

    /// Which of `documents` stand above the positions of their shards.
    async fn written_since(&self, documents: &[Option<Document>]) -> Result<HashSet<Key>, Error> {
        let ids: Vec<_> = documents.iter().flatten().map(|found| found.id.as_str()).collect();
        if ids.is_empty() {
            return Ok(HashSet::new());
        }
        let (cluster, source) = (self.carrier.session().cluster(), self.carrier.source().as_str());
        cluster.refresh(source).await.doing(|| format!("refreshing {source}"))?;
        let mut since = HashSet::new();
        for (shard, position) in (0u32..).zip(self.positions) {
            let query = json!({
                "size": ids.len(),
                "track_total_hits": false,
                "query": { "bool": { "filter": [
                    { "ids": { "values": ids } },
                    { "range": { "_seq_no": { "gt": position } } },
                ] } },
                "_source": false,
            });
            let looking = || format!("looking for documents of {source} shard {}", Shard(shard));
            let page = cluster.search_shard(source, shard, &query).await.doing(looking)?;
            since.extend(page.hits.into_iter().map(|hit| (hit.id, hit.routing)));
        }
        Ok(since)
    }
}

fn keys(some: &[Suspect]) -> Vec<(&str, Option<&str>)> {
    some.iter().map(|s| (s.id.as_str(), s.routing.as_deref())).collect()
}
