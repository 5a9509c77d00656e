//! What the source holds of documents now, asked so that the answer stays true.

use std::time::{Duration, Instant};

use segue_model::audit::Now;
use segue_model::id::{SeqNo, Shard};

use crate::error::{Doing, Error};
use crate::fetch::fetch;
use crate::pass::Carrier;

/// How long the copies of a source may take to agree.
const PATIENCE: Duration = Duration::from_secs(60);
const BETWEEN: Duration = Duration::from_millis(20);

/// What the source holds of each of `keys` (id, routing), realtime. Of several indices the one is asked that
/// `shard` belongs to: a document of that id in another is another one.
///
/// An operation that deleted a document may be known to the primary alone, and go with it. So what
/// was not found counts only once every copy has all that the primary had when it was asked.
pub(crate) async fn ask(
    carrier: &Carrier,
    shard: Shard,
    keys: &[(&str, Option<&str>)],
) -> Result<Vec<Now>, Error> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let (cluster, source) = (carrier.session().cluster(), carrier.sources().all());
    let (index, _) = carrier.sources().place(shard);
    let looking = || format!("looking at the shards of {source}");
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let terms = cluster.primary_terms(source.as_str()).await.doing(looking)?;
        let documents = fetch(cluster, index, keys, false).await?;
        let now: Vec<_> = keys
            .iter()
            .zip(documents)
            .map(|((_, routing), document)| match document {
                None => Now::Absent,
                Some(d) if d.routing.as_deref() == *routing => Now::At(SeqNo(d.seq_no)),
                Some(d) => Now::OtherRouting(SeqNo(d.seq_no)),
            })
            .collect();
        if !now.contains(&Now::Absent) || is_safe(carrier, &terms).await? {
            return Ok(now);
        }
    }
    Err(Error::GivenUp {
        what: format!("asking {source} what it still holds"),
        attempts: 1,
        waited_s: PATIENCE.as_secs(),
        reason: "its primaries keep changing".to_owned(),
    })
}

/// Returns `true` once every copy has all that the primaries have now; `false` if a primary is not
/// the one of `terms` any more.
pub(super) async fn is_safe(carrier: &Carrier, terms: &[u64]) -> Result<bool, Error> {
    let (session, source) = (carrier.session(), carrier.sources().all().as_str());
    let looking = || format!("looking at the shards of {source}");
    let begun = Instant::now();
    let mut highest: Option<Vec<i64>> = None;
    while begun.elapsed() < PATIENCE {
        let stats = session.cluster().shard_stats(source).await.doing(looking)?;
        let now = session.cluster().primary_terms(source).await.doing(looking)?;
        if now != terms {
            return Ok(false);
        }
        let highest =
            highest.get_or_insert_with(|| stats.primaries.iter().map(|p| p.max_seq_no).collect());
        let reached = |(primary, highest): (&segue_cluster::ShardStats, &i64)| {
            primary.global_checkpoint >= *highest
        };
        if stats.primaries.iter().zip(highest.iter()).all(reached) {
            return Ok(true);
        }
        if carrier.syncs_lazily() {
            session.cluster().flush(source).await.doing(|| format!("flushing {source}"))?;
        }
        session.sleep(BETWEEN).await?;
    }
    Err(Error::GivenUp {
        what: format!("waiting until the copies of {source} agree"),
        attempts: 1,
        waited_s: PATIENCE.as_secs(),
        reason: "the global checkpoint does not reach the operations of that moment".to_owned(),
    })
}
