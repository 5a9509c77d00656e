//! Moving an alias from one index to another where no migration of segue's stands behind it.
//!
//! The request is one, and takes the alias with `must_exist`. What an application wrote to the old index is
//! not in the new one: only where the journal knows what the old one held when it took over can that be
//! ruled out, and it is, with the old one closed. Everywhere else it is for the user to say.

use std::time::Duration;

use segue_cluster::{BlockAnswer, Class, Cluster};
use segue_model::gate::Predicate;
use segue_model::generation::gate::{Live, Seen, judge};
use segue_model::id::{AliasName, IndexName};
use segue_model::recipe::SwapSpec;
use serde::Serialize;

use crate::error::{Doing, Error, chain};
use crate::journal_store::JournalStore;
use crate::load::swap::{moving, props_of, since, standing};

/// How long writes that are under way may take to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is to be moved, and under which conditions.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The alias.
    pub alias: AliasName,
    /// What it stands for; none = whatever one index that is.
    pub from: Option<IndexName>,
    /// What it is to stand for.
    pub to: IndexName,
    /// Conditions.
    pub spec: SwapSpec,
}

/// What was seen, and what speaks against the move.
#[derive(Clone, Debug, Serialize)]
pub struct Move {
    /// The alias.
    pub alias: AliasName,
    /// What it stands for.
    pub from: IndexName,
    /// What it is to stand for.
    pub to: IndexName,
    /// Documents of both.
    pub documents: (u64, u64),
    /// Operations on the old one since it took over; none = nobody knows.
    pub writes: Option<u64>,
    /// Each condition.
    pub gate: Vec<Predicate>,
}

impl Move {
    /// Whether nothing speaks against it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.gate.iter().all(|predicate| predicate.holds)
    }
}

/// Looks at both indices; none where the alias stands for the new one already.
///
/// # Errors
/// An alias that stands for nothing, for several, or for another index than the wanted one; failures of
/// requests.
pub async fn look(cluster: &Cluster, wanted: &Wanted) -> Result<Option<Move>, Error> {
    let Wanted { alias, from, to, spec } = wanted;
    let on = standing(cluster, alias).await?;
    if on == [to.clone()] {
        return Ok(None);
    }
    let names = on.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let from = match (on.as_slice(), from) {
        ([one], None) => one.clone(),
        ([one], Some(from)) if one == from => one.clone(),
        ([], _) => return Err(Error::Recipe(format!("{alias} stands for nothing"))),
        ([_], Some(from)) => {
            return Err(Error::Recipe(format!("{alias} stands for {names}, not for {from}")));
        }
        _ => return Err(Error::Recipe(format!("{alias} stands for several indices: {names}"))),
    };
    let looking = || format!("looking at {from} and {to}");
    for index in [&from, to] {
        cluster.refresh(index.as_str()).await.doing(looking)?;
    }
    let old = cluster.shard_stats(from.as_str()).await.doing(looking)?;
    let new = cluster.shard_stats(to.as_str()).await.doing(looking)?;
    let health = cluster.index_health(to.as_str()).await.doing(looking)?;
    let copies = |shards: &segue_cluster::IndexShards| {
        shards.active_copies / u32::try_from(shards.primaries.len().max(1)).unwrap_or(1)
    };
    let documents = (
        cluster.count(from.as_str(), None).await.doing(looking)?,
        cluster.count(to.as_str(), None).await.doing(looking)?,
    );
    let writes = writes_since(cluster, &from).await?;
    let seen = Seen {
        read: documents.1,
        balanced: true,
        verified: true,
        dead_letters: 0,
        dead_letters_allowed: 0,
        documents: documents.1,
        expected: documents.1,
        live: Some(Live {
            documents: documents.0,
            writes: writes.unwrap_or(0),
            copies: (copies(&old), copies(&new)),
        }),
        serves: health.status != segue_cluster::Colour::Red,
        names_as_planned: Ok(()),
    };
    let asked = ["not_empty", "serves", "drift", "untouched", "copies"];
    let mut gate: Vec<_> =
        judge(&seen, spec).into_iter().filter(|p| asked.contains(&p.name)).collect();
    if writes.is_none()
        && let Some(untouched) = gate.iter_mut().find(|predicate| predicate.name == "untouched")
    {
        untouched.holds = spec.discard_writes;
        untouched.shows = format!(
            "nobody knows what {from} took that {to} does not hold: neither a copy nor a load of segue's \
             stands behind them"
        );
    }
    let (alias, to) = (alias.clone(), to.clone());
    Ok(Some(Move { alias, from, to, documents, writes, gate }))
}

/// Operations on an index since it took over, as far as any journal knows.
async fn writes_since(cluster: &Cluster, index: &IndexName) -> Result<Option<u64>, Error> {
    match JournalStore::cursor_of(cluster, index).await? {
        Some(cursor) => since(cluster, index, &cursor).await.map(Some),
        None => Ok(None),
    }
}

/// Moves the alias. Where it is known what the old index held, that is closed first and stays closed.
///
/// # Errors
/// [`Error::BackedOut`] where the old index was written to meanwhile, or the alias did not move; it stands as
/// before then.
pub async fn carry_out(cluster: &Cluster, moved: &Move, spec: &SwapSpec) -> Result<(), Error> {
    let closes = moved.writes.is_some() && !spec.discard_writes;
    if closes {
        let closing = || format!("closing {}", moved.from);
        let answer = cluster.block_writes(moved.from.as_str(), PATIENCE).await;
        match answer.doing(closing) {
            Ok(BlockAnswer::Drained) => {}
            // A write that is under way would be counted too late.
            Ok(BlockAnswer::NotDrained { detail }) => {
                return back_out(cluster, moved, detail).await;
            }
            Err(error) => return back_out(cluster, moved, chain(&error)).await,
        }
        let writes = writes_since(cluster, &moved.from).await;
        if !matches!(writes, Ok(Some(0))) {
            let reason = format!("{} has just been written to", moved.from);
            return back_out(cluster, moved, reason).await;
        }
    }
    let props = props_of(cluster, &moved.alias, &moved.from).await?;
    let actions = moving(&moved.alias, Some(&moved.from), &moved.to, props);
    let asked = cluster.update_aliases(&actions).await;
    if standing(cluster, &moved.alias).await? == [moved.to.clone()] {
        return Ok(());
    }
    let reason = match asked {
        Err(error) if error.class() != Class::MaybeApplied => chain(&error),
        _ => "the alias did not move".to_owned(),
    };
    if closes {
        return back_out(cluster, moved, reason).await;
    }
    // What refuses writes for another reason is not for this to open.
    Err(Error::BackedOut { reason })
}

async fn back_out(cluster: &Cluster, moved: &Move, reason: String) -> Result<(), Error> {
    let opening = || format!("opening {} again", moved.from);
    cluster.unblock_writes(moved.from.as_str()).await.doing(opening)?;
    Err(Error::BackedOut { reason })
}
