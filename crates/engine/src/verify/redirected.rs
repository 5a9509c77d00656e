//! The last comparison where the application writes to the target already: the closed source against
//! everything in the target that is ours.
//!
//! Until the cursor everything in the target is ours, with a version that says what it is. Since then
//! segue has written without versions, and kept a print of each such document; whatever else is there
//! is the application's, and not compared.

use std::collections::HashSet;

use segue_cluster::{Document as Found, Fetch, Hit};
use segue_model::id::{IndexName, SeqNo, Shard};
use segue_model::journal::VerifySummary;
use segue_model::version::Version;
use serde_json::json;

use super::compare::{Expected, Projector, SourceSide, join_source, ours};
use super::fingerprint::fingerprint;
use super::window::{Changed, Frozen, Wanted, missing};
use super::{DivergenceClass, Divergences, carried, highest_op};
use crate::error::{Doing, Error};
use crate::fetch::fetch;
use crate::pass::Carrier;
use crate::scan::{Stretch, scan};

const LOOK_UP: usize = 500;
/// How many dead letters of the target are looked at.
const LETTERS: usize = 10_000;
/// The most documents above the cursor that are counted on one shard.
const ABOVE: usize = 10_000;
/// Looks at one shard before its counts are left to chance: the next look finds less.
const LOOKS: u32 = 3;

/// What the application has done to the target meanwhile, and where ours ends.
#[derive(Debug)]
pub struct Outdone<'a> {
    /// The end of each shard of the closed source.
    pub ends: &'a [SeqNo],
    /// The target's numbers before any write of an application.
    pub cursor: &'a [SeqNo],
    /// The prints of what segue has written since.
    pub prints: &'a HashSet<u128>,
}

type Key = (String, Option<String>);

/// Compares what changed in the source since `verified`, and counts.
pub async fn verify_redirected(
    carrier: &Carrier,
    target: &IndexName,
    verified: &(Vec<SeqNo>, VerifySummary),
    outdone: &Outdone<'_>,
) -> Result<Frozen, Error> {
    let session = carrier.session();
    let (positions, before) = verified;
    let stretches: Vec<_> = (0u32..)
        .zip(positions.iter().zip(outdone.ends))
        .map(|(shard, (from, to))| Stretch { shard: Shard(shard), from: *from, to: *to })
        .filter(|stretch| stretch.from < stretch.to)
        .collect();
    let sides = (0..session.limits().lanes.max(1)).map(|_| Changed::new(carrier)).collect();
    let sides = scan(session, carrier.source(), &stretches, &Fetch::Source, sides).await?;
    let mut divergences = Divergences::default();
    let mut frozen = Frozen::default();
    let mut changed = VerifySummary::default();
    for side in sides {
        divergences.add(side.divergences);
        frozen.compared += side.seen;
        changed.filtered += side.filtered;
        changed.dead_lettered += side.refused;
        compare(carrier, target, &side.wanted, outdone.prints, &mut divergences).await?;
    }
    divergences.conclude(VerifySummary::default())?;
    let source = carrier.source();
    let counting = || format!("counting {source}");
    frozen.source_documents =
        session.cluster().count(source.as_str(), None).await.doing(counting)?;
    let unchanged = frozen.source_documents.saturating_sub(frozen.compared);
    let is_sum = before.filtered == 0 || unchanged == before.source;
    let left_out = if before.dead_lettered == 0 && is_sum {
        changed.filtered += before.filtered;
        changed
    } else {
        // Documents that had been left out may have changed since: which, only a full look tells.
        whole(carrier, outdone.ends).await?
    };
    frozen.dead_letters = left_out.dead_lettered + refused_by_target(carrier, target).await?;
    frozen.left_out = left_out.filtered + frozen.dead_letters;
    frozen.target_documents = count_ours(carrier, target, outdone.cursor).await?;
    Ok(frozen)
}

/// Compares `wanted` with what is ours in the target.
async fn compare(
    carrier: &Carrier,
    target: &IndexName,
    wanted: &[Wanted],
    prints: &HashSet<u128>,
    divergences: &mut Divergences,
) -> Result<(), Error> {
    for some in wanted.chunks(LOOK_UP) {
        let keys: Vec<_> = some.iter().map(|w| (w.id.as_str(), w.routing.as_deref())).collect();
        let documents = fetch(carrier.session().cluster(), target, &keys, true).await?;
        let mut absent = Vec::new();
        for (wanted, document) in some.iter().zip(documents) {
            let Some(document) = document else {
                absent.push(wanted);
                continue;
            };
            let source = document.source.as_ref().map_or("", |source| source.get());
            let hash = fingerprint(&wanted.id, document.routing.as_deref(), source.as_bytes());
            let (there, expected) = (Version(document.version), wanted.stamp.version());
            let is_ours = there == expected || prints.contains(&hash);
            if is_ours && hash != wanted.hash {
                let detail = format!("content differs at {expected}");
                divergences.push(DivergenceClass::Different, &wanted.id, detail);
            } else if !is_ours && ours(there, carrier.lineage()).is_some() {
                let detail = format!("target holds {there}, expected {expected}");
                divergences.push(DivergenceClass::Stale, &wanted.id, detail);
            }
        }
        missing(carrier, &absent, divergences).await?;
    }
    Ok(())
}

/// What the pipeline makes of the closed source's documents, counted over all of them.
async fn whole(carrier: &Carrier, ends: &[SeqNo]) -> Result<VerifySummary, Error> {
    let session = carrier.session();
    let highest = highest_op(ends)?;
    let sides =
        (0..session.limits().lanes.max(1)).map(|_| SourceSide::new(carrier, highest)).collect();
    let sides = scan(session, carrier.source(), &carried(ends), &Fetch::Source, sides).await?;
    let (_, summary, _) = join_source(sides, highest);
    Ok(summary)
}

/// Documents of the source as it is that the pipeline takes and the target refused. What the
/// application has written under such an id does not stand for it ([`count_ours`]).
async fn refused_by_target(carrier: &Carrier, target: &IndexName) -> Result<u64, Error> {
    let (letters, all) = carrier.dead_letters().of_target(LETTERS).await?;
    if all > letters.len() as u64 {
        let reason =
            format!("{all} dead letters are too many to be counted while writes are redirected");
        return Err(Error::BackedOut { reason });
    }
    let cluster = carrier.session().cluster();
    let mut projector = Projector::new(carrier);
    let mut refused = 0;
    for some in letters.chunks(LOOK_UP) {
        let keys: Vec<_> =
            some.iter().map(|l| (l.document.as_str(), l.routing.as_deref())).collect();
        let sources = fetch(cluster, carrier.source(), &keys, true).await?;
        let targets = fetch(cluster, target, &keys, false).await?;
        for ((letter, source), there) in some.iter().zip(sources).zip(targets) {
            let Some(source) = source.filter(|source| source.seq_no == letter.seq_no.0) else {
                continue;
            };
            let carried = there
                .is_some_and(|there| ours(Version(there.version), carrier.lineage()).is_some());
            refused += u64::from(!carried && is_wanted(&mut projector, &source)?);
        }
    }
    Ok(refused)
}

/// Whether the pipeline takes a document.
fn is_wanted(projector: &mut Projector, document: &Found) -> Result<bool, Error> {
    let source = document.source.as_ref().map_or("", |source| source.get());
    let hit = Hit {
        id: document.id.as_str().into(),
        routing: document.routing.as_deref().map(Into::into),
        version: document.version,
        seq_no: document.seq_no,
        primary_term: document.primary_term,
        source: source.as_bytes(),
    };
    let mut named_before = Divergences::default();
    Ok(matches!(projector.project(&hit, &mut named_before)?, Expected::Present))
}

/// Documents of the target that stand for one of the source: those up to the cursor, and of those above
/// it the ones that the source is to have there, too.
pub async fn count_ours(
    carrier: &Carrier,
    target: &IndexName,
    cursor: &[SeqNo],
) -> Result<u64, Error> {
    let cluster = carrier.session().cluster();
    cluster.refresh(target.as_str()).await.doing(|| format!("refreshing {target}"))?;
    let mut below = 0;
    let mut above = HashSet::new();
    for (shard, cursor) in (0u32..).zip(cursor) {
        let (under, over) = on_shard(carrier, target, shard, *cursor).await?;
        below += under;
        above.extend(over);
    }
    let above: Vec<_> = above.into_iter().collect();
    let mut projector = Projector::new(carrier);
    let mut expected = 0;
    for some in above.chunks(LOOK_UP) {
        let keys: Vec<_> =
            some.iter().map(|(id, routing)| (id.as_str(), routing.as_deref())).collect();
        let letters = carrier.dead_letters().find(&keys).await?;
        let documents = fetch(cluster, carrier.source(), &keys, true).await?;
        for (document, letter) in documents.into_iter().zip(letters) {
            let Some(document) = document else { continue };
            if letter.is_some_and(|letter| letter.seq_no.0 == document.seq_no) {
                continue;
            }
            expected += u64::from(is_wanted(&mut projector, &document)?);
        }
    }
    Ok(below + expected)
}

/// How many documents stand up to `cursor`, and which above it, seen by one and the same search: a
/// document that the application overwrites moves from one to the other.
async fn on_shard(
    carrier: &Carrier,
    target: &IndexName,
    shard: u32,
    cursor: SeqNo,
) -> Result<(u64, Vec<Key>), Error> {
    let query = json!({
        "size": ABOVE,
        "track_total_hits": false,
        "query": { "match_all": {} },
        "aggs": { "below": { "filter": { "range": { "_seq_no": { "lte": cursor } } } } },
        "post_filter": { "range": { "_seq_no": { "gt": cursor } } },
        "sort": [{ "_seq_no": "asc" }],
        "_source": false,
    });
    let counting = || format!("counting {target} shard {shard}");
    for _ in 0..LOOKS {
        let page = carrier.session().cluster().search_shard(target.as_str(), shard, &query).await;
        let page = page.doing(counting)?;
        let below = page.aggregations.as_ref().and_then(|all| all["below"]["doc_count"].as_u64());
        let keys: Vec<_> = page.hits.into_iter().map(|hit| (hit.id, hit.routing)).collect();
        if let Some(below) = below
            && keys.len() < ABOVE
        {
            return Ok((below, keys));
        }
    }
    Err(Error::BackedOut {
        reason: format!(
            "more than {ABOVE} documents were written to shard {shard} of {target} meanwhile: it \
             cannot be counted"
        ),
    })
}
