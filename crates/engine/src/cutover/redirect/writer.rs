//! Conditional writes: create what is not there, replace or remove what is in a known state. The only
//! writes of ours into an index that an application writes to.

use std::time::{Duration, Instant};

use segue_cluster::{BulkAnswer, BulkBody, Class, Cluster, DocVersion, ItemOutcome};

use crate::error::{Doing, Error};
use crate::sabotage;

const BODY_BYTES: usize = 5 << 20;
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Where to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    /// Through the write alias: fenced.
    Alias(&'a str),
    /// Into a concrete index.
    Index(&'a str),
}

/// On which condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// If there is none of that id.
    Create,
    /// If it is in this state.
    Replace(DocVersion),
    /// Deletes it if it is in this state.
    Remove(DocVersion),
}

/// One write.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub id: String,
    pub routing: Option<String>,
    pub how: How,
    /// The document; empty for a removal.
    pub source: Vec<u8>,
}

/// What became of one write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Applied,
    /// The condition does not hold. Perhaps because of an earlier attempt of this very write whose
    /// answer was lost: whoever gets this looks.
    Conflict,
    Refused {
        kind: String,
        reason: String,
    },
}

impl Write {
    fn put(&self, body: &mut BulkBody) {
        let routing = self.routing.as_deref();
        match self.how {
            How::Create => drop_ref(body.begin_create(&self.id, routing)),
            // What a test takes away to see that it is noticed: whatever stands there is replaced.
            How::Replace(_) if sabotage::lacks("no-compare-and-set") => {
                let beyond = (14 << 59) + crate::moment::now_ms();
                drop_ref(body.begin_index(&self.id, routing, beyond));
            }
            How::Replace(state) => drop_ref(body.begin_replace(&self.id, routing, state)),
            How::Remove(state) => return body.remove(&self.id, routing, state),
        }
        body.end_with(&self.source);
    }
}

/// The buffer is filled by the body itself.
fn drop_ref(_: &mut Vec<u8>) {}

/// Writes that the cluster has not taken for as long as they were tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Untaken {
    pub attempts: u32,
    pub reason: String,
}

/// As [`try_write`], within a cutover: what is not taken in time backs it out.
pub(crate) async fn write(
    cluster: &Cluster,
    place: Place<'_>,
    writes: &[Write],
    until: Instant,
) -> Result<Vec<Fate>, Error> {
    try_write(cluster, place, writes, until).await?.map_err(|untaken| Error::BackedOut {
        reason: format!("writes are not taken: {}", untaken.reason),
    })
}

/// Writes all of `writes`; what became of each, in their order. What the cluster does not take now is
/// sent again until `until`.
pub(crate) async fn try_write(
    cluster: &Cluster,
    place: Place<'_>,
    writes: &[Write],
    until: Instant,
) -> Result<Result<Vec<Fate>, Untaken>, Error> {
    let mut fates: Vec<Option<Fate>> = vec![None; writes.len()];
    let mut attempts: u32 = 0;
    loop {
        let left: Vec<usize> = (0..writes.len()).filter(|at| fates[*at].is_none()).collect();
        if left.is_empty() {
            return Ok(Ok(fates.into_iter().flatten().collect()));
        }
        let mut reason = String::new();
        for some in portions(writes, &left) {
            send(cluster, place, writes, some, &mut fates, &mut reason).await?;
        }
        if fates.iter().all(Option::is_some) {
            continue;
        }
        attempts += 1;
        if Instant::now() >= until {
            return Ok(Err(Untaken { attempts, reason }));
        }
        tokio::time::sleep(Duration::from_millis(20 << attempts.min(7)).min(LONGEST_WAIT)).await;
    }
}

/// Splits what is left into requests of a fair size.
fn portions<'a>(writes: &[Write], left: &'a [usize]) -> Vec<&'a [usize]> {
    let mut portions = Vec::new();
    let (mut begin, mut bytes) = (0, 0);
    for (end, at) in left.iter().enumerate() {
        bytes += writes[*at].source.len() + 128;
        if bytes >= BODY_BYTES {
            portions.push(&left[begin..=end]);
            (begin, bytes) = (end + 1, 0);
        }
    }
    if begin < left.len() {
        portions.push(&left[begin..]);
    }
    portions
}

async fn send(
    cluster: &Cluster,
    place: Place<'_>,
    writes: &[Write],
    some: &[usize],
    fates: &mut [Option<Fate>],
    why: &mut String,
) -> Result<(), Error> {
    let mut body = BulkBody::default();
    some.iter().for_each(|at| writes[*at].put(&mut body));
    let (bytes, items) = body.take();
    let (answer, name) = match place {
        Place::Alias(alias) => (cluster.bulk(alias, bytes, items, false).await, alias),
        Place::Index(index) => (cluster.bulk_to_index(index, bytes, items).await, index),
    };
    let outcomes = match answer {
        Ok(BulkAnswer::AllApplied) => vec![ItemOutcome::Applied; items],
        Ok(BulkAnswer::Mixed(outcomes)) => outcomes,
        Err(error) if passes(error.class()) => {
            *why = error.to_string();
            return Ok(());
        }
        Err(error) => return Err(error).doing(|| format!("writing to {name}")),
    };
    for (at, outcome) in some.iter().zip(outcomes) {
        fates[*at] = match outcome {
            ItemOutcome::Applied => Some(Fate::Applied),
            ItemOutcome::Conflict { .. } => Some(Fate::Conflict),
            // What was to be removed is gone.
            ItemOutcome::Rejected { status: 404, .. }
                if matches!(writes[*at].how, How::Remove(_)) =>
            {
                Some(Fate::Applied)
            }
            ItemOutcome::Rejected { status: 401 | 403, kind, reason } => {
                let what = format!("writing to {name}");
                return Err(Error::Forbidden { what, reason: format!("{kind}: {reason}") });
            }
            ItemOutcome::Rejected { kind, reason, .. } => Some(Fate::Refused { kind, reason }),
            ItemOutcome::Fenced { reason } => {
                let reason = format!("{name} is gone, somebody else took the cutover: {reason}");
                return Err(Error::BackedOut { reason });
            }
            ItemOutcome::Throttled { reason }
            | ItemOutcome::Unavailable { reason }
            | ItemOutcome::Blocked { reason } => {
                *why = reason;
                None
            }
        };
    }
    Ok(())
}

fn passes(class: Class) -> bool {
    matches!(class, Class::NeverSent | Class::MaybeApplied | Class::Throttled | Class::Unavailable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portions_hold_everything_once() {
        let write = |bytes: usize| Write {
            id: String::new(),
            routing: None,
            how: How::Create,
            source: vec![b' '; bytes],
        };
        let writes: Vec<_> =
            [1, BODY_BYTES, 10, BODY_BYTES / 2, BODY_BYTES / 2, 7].map(write).into();
        let left: Vec<_> = (0..writes.len()).filter(|at| *at != 2).collect();
        let portions = portions(&writes, &left);
        assert_eq!(portions.concat(), left);
        assert!(portions.len() >= 3);
        assert!(super::portions(&writes, &[]).is_empty());
    }
}
