//! Leases as they are kept in the cluster: the index `segue-leases`, one document for each part, moved
//! by compare-and-set.

use std::time::{Duration, Instant};

use segue_cluster::{Class, Cluster, DocVersion};
use segue_model::id::{IndexName, MigrationName};
use segue_model::lease::{Claim, Holder, Known, Lease, Watched};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::error::{Doing, Error};
use crate::journal_store::ensure_index;
use crate::process::{is_dead, this_process};

/// The index that holds the leases of every migration.
pub const LEASE_INDEX: &str = "segue-leases";

/// The leases of one migration, for this process.
#[derive(Clone, Debug)]
pub struct Leases {
    cluster: Cluster,
    migration: MigrationName,
    holder: Holder,
    ttl: Duration,
    begun: Instant,
}

/// What came of a claim.
#[derive(Debug)]
pub enum Claimed {
    /// The part is this process's.
    Ours(Held),
    /// It is somebody else's.
    Theirs(Holder),
}

/// A lease that this process holds. Signs of life are given as long as it stands; dropped without
/// [`Held::give_back`], it expires.
#[derive(Debug)]
pub struct Held {
    generation: u64,
    lost: CancellationToken,
    giving_back: CancellationToken,
    heart: Option<JoinHandle<()>>,
}

impl Leases {
    /// The leases of `migration`; `process` names this one.
    pub fn new(
        cluster: Cluster,
        migration: MigrationName,
        process: String,
        ttl: Duration,
    ) -> Leases {
        Leases { cluster, migration, holder: this_process(process), ttl, begun: Instant::now() }
    }

    /// Makes the index unless it is there.
    pub async fn ensure(&self) -> Result<(), Error> {
        let body = json!({
            "settings": { "index": {
                "number_of_shards": 1, "auto_expand_replicas": "0-1", "hidden": true
            }},
            "mappings": { "dynamic": false, "properties": {
                "migration": { "type": "keyword" }, "part": { "type": "keyword" }
            }}
        });
        ensure_index(&self.cluster, LEASE_INDEX, &body).await
    }

    fn id(&self, part: &IndexName) -> String {
        format!("{}:{part}", self.migration)
    }

    async fn load(&self, part: &IndexName) -> Result<Option<(Lease, DocVersion)>, Error> {
        let reading = || format!("reading the lease of {part}");
        let id = self.id(part);
        let there = match self.cluster.get_document(LEASE_INDEX, &id, None).await {
            Err(error) if error.class() == Class::NotFound => None,
            answer => answer.doing(reading)?,
        };
        let Some(document) = there else { return Ok(None) };
        let text = document.source.as_ref().map_or("null", |source| source.get());
        let lease = serde_json::from_str(text)
            .map_err(|source| Error::Stored { what: format!("lease {id}"), source })?;
        let mark = DocVersion { seq_no: document.seq_no, primary_term: document.primary_term };
        Ok(Some((lease, mark)))
    }

    /// Who holds the lease of `part`, and whether that process is known to be dead.
    pub async fn holder_and_life(
        &self,
        part: &IndexName,
    ) -> Result<Option<(Holder, Known)>, Error> {
        let there = self.load(part).await?.and_then(|(lease, _)| lease.holder);
        Ok(there.map(|holder| {
            let known = is_dead(&holder);
            (holder, known)
        }))
    }

    /// Who holds the lease of `part`, as far as one look can say.
    pub async fn holder(&self, part: &IndexName) -> Result<Option<Holder>, Error> {
        let there = self.holder_and_life(part).await?;
        Ok(there.filter(|(_, known)| *known == Known::No).map(|(holder, _)| holder))
    }

    /// Takes the lease of `part` if nobody holds it, or if its holder is dead or was seen without a
    /// sign of life for as long as it lives. `watched` is what earlier looks saw.
    pub async fn claim(&self, part: &IndexName, watched: &mut Watched) -> Result<Claimed, Error> {
        let there = self.load(part).await?;
        let lease = there.as_ref().map(|(lease, _)| lease);
        let known = lease.and_then(|lease| lease.holder.as_ref()).map_or(Known::No, is_dead);
        if let Claim::Held(by) = watched.judge(lease, known, self.begun.elapsed()) {
            return Ok(Claimed::Theirs(by));
        }
        let taken = Lease::taken(lease, &self.migration, part, self.holder.clone(), self.ttl);
        let mark = there.as_ref().map(|(_, mark)| *mark);
        match self.put(&taken, mark).await? {
            Some(mark) => Ok(Claimed::Ours(self.hold(taken, mark))),
            None => match self.load(part).await?.and_then(|(lease, _)| lease.holder) {
                Some(by) => Ok(Claimed::Theirs(by)),
                None => Err(Error::TakenOver {
                    part: part.clone(),
                    how: "its lease changes hands all the time".to_owned(),
                }),
            },
        }
    }

    /// Replaces what stood at `mark`. `None` if somebody else did.
    async fn put(
        &self,
        lease: &Lease,
        mark: Option<DocVersion>,
    ) -> Result<Option<DocVersion>, Error> {
        let id = self.id(&lease.part);
        match self.cluster.put_document_if(LEASE_INDEX, &id, lease, mark).await {
            Ok(mark) => return Ok(Some(mark)),
            // Perhaps our own write whose answer was lost: what stands there decides.
            Err(error) if matches!(error.class(), Class::Conflict | Class::MaybeApplied) => {}
            Err(error) => {
                return Err(error).doing(|| format!("writing the lease of {}", lease.part));
            }
        }
        let there = self.load(&lease.part).await?;
        Ok(there.filter(|(there, _)| there == lease).map(|(_, mark)| mark))
    }

    fn hold(&self, lease: Lease, mark: DocVersion) -> Held {
        let (lost, giving_back) = (CancellationToken::new(), CancellationToken::new());
        let generation = lease.generation;
        let heart = Heart {
            leases: self.clone(),
            lease,
            mark,
            lost: lost.clone(),
            giving_back: giving_back.clone(),
        };
        Held { generation, lost, giving_back, heart: Some(tokio::spawn(heart.beat())) }
    }
}

struct Heart {
    leases: Leases,
    lease: Lease,
    mark: DocVersion,
    lost: CancellationToken,
    giving_back: CancellationToken,
}

impl Heart {
    async fn beat(mut self) {
        let ttl = self.leases.ttl;
        let mut last = Instant::now();
        loop {
            tokio::select! {
                () = self.giving_back.cancelled() => break,
                () = tokio::time::sleep(ttl / 5) => {}
            }
            let next = self.lease.beaten();
            match tokio::time::timeout(ttl / 3, self.leases.put(&next, Some(self.mark))).await {
                Ok(Ok(Some(mark))) => {
                    (self.lease, self.mark) = (next, mark);
                    last = Instant::now();
                }
                Ok(Ok(None)) if self.was_written(&next).await => last = Instant::now(),
                Ok(Ok(None)) => return self.lost.cancel(),
                // The cluster does not answer: for a while that is nobody's loss.
                Ok(Err(_)) | Err(_) if last.elapsed() < ttl => {}
                Ok(Err(_)) | Err(_) => return self.lost.cancel(),
            }
        }
        let free = self.lease.given_back();
        let giving = self.leases.put(&free, Some(self.mark));
        // Not given back, it expires by itself.
        if !matches!(tokio::time::timeout(ttl / 3, giving).await, Ok(Ok(Some(_)))) {
            tracing::warn!(part = %self.lease.part, "the lease could not be given back");
        }
    }

    /// Whether what stands there is ours: an earlier sign of life, or this one, of which no answer came.
    async fn was_written(&mut self, next: &Lease) -> bool {
        let Ok(Some((there, mark))) = self.leases.load(&self.lease.part).await else {
            return false;
        };
        if there.generation != next.generation || there.holder != next.holder {
            return false;
        }
        (self.lease, self.mark) = (there, mark);
        true
    }
}

impl Held {
    /// Which holder of the part this is: 1 is the first.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns when the lease is somebody else's, or may be.
    pub async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Lets others have it.
    pub async fn give_back(mut self) {
        self.giving_back.cancel();
        if let Some(heart) = self.heart.take() {
            heart.await.ok();
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(heart) = &self.heart {
            heart.abort();
        }
    }
}
