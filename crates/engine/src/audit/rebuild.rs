//! Making a lost inventory anew, from the ids of source and target.
//!
//! The source's live numbers are noted, and kept as one bit each. Then the target is read: each of
//! its documents says in its version which number it came from. Where that number is not live any
//! more, or belongs to an earlier incarnation, what stands there has to go; this is the whole audit,
//! of all that happened while there was no inventory.

use std::collections::{BTreeMap, HashSet};

use segue_cluster::{Fetch, Hit};
use segue_model::audit::{Now, Numbers, gone_at};
use segue_model::id::{IndexName, SeqNo, Shard};
use segue_model::stamp::{Removal, Versioning};
use segue_model::version::{Origin, Provenance, Version};
use segue_transform::{Document, Made, Outcome, Worker};

use super::preserved::{Held, take_away};
use super::{AT_ONCE, Audited, Remove, ask};
use crate::error::{Doing, Error};
use crate::inventory::{Class, Run};
use crate::page::PageReader;
use crate::pass::{Carrier, Gone, ShardCarrier};
use crate::scan::everything;

/// A document of the target whose number is not live.
struct Left {
    id: String,
    routing: Option<String>,
    stands: Provenance,
}

/// Makes the inventory anew, and takes out of `target` what does not stand in the source. No pass
/// may run meanwhile.
pub async fn rebuild(
    carrier: &Carrier,
    target: &IndexName,
    remove: &impl Remove,
) -> Result<Audited, Error> {
    let (session, source) = (carrier.session(), carrier.sources().all());
    let live = loop {
        let looking = || format!("looking at the primaries of {source}");
        let terms = session.cluster().primary_terms(source.as_str()).await.doing(looking)?;
        let refreshing = || format!("refreshing {source}");
        session.cluster().refresh(source.as_str()).await.doing(refreshing)?;
        let mut live = Vec::new();
        for shard in carrier.shards() {
            live.push(read_source(carrier, shard).await?);
        }
        if ask::is_safe(carrier, &terms).await? {
            break live;
        }
    };
    let mut audited = Audited::default();
    let mut pages = PageReader::new(session, target, Fetch::IdsOnly);
    let preserved = carrier.lineage().versioning == Versioning::Preserved;
    let keyed = carrier.program().is_keyed();
    let (mut some, mut beyond, mut held) = (Vec::new(), Vec::new(), Vec::new());
    for stretch in everything(session, target).await? {
        let mut after = Some(stretch.from);
        while let Some(from) = after {
            session.check_stop()?;
            let turned = pages.turn(stretch.shard, from, stretch.to).await?;
            for hit in turned.page.hits() {
                if preserved {
                    held.push(held_by(&hit));
                    continue;
                }
                match standing(carrier, &live, &hit) {
                    Standing::Right => {}
                    Standing::Gone(left) => some.push(left),
                    // Its number is among those that were read, unless it is gone.
                    Standing::Beyond(left) if keyed => some.push(left),
                    Standing::Beyond(left) => beyond.push(left),
                }
            }
            if held.len() >= AT_ONCE {
                audited.add(take_away(carrier, remove, &mut held).await?);
            }
            note(carrier, &mut beyond)?;
            after = turned.next;
            if some.len() >= AT_ONCE {
                audited.add(remove_some(carrier, remove, &mut some).await?);
            }
        }
    }
    audited.add(remove_some(carrier, remove, &mut some).await?);
    audited.add(take_away(carrier, remove, &mut held).await?);
    for shard in carrier.shards() {
        shard.inventory_is_whole();
        shard.save().await?;
    }
    Ok(audited)
}

/// Notes every live document of a shard up to its position; returns their numbers.
async fn read_source(carrier: &Carrier, shard: &ShardCarrier) -> Result<Numbers, Error> {
    let session = carrier.session();
    let keyed = carrier.program().is_keyed();
    // Which keys were made only the documents themselves tell, and of what was sent beyond the position
    // only whether its number is live.
    let (fetch, end) = match keyed {
        true => (Fetch::Source, end_of(carrier, shard).await?),
        false => (Fetch::IdsOnly, shard.position()),
    };
    let mut keys = Keys::new(carrier);
    let mut pages = PageReader::new(session, carrier.sources(), fetch);
    let mut live = Numbers::default();
    let mut after = Some(SeqNo::NONE).filter(|none| *none < end);
    while let Some(from) = after {
        session.check_stop()?;
        let turned = pages.turn(shard.shard(), from, end).await?;
        let mut run = Run::default();
        if keyed {
            keys.letters = letters(carrier, turned.page.hits()).await?;
        }
        for hit in turned.page.hits() {
            let number = SeqNo(hit.seq_no);
            live.insert(number);
            if shard.with_held(|held| held.contains(number)) || number > shard.position() {
                continue;
            }
            match keyed {
                true => keys.note(&hit, &mut run)?,
                false => run.push(number, &hit.id, hit.routing.as_deref(), Class::Written),
            }
        }
        shard.note(&run)?;
        after = turned.next;
    }
    Ok(live)
}

/// The last number of a shard that every copy has.
async fn end_of(carrier: &Carrier, shard: &ShardCarrier) -> Result<SeqNo, Error> {
    let source = carrier.sources().all().as_str();
    let looking = || format!("looking at the shards of {source}");
    let stats = carrier.session().cluster().shard_stats(source).await.doing(looking)?;
    let primary = stats.primaries.iter().find(|primary| Shard(primary.shard) == shard.shard());
    Ok(primary.map_or(shard.position(), |primary| SeqNo(primary.global_checkpoint)))
}

/// Works out again which keys were made.
struct Keys {
    worker: Worker,
    sources: Vec<u8>,
    made: Vec<Made>,
    /// Numbers of which the target has refused a document.
    letters: HashSet<SeqNo>,
}

/// Which of `hits` are dead letters.
async fn letters(
    carrier: &Carrier,
    hits: impl Iterator<Item = Hit<'_>>,
) -> Result<HashSet<SeqNo>, Error> {
    let hits: Vec<_> = hits.collect();
    let keys: Vec<_> = hits.iter().map(|hit| (hit.id.as_ref(), hit.routing.as_deref())).collect();
    let found = carrier.dead_letters().find(&keys).await?;
    Ok(found.into_iter().flatten().map(|letter| letter.seq_no).collect())
}

impl Keys {
    fn new(carrier: &Carrier) -> Keys {
        let worker = carrier.program().worker();
        Keys { worker, sources: Vec::new(), made: Vec::new(), letters: HashSet::new() }
    }

    fn note(&mut self, hit: &Hit<'_>, run: &mut Run) -> Result<(), Error> {
        self.sources.clear();
        self.made.clear();
        let routing = hit.routing.as_deref();
        let document = Document { id: &hit.id, routing, source: hit.source };
        let class = match self.worker.make(document, &mut self.sources, &mut self.made)? {
            Outcome::Written if self.letters.contains(&SeqNo(hit.seq_no)) => Class::Refused,
            Outcome::Written => Class::Written,
            Outcome::Filtered { .. } => Class::Filtered,
            Outcome::Refused { .. } => Class::Refused,
        };
        let keys: Vec<_> = self.made.drain(..).map(|made| made.key).collect();
        run.push_keyed(SeqNo(hit.seq_no), (&hit.id, routing), class, &keys);
        Ok(())
    }
}

/// A preserved version does not say which number it came from: the source is asked by id.
fn held_by(hit: &Hit<'_>) -> Held {
    let routing = hit.routing.as_ref().map(ToString::to_string);
    Held { id: hit.id.to_string(), routing, version: Version(hit.version) }
}

/// What the audit has to do with a document of the target.
enum Standing {
    /// Nothing: its number is live, or it is not ours and verification will name it.
    Right,
    /// Its number is not live any more.
    Gone(Left),
    /// Its number is beyond the position: it was sent by a process that died.
    Beyond(Left),
}

fn standing(carrier: &Carrier, live: &[Numbers], hit: &Hit<'_>) -> Standing {
    let Origin::Ours(stands) = Version(hit.version).origin() else { return Standing::Right };
    let incarnation = carrier.lineage().incarnation;
    let left = || {
        let routing = hit.routing.as_ref().map(ToString::to_string);
        Left { id: hit.id.to_string(), routing, stands }
    };
    if stands.incarnation != incarnation {
        let earlier = stands.incarnation < incarnation;
        return if earlier { Standing::Gone(left()) } else { Standing::Right };
    }
    let (seq_no, shard) = stands.op.source(carrier.shard_count());
    let of = carrier.shards().iter().zip(live).find(|(of, _)| of.shard() == shard);
    match of {
        Some((_, live)) if live.contains(seq_no) => Standing::Right,
        Some((of, _)) if seq_no > of.position() => Standing::Beyond(left()),
        _ => Standing::Gone(left()),
    }
}

/// Notes what a process that died had sent: the next pass reads it again, or it is gone by then.
fn note(carrier: &Carrier, beyond: &mut Vec<Left>) -> Result<(), Error> {
    if beyond.is_empty() {
        return Ok(());
    }
    beyond.sort_by_key(|left| left.stands);
    for of in carrier.shards() {
        let mut run = Run::default();
        for left in &*beyond {
            let (seq_no, shard) = left.stands.op.source(carrier.shard_count());
            if shard == of.shard() {
                run.push(seq_no, &left.id, left.routing.as_deref(), Class::Written);
            }
        }
        of.note(&run)?;
    }
    beyond.clear();
    Ok(())
}

/// Takes away what stands there. What the source holds of it under a later number is brought, or
/// left out, by a pass; it is not touched, as the delete stands just above the version that was seen.
async fn remove_some(
    carrier: &Carrier,
    remove: &impl Remove,
    some: &mut Vec<Left>,
) -> Result<Audited, Error> {
    if carrier.program().is_keyed() {
        return remove_made(remove, some).await;
    }
    let (incarnation, shards) = (carrier.lineage().incarnation, carrier.shard_count());
    let now = ask_each(carrier, some).await?;
    let mut gone = Vec::new();
    for (left, now) in some.iter().zip(now) {
        let (seq_no, shard) = left.stands.op.source(shards);
        let same = left.stands.incarnation == incarnation;
        let delete = match now {
            // It is there after all.
            Now::At(at) if same && at == seq_no => continue,
            Now::Absent if same => {
                let of = carrier.shards().iter().find(|carrier| carrier.shard() == shard);
                let position = of.map_or(seq_no, ShardCarrier::position);
                gone_at(incarnation, position, shard, shards)?
            }
            _ => Provenance { delete: true, ..left.stands },
        };
        let delete = Removal::Below(delete);
        gone.push(Gone { id: left.id.clone(), routing: left.routing.clone(), delete });
    }
    remove.remove(&gone).await?;
    some.clear();
    Ok(Audited { deleted: gone.len() as u64, waiting: 0 })
}

/// What the source holds of each of `some`, each asked of the index that it came from.
async fn ask_each(carrier: &Carrier, some: &[Left]) -> Result<Vec<Now>, Error> {
    let shards = carrier.shard_count();
    let from = |left: &Left| left.stands.op.source(shards).1;
    let mut by_index: BTreeMap<&IndexName, Vec<usize>> = BTreeMap::new();
    for (at, left) in some.iter().enumerate() {
        by_index.entry(carrier.sources().place(from(left)).0).or_default().push(at);
    }
    let mut now = vec![Now::Absent; some.len()];
    for of_index in by_index.into_values() {
        let Some(first) = of_index.first().and_then(|at| some.get(*at)) else { continue };
        let lefts = of_index.iter().filter_map(|at| some.get(*at));
        let keys: Vec<_> = lefts.map(|l| (l.id.as_str(), l.routing.as_deref())).collect();
        let answers = ask::ask(carrier, from(first), &keys).await?;
        for (at, answer) in of_index.into_iter().zip(answers) {
            if let Some(now) = now.get_mut(at) {
                *now = answer;
            }
        }
    }
    Ok(now)
}

/// As [`remove_some`], where the source does not know the keys: what was made of a number that is not live
/// goes, at that number.
async fn remove_made(remove: &impl Remove, some: &mut Vec<Left>) -> Result<Audited, Error> {
    let gone = |left: Left| {
        let delete = Removal::Below(Provenance { delete: true, ..left.stands });
        Gone { id: left.id, routing: left.routing, delete }
    };
    let gone: Vec<_> = some.drain(..).map(gone).collect();
    remove.remove(&gone).await?;
    Ok(Audited { deleted: gone.len() as u64, waiting: 0 })
}
