//! Gathering the evidence of one part.

use segue_cluster::{AliasProps, Cluster, IndexState};
use segue_model::cleanup::Look;
use segue_model::doctor::{
    EnrichmentSeen, Evidence, Index, LeaseSeen, Redirector, Relaxed, Standing,
};
use segue_model::id::{AliasName, IndexName};
use segue_model::part::PartState;
use serde_json::Value;

use crate::cutover::redirect::REDIRECT_PIPELINE;
use crate::enrich;
use crate::error::{Doing, Error, chain};
use crate::prepare::GC_DELETES;
use crate::session::Session;

/// Looks at everything that belongs to `part`, of several sources by this one.
pub(super) async fn at(
    session: &Session,
    part: &IndexName,
    source: &IndexName,
    state: &PartState,
) -> Evidence {
    let cluster = session.cluster();
    let keep = state.cutover.as_ref().map(|cutover| &cutover.keep);
    let (names, target, kept, lease) = tokio::join!(
        standing(cluster, source),
        index(cluster, state.target.as_ref()),
        index(cluster, keep),
        session.leases().holder_and_life(part),
    );
    let enrichment = enrich::progress(session, state).await;
    let in_use = names.as_ref().ok().and_then(|(_, index)| index.as_ref());
    let pipelines = pipelines(cluster, state, in_use).await;
    let there = |found: &Result<Option<IndexState>, Error>| found.as_ref().ok().cloned().flatten();
    let relaxed = there(&target).map(|target| relaxed(&target, there(&kept).as_ref()));
    Evidence {
        names: names.map(|(standing, _)| standing).map_err(|error| chain(&error)),
        target: seen(target),
        kept: seen(kept),
        pipelines: pipelines.map_err(|error| chain(&error)),
        lease: lease
            .map(|lease| lease.map(|(holder, known)| LeaseSeen { holder, known }))
            .map_err(|error| chain(&error)),
        relaxed: relaxed.unwrap_or_default(),
        enrichment: enrichment
            .map(|progress| {
                progress.map(|progress| EnrichmentSeen {
                    listed: progress.listed,
                    behind: progress.behind,
                })
            })
            .map_err(|error| chain(&error)),
    }
}

fn seen(found: Result<Option<IndexState>, Error>) -> Look<Option<Index>> {
    found.map(|found| found.as_ref().map(as_seen)).map_err(|error| chain(&error))
}

async fn standing(
    cluster: &Cluster,
    source: &IndexName,
) -> Result<(Standing, Option<IndexState>), Error> {
    let looking = || format!("looking at what {source} stands for");
    let behind = cluster.alias(source.as_str()).await.doing(looking)?;
    let there = cluster.index(source.as_str()).await.doing(looking)?;
    let standing = Standing {
        index: there.as_ref().map(as_seen),
        aliased: behind.into_keys().map(IndexName::new).collect(),
    };
    Ok((standing, there))
}

async fn index(cluster: &Cluster, name: Option<&IndexName>) -> Result<Option<IndexState>, Error> {
    let Some(name) = name else { return Ok(None) };
    cluster.index(name.as_str()).await.doing(|| format!("looking at {name}"))
}

fn as_seen(index: &IndexState) -> Index {
    let hides = |props: &AliasProps| {
        props.filter.as_ref().is_some_and(|filter| filter.get("match_none").is_some())
    };
    let settings = index.settings.as_object().into_iter().flatten();
    Index {
        uuid: index.uuid.clone(),
        cloned_from: text(&index.settings["index.resize.source.uuid"]),
        aliases: index
            .aliases
            .iter()
            .map(|(name, props)| (AliasName::new(name.as_str()), hides(props)))
            .collect(),
        settings: settings.filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect(),
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// What the work relaxes, and what it was to be again: the target itself says so for what stays relaxed
/// until the switch; for the rest the kept copy has what the old index had.
fn relaxed(target: &IndexState, kept: Option<&IndexState>) -> Vec<Relaxed> {
    let after = &target.mappings["_meta"]["segue"]["after_switch"];
    let of_kept = |setting: &str| kept.and_then(|kept| text(&kept.settings[setting]));
    let mut all: Vec<_> = [("index.gc_deletes", GC_DELETES), ("index.final_pipeline", "_none")]
        .into_iter()
        .filter(|_| after.is_object())
        .map(|(setting, meanwhile)| Relaxed {
            setting,
            meanwhile,
            otherwise: text(&after[setting]),
        })
        .collect();
    let setting = "index.refresh_interval";
    all.push(Relaxed { setting, meanwhile: "-1", otherwise: of_kept(setting) });
    let auto = text(&target.settings["index.auto_expand_replicas"]);
    let setting = "index.number_of_replicas";
    if let Some(replicas) = of_kept(setting).filter(|_| auto.is_none_or(|auto| auto == "false")) {
        all.push(Relaxed { setting, meanwhile: "0", otherwise: Some(replicas) });
    }
    all
}

/// The redirect pipelines that the journal names or the source uses.
async fn pipelines(
    cluster: &Cluster,
    state: &PartState,
    source: Option<&IndexState>,
) -> Result<Vec<Redirector>, Error> {
    let redirect = state.cutover.as_ref().and_then(|cutover| cutover.redirect.as_ref());
    let known = redirect.map(|redirect| redirect.pipeline.clone());
    let used = source.and_then(|source| text(&source.settings["index.default_pipeline"]));
    let used = used.filter(|name| name.starts_with(REDIRECT_PIPELINE));
    let mut names: Vec<_> = known.into_iter().chain(used).filter(|name| !name.is_empty()).collect();
    names.dedup();
    let mut found = Vec::new();
    for name in names {
        let looking = || format!("looking at the pipeline {name}");
        let Some(body) = cluster.pipeline(&name).await.doing(looking)? else { continue };
        let processors = body["processors"].as_array().into_iter().flatten();
        let to = processors.filter_map(|step| step["script"]["params"]["target"].as_str()).next();
        let target = match to {
            None => None,
            Some(to) => {
                let there = cluster.index(to).await.doing(looking)?.is_some();
                Some((IndexName::new(to), there))
            }
        };
        found.push(Redirector { name, target });
    }
    Ok(found)
}
