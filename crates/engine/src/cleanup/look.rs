//! Looking at everything that speaks for or against a deletion. What cannot be looked at is an answer
//! too.

use std::time::Duration;

use segue_cluster::{Cluster, Colour};
use segue_model::cleanup::{Found, Look, Remains, Seen, Serving};
use segue_model::id::{AliasName, IndexName, IndexUuid};
use segue_model::part::PartState;

use super::is_write_alias;
use crate::error::{Doing, Error, chain};
use crate::moment;
use crate::session::Session;

/// Looks at `remains` of the part `source`, whose names moved at `moved_ms`.
pub(super) async fn at(
    session: &Session,
    source: &IndexName,
    remains: &Remains,
    moved_ms: Option<u64>,
) -> Seen {
    let cluster = session.cluster();
    let index = &remains.index;
    Seen {
        found: found(cluster, index).await.map_err(|error| chain(&error)),
        serving: serving(cluster, source).await.map_err(|error| chain(&error)),
        elsewhere: session.journal().elsewhere(index).await.map_err(|error| chain(&error)),
        age: age(moved_ms),
    }
}

/// How long ago that was. The journal's clock and this one may differ: what lies ahead is no age.
fn age(moved_ms: Option<u64>) -> Look<Duration> {
    let moved_ms = moved_ms.ok_or("the journal does not say when the names moved")?;
    Ok(Duration::from_millis(moment::now_ms().saturating_sub(moved_ms)))
}

async fn found(cluster: &Cluster, index: &IndexName) -> Result<Option<Found>, Error> {
    let looking = || format!("looking at {index}");
    let there = cluster.index(index.as_str()).await.doing(looking)?;
    let behind = cluster.alias(index.as_str()).await.doing(looking)?;
    // A name that stands for other indices by now is nothing that was made.
    if !behind.is_empty() {
        return Ok(Some(Found::default()));
    }
    Ok(there.map(|there| {
        // A mark shows nobody any document.
        let names = there.aliases.into_keys().filter(|alias| !is_write_alias(alias));
        let made = &there.mappings["_meta"]["segue"];
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        Found {
            cloned_from: text(&there.settings["index.resize.source.uuid"]),
            made_by: text(&made["migration"]).zip(text(&made["part"])),
            aliases: names.map(AliasName::new).collect(),
            uuid: there.uuid,
            documents: there.docs,
            bytes: there.bytes,
        }
    }))
}

async fn serving(cluster: &Cluster, source: &IndexName) -> Result<Serving, Error> {
    let looking = || format!("looking at what {source} stands for");
    let mut names: Vec<_> =
        cluster.alias(source.as_str()).await.doing(looking)?.into_keys().collect();
    names.push(source.to_string());
    let mut serving = Serving::default();
    for name in names {
        let Some(index) = cluster.index(&name).await.doing(looking)? else { continue };
        let health = cluster.index_health(&name).await.doing(looking)?;
        if health.status == Colour::Red {
            serving.red.push(IndexName::new(name.as_str()));
        }
        serving.indices.push((IndexName::new(name), IndexUuid::new(index.uuid)));
    }
    Ok(serving)
}

/// The write aliases that are left on the target of a part that is finished.
pub(super) async fn write_aliases(
    session: &Session,
    state: &PartState,
) -> Result<Vec<String>, Error> {
    let Some(target) = &state.target else { return Ok(Vec::new()) };
    let looking = || format!("looking at {target}");
    let there = session.cluster().index(target.as_str()).await.doing(looking)?;
    let ours = there
        .filter(|there| state.target_uuid.as_ref().is_some_and(|uuid| uuid.as_str() == there.uuid));
    let aliases = ours.map(|there| there.aliases).unwrap_or_default();
    Ok(aliases.into_keys().filter(|alias| is_write_alias(alias)).collect())
}
