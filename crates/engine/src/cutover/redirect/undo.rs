//! Taking a redirect back: the source gets its writes again, and those that went to the target
//! meanwhile are fed back.
//!
//! In this order (why, stands in `docs/concepts/protocol.md`, "taking a redirect back"): while writes
//! are still redirected the source's numbers are recorded; the pipeline lets writes through; a drain;
//! what the application wrote into the target is written back where the source has nothing newer;
//! only then it is removed from the target; the source's own pipelines come back; a drain; the pipeline
//! goes. Every step may be repeated, by another process too.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use segue_cluster::{Cluster, DocVersion, Fetch, Hit};
use segue_model::cutover::Mark;
use segue_model::id::{SeqNo, Shard};
use segue_model::version::{Origin, Version};
use serde_json::json;

use super::note::{Note, Notes};
use super::pipeline::{Redirection, in_force};
use super::reader::{Reader, highest, numbers};
use super::writer::{Fate, How, Place, Write, write};
use crate::cutover::back_out::Fence;
use crate::error::{Doing, Error};
use crate::verify::fingerprint;

/// How long one try may take; a back-out tries again.
const PATIENCE: Duration = Duration::from_secs(60);
const BATCH: usize = 500;
const PASSES: u32 = 20;

/// Takes the redirect of `fence` back, if there is one. The write alias must be gone already, and the
/// source must take writes.
pub(crate) async fn undo(cluster: &Cluster, fence: &Fence) -> Result<(), Error> {
    let Some(key) = &fence.attempt else { return Ok(()) };
    let notes = Notes::new(cluster, key);
    let note = match (notes.load().await?, &fence.redirect) {
        (Some(note), _) => note,
        (None, known) if in_force(cluster, &fence.source).await? => match known {
            Some(note) => note.clone(),
            None => {
                return Err(Error::Contradiction(vec![format!(
                    "the writes of {} are redirected, but nothing is known of it",
                    fence.source
                )]));
            }
        },
        (None, _) => return Ok(()),
    };
    let undoing = Undoing { cluster, fence, note: &note, notes: &notes };
    undoing.undo().await
}

struct Undoing<'a> {
    cluster: &'a Cluster,
    fence: &'a Fence,
    note: &'a Note,
    notes: &'a Notes,
}

/// A document of the target that is not as we wrote it with a version.
struct Above {
    id: String,
    routing: Option<String>,
    state: DocVersion,
    source: Vec<u8>,
    print: u128,
}

impl Undoing<'_> {
    async fn undo(&self) -> Result<(), Error> {
        let until = Instant::now() + PATIENCE;
        let key = &self.fence.attempt;
        let migration = key.as_ref().map(|key| key.migration.clone());
        let Some(migration) = migration else { return Ok(()) };
        let redirection = Redirection {
            cluster: self.cluster,
            migration: &migration,
            source: &self.fence.source,
            note: self.note,
        };
        // Writes that began before the redirect was in force everywhere end here.
        super::drain::drain(self.cluster, until).await?;
        let now = highest(&numbers(self.cluster, self.fence.source.as_str()).await?);
        let ends = self.notes.ends(now).await?;
        let drill = &self.fence.drill;
        drill.at("ends_known")?;
        self.still_ours().await?;
        redirection.let_through().await?;
        drill.at("let_through")?;
        super::drain::drain(self.cluster, until).await?;
        self.feed_back(&ends, until).await?;
        drill.at("fed_back")?;
        self.still_ours().await?;
        redirection.set_back().await?;
        drill.at("set_back")?;
        super::drain::drain(self.cluster, until).await?;
        redirection.remove().await?;
        redirection.release_target(&self.fence.target).await?;
        redirection.remove_after().await?;
        drill.at("released")?;
        self.notes.forget().await
    }

    /// A later epoch means that somebody else has finished this and gone on.
    async fn still_ours(&self) -> Result<(), Error> {
        let looking = || format!("looking at {}", self.fence.target);
        let there = self.cluster.index(self.fence.target.as_str()).await.doing(looking)?;
        let aliases = there.map(|index| index.aliases).unwrap_or_default();
        let own = self.fence.attempt.as_ref().map(|key| key.epoch);
        let is_later = |mark: Mark| {
            matches!(mark, Mark::Write(_)) || own.is_some_and(|own| mark.epoch() > own)
        };
        if aliases.keys().filter_map(|a| Mark::of(a, &self.fence.target)).any(is_later) {
            let how = "a later epoch is in force".to_owned();
            return Err(Error::TakenOver { part: self.fence.source.clone(), how });
        }
        Ok(())
    }

    /// Feeds back until nothing of the application is left in the target.
    async fn feed_back(&self, ends: &[SeqNo], until: Instant) -> Result<(), Error> {
        let prints = self.notes.prints().await?;
        for _ in 0..PASSES {
            self.still_ours().await?;
            if self.feed_once(ends, &prints, until).await? == 0 {
                return Ok(());
            }
        }
        let reason = format!("{} is still being written to", self.fence.target);
        Err(Error::BackedOut { reason })
    }

    async fn feed_once(
        &self,
        ends: &[SeqNo],
        prints: &HashSet<u128>,
        until: Instant,
    ) -> Result<u64, Error> {
        let target = self.fence.target.as_str();
        let to = highest(&numbers(self.cluster, target).await?);
        self.cluster.refresh(target).await.doing(|| format!("refreshing {target}"))?;
        let from = &self.note.cursor;
        let mut reader = Reader::new(self.cluster, target, from, &to, Fetch::Source).await?;
        let mut found = 0;
        while let Some((_, page)) = reader.next().await? {
            let above: Vec<_> = page.hits().filter_map(|hit| self.above(&hit)).collect();
            found += above.len() as u64;
            for some in above.chunks(BATCH) {
                let theirs: Vec<_> =
                    some.iter().filter(|above| !prints.contains(&above.print)).collect();
                // Whoever finished this meanwhile may have gone on: what looks like theirs here could be
                // what was copied since.
                self.still_ours().await?;
                self.write_back(theirs, ends, until).await?;
                self.fence.drill.at("half_fed_back")?;
                self.remove(some, until).await?;
            }
        }
        Ok(found)
    }

    fn above(&self, hit: &Hit<'_>) -> Option<Above> {
        match Version(hit.version).origin() {
            Origin::Ours(was) if self.note.wrote(was) => return None,
            _ => {}
        }
        Some(Above {
            id: hit.id.to_string(),
            routing: hit.routing.as_ref().map(ToString::to_string),
            state: DocVersion { seq_no: hit.seq_no, primary_term: hit.primary_term },
            source: hit.source.to_vec(),
            print: fingerprint(&hit.id, hit.routing.as_deref(), hit.source),
        })
    }

    /// Writes `theirs` into the source, but nothing over what the application has written there since.
    async fn write_back(
        &self,
        mut theirs: Vec<&Above>,
        ends: &[SeqNo],
        until: Instant,
    ) -> Result<(), Error> {
        let source = self.fence.source.as_str();
        while !theirs.is_empty() {
            let there = self.locate(&theirs).await?;
            let mut writes = Vec::new();
            let mut of = Vec::new();
            for above in theirs {
                let how = match there.get(&(above.id.as_str(), above.routing.as_deref())) {
                    None => How::Create,
                    Some((shard, state)) if is_newer(*shard, state, ends) => continue,
                    Some((_, state)) => How::Replace(*state),
                };
                let (id, routing) = (above.id.clone(), above.routing.clone());
                writes.push(Write { id, routing, how, source: above.source.clone() });
                of.push(above);
            }
            let fates = write(self.cluster, Place::Index(source), &writes, until).await?;
            theirs = Vec::new();
            for (above, fate) in of.into_iter().zip(fates) {
                match fate {
                    Fate::Applied => {}
                    // Written there since: the next look says by a number that is newer.
                    Fate::Conflict => theirs.push(above),
                    Fate::Refused { kind, reason } => {
                        let reason = format!("{source} refuses {:?}: {kind}: {reason}", above.id);
                        return Err(Error::BackedOut { reason });
                    }
                }
            }
            if !theirs.is_empty() && Instant::now() >= until {
                let reason = format!("{source} changes too fast to be written back to");
                return Err(Error::BackedOut { reason });
            }
        }
        Ok(())
    }

    /// Where in the source documents stand, and in which state. A number means nothing without its
    /// shard, which only a search of the shard tells.
    async fn locate<'b>(
        &self,
        wanted: &[&'b Above],
    ) -> Result<HashMap<(&'b str, Option<&'b str>), (Shard, DocVersion)>, Error> {
        let source = self.fence.source.as_str();
        let looking = || format!("looking up documents of {source}");
        self.cluster.refresh(source).await.doing(looking)?;
        let shards = numbers(self.cluster, source).await?.primaries.len();
        let by_key: HashMap<_, _> = wanted
            .iter()
            .map(|above| ((above.id.as_str(), above.routing.as_deref()), *above))
            .collect();
        let ids: Vec<_> = wanted.iter().map(|above| above.id.as_str()).collect();
        let query = json!({
            // One id may stand under several routings.
            "size": (ids.len() * 4).min(10_000),
            "query": { "ids": { "values": ids } },
            "_source": false, "version": true, "seq_no_primary_term": true,
        });
        let mut found = HashMap::new();
        for shard in 0..u32::try_from(shards).unwrap_or(u32::MAX) {
            let page = self.cluster.search_shard(source, shard, &query).await.doing(looking)?;
            for hit in page.hits {
                let key = (hit.id.as_str(), hit.routing.as_deref());
                let (Some(above), Some(seq_no), Some(primary_term)) =
                    (by_key.get(&key), hit.seq_no, hit.primary_term)
                else {
                    continue;
                };
                let key = (above.id.as_str(), above.routing.as_deref());
                found.insert(key, (Shard(shard), DocVersion { seq_no, primary_term }));
            }
        }
        Ok(found)
    }

    /// Removes documents from the target: every one of them has its like in the source now, with a
    /// number that the next pass reads.
    async fn remove(&self, some: &[Above], until: Instant) -> Result<(), Error> {
        let removal = |above: &Above| Write {
            id: above.id.clone(),
            routing: above.routing.clone(),
            how: How::Remove(above.state),
            source: Vec::new(),
        };
        let writes: Vec<_> = some.iter().map(removal).collect();
        let place = Place::Index(self.fence.target.as_str());
        // What was written in between is found by the next pass over the target.
        write(self.cluster, place, &writes, until).await.map(drop)
    }
}

/// Whether a document of the source was written after the redirect had ended.
fn is_newer(shard: Shard, state: &DocVersion, ends: &[SeqNo]) -> bool {
    let at = usize::try_from(shard.0).unwrap_or(usize::MAX);
    ends.get(at).is_none_or(|end| state.seq_no > end.0)
}
