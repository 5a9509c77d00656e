//! Looking at letters beside source and target.

use segue_cluster::Document;
use segue_model::audit::Now;
use segue_model::conflict::Conflict;
use segue_model::id::{IndexName, SeqNo, Shard};
use segue_model::letter::{Facts, Projection, Standing, standing};
use segue_model::part::PartState;
use segue_model::phase::Phase;
use segue_model::version::Version;

use crate::checkpoint_store::CheckpointStore;
use crate::error::{Doing, Error};
use crate::part_run::PartRun;
use crate::pass::{DeadLetter, Lineage};
use crate::session::Session;
use crate::sources::{Key, Sources};

/// Where the documents of a part's letters are looked for.
#[derive(Debug)]
pub struct Sides {
    session: Session,
    /// What holds the source's documents: after the switch the kept copy. None where it is
    /// gone, and where the source is files.
    pub(super) source: Option<Sources>,
    /// Where documents are read from files: they do not change.
    files: bool,
    target: Option<IndexName>,
    /// Whether the application may have written to the target.
    switched: bool,
    lineage: Lineage,
    shards: u32,
    positions: Vec<SeqNo>,
}

/// A letter's document.
#[derive(Debug)]
pub(super) struct Looked {
    /// What the letter is by now.
    pub standing: Standing,
    /// The document in the source.
    pub source: Option<Document>,
    /// The document in the target.
    pub target: Option<Document>,
}

impl Sides {
    /// Where the letters of `part` are looked at; `None` where none of them speaks of anything any more,
    /// because the part was taken back or given up.
    pub async fn of(
        session: &Session,
        part: &IndexName,
        state: &PartState,
    ) -> Result<Option<Sides>, Error> {
        let over = matches!(state.phase, Phase::RolledBack | Phase::Abandoning | Phase::Abandoned);
        let Some(identity) = state.source.as_ref().filter(|_| !over) else { return Ok(None) };
        let files = session.recipe().source.files().is_some();
        let shards = u32::try_from(identity.histories.len()).unwrap_or(u32::MAX);
        let lineage = Lineage {
            epoch: state.epoch.unwrap_or(segue_model::id::Epoch(0)),
            incarnation: state.incarnation,
            rewrite: state.rewrite,
            versioning: state.versioning,
        };
        let store = CheckpointStore::new(
            session.cluster().clone(),
            session.migration().clone(),
            part.clone(),
        );
        let written = (state.incarnation, state.rewrite);
        let kept = store.load(shards).await?.into_iter().map(|kept| {
            let same = kept.checkpoint.filter(|c| (c.incarnation, c.rewrite) == written);
            same.map_or(SeqNo::NONE, |checkpoint| checkpoint.position)
        });
        let sides = Sides {
            session: session.clone(),
            source: None,
            files,
            target: state.target.clone(),
            switched: state.phase.is_switched(),
            lineage,
            shards,
            positions: kept.collect(),
        };
        let uuid = identity.uuid.as_str();
        let source = if files { None } else { sides.holder(part, uuid, state).await? };
        Ok(Some(Sides { source, ..sides }))
    }

    /// The index that holds the source's documents.
    async fn holder(
        &self,
        part: &IndexName,
        uuid: &str,
        state: &PartState,
    ) -> Result<Option<Sources>, Error> {
        let looking = || format!("looking for {part}");
        let cluster = self.session.cluster();
        let run = PartRun::known(&self.session, part, state.clone());
        let (mut uuids, mut kept) = (Vec::new(), Vec::new());
        for index in run.indices() {
            let there = cluster.index(index.as_str()).await.doing(looking)?;
            uuids.extend(there.map(|there| there.uuid));
        }
        if uuids.join(",") == uuid {
            return self.sources(run.all_sources()).await.map(Some);
        }
        if state.cutover.is_none() {
            return Ok(None);
        }
        for keep in run.keeps() {
            if cluster.index(keep.as_str()).await.doing(looking)?.is_none() {
                return Ok(None);
            }
            kept.push(keep.to_string());
        }
        self.sources(IndexName::new(kept.join(","))).await.map(Some)
    }

    async fn sources(&self, all: IndexName) -> Result<Sources, Error> {
        let looking = || format!("looking at the shards of {all}");
        let shards = self.session.cluster().shard_stats(all.as_str()).await.doing(looking)?;
        Ok(Sources::of(all, &shards))
    }

    fn projection(&self) -> Projection {
        Projection { incarnation: self.lineage.incarnation, rewrite: self.lineage.rewrite }
    }

    pub(super) fn position(&self, shard: Shard) -> SeqNo {
        let at = usize::try_from(shard.0).unwrap_or(usize::MAX);
        self.positions.get(at).copied().unwrap_or(SeqNo::NONE)
    }

    /// What each of `letters` is by now.
    pub(super) async fn look(&self, letters: &[DeadLetter]) -> Result<Vec<Looked>, Error> {
        self.look_for(letters, false).await
    }

    /// As [`Sides::look`], with the documents themselves.
    pub(super) async fn look_in_full(&self, letters: &[DeadLetter]) -> Result<Vec<Looked>, Error> {
        self.look_for(letters, true).await
    }

    async fn look_for<'a>(
        &self,
        letters: &'a [DeadLetter],
        full: bool,
    ) -> Result<Vec<Looked>, Error> {
        let key = |letter: &'a DeadLetter| {
            (letter.shard, letter.document.as_str(), letter.routing.as_deref())
        };
        let keys: Vec<_> = letters.iter().map(key).collect();
        let sources = self.fetch(self.source.clone(), &keys, full).await?;
        // Under its own id there is nothing of it where the pipeline makes the keys.
        let target = self.target.as_ref().filter(|_| !self.session.recipe().is_keyed());
        let targets = self.fetch(target.map(Sources::from), &keys, full).await?;
        let looked = letters.iter().zip(sources.into_iter().zip(targets));
        looked
            .map(|(letter, (source, target))| {
                let standing = self.standing(letter, source.as_ref(), target.as_ref())?;
                Ok(Looked { standing, source, target })
            })
            .collect()
    }

    async fn fetch(
        &self,
        held_by: Option<Sources>,
        keys: &[Key<'_>],
        full: bool,
    ) -> Result<Vec<Option<Document>>, Error> {
        let Some(held_by) = held_by.filter(|_| !keys.is_empty()) else {
            return Ok(vec![None; keys.len()]);
        };
        match held_by.fetch(self.session.cluster(), keys, full).await {
            Err(error) if error.is_class(segue_cluster::Class::NotFound) => {
                Ok(vec![None; keys.len()])
            }
            answer => answer,
        }
    }

    fn standing(
        &self,
        letter: &DeadLetter,
        source: Option<&Document>,
        target: Option<&Document>,
    ) -> Result<Standing, Error> {
        let (refused_at, shard) = (letter.seq_no, letter.shard);
        let now = match source {
            // Files do not change, and the kept copy is as it was for as long as it was kept.
            None if self.source.is_none() => Now::At(refused_at),
            None => Now::Absent,
            Some(d) if d.routing == letter.routing => Now::At(SeqNo(d.seq_no)),
            Some(d) => Now::OtherRouting(SeqNo(d.seq_no)),
        };
        let in_target = match target {
            None => false,
            // From the switch on whatever stands there is the application's, or ours as it has left it.
            Some(_) if self.switched => true,
            // Where files hold an id twice, another record may stand there.
            Some(_) if self.files && letter.sent.is_none() && letter.sent_bytes.is_none() => false,
            Some(there) => {
                let version = source.map_or(0, |source| source.version);
                let stamp = self.lineage.stamp(refused_at, shard, self.shards.max(1), version)?;
                let judged = stamp.judge(Some(Version(there.version)), self.lineage.incarnation);
                judged == Conflict::AlreadyThere
            }
        };
        let position = if self.switched || self.files {
            // Everything was carried; what changes in the kept copy came from the target.
            SeqNo(i64::MAX)
        } else {
            self.position(shard)
        };
        Ok(standing(&Facts {
            refused_at,
            refused_in: letter.projection(),
            current: self.projection(),
            position,
            source: now,
            in_target,
        }))
    }
}
