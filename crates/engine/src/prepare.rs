//! Making the target, and putting the write alias of an epoch in force.
//!
//! The target is made hidden: names that also stand for other indices get a filter that matches
//! nothing, and names that a template of the cluster adds are taken away again before anything is
//! written. Its final pipeline is off until the switch, so that nothing changes documents on their
//! way. While documents are carried, refreshes, replicas and flushes are relaxed; they are restored
//! before the gate.

use std::time::{Duration, Instant};

use segue_cluster::{AliasAction, AliasProps, Class};
use segue_model::cutover::{Mark, supersede};
use segue_model::id::{Epoch, IndexUuid};
use segue_model::journal::{Event, SourceIdentity};
use segue_model::phase::Phase;
use segue_model::stamp::Versioning;
use serde_json::{Map, Value, json};

use crate::abandon;
use crate::abandon::{claim, forget};
use crate::cutover::redirect;
use crate::error::{Doing, Error};
use crate::part_run::PartRun;

/// How long the target remembers deletes while it is filled: longer than any late request of ours.
pub(crate) const GC_DELETES: &str = "12h";

/// How often marks are looked at again that change meanwhile.
const ROUNDS: u32 = 10;
/// How long writes of earlier epochs may be under way.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is set while documents are carried.
const RELAXED: [(&str, &str); 5] = [
    ("index.refresh_interval", "-1"),
    ("index.number_of_replicas", "0"),
    ("index.translog.flush_threshold_size", "1gb"),
    ("index.gc_deletes", GC_DELETES),
    // A checkpoint relies on what the target acknowledged: it has to be on disk.
    ("index.translog.durability", "request"),
];

/// What stays relaxed until the switch.
const RELAXED_UNTIL_SWITCH: [&str; 3] =
    ["index.gc_deletes", "index.translog.durability", "index.final_pipeline"];

/// Makes the target unless it is there, and journals it. `identity` is what its documents come from.
pub async fn prepare(
    run: &mut PartRun,
    identity: SourceIdentity,
    fingerprint: &str,
) -> Result<(), Error> {
    let source = run.source().clone();
    if run.state.phase == Phase::Planned {
        // Of a journal that was lost: positions in another index would stop every pass.
        forget::everything(&run.session, &source, &mut Vec::new()).await?;
    }
    run.record(Event::PrepareStarted {
        source: identity,
        target: run.target().clone(),
        pipeline: fingerprint.to_owned(),
        versioning: run.session.recipe().target.versioning(),
    })
    .await?;
    // What is still on its way of an earlier giving up must not meet the new target.
    for index in run.indices() {
        claim::clear(&run.session, &index).await?;
    }
    let target_uuid = make_target(run).await?;
    hide(run).await?;
    let (incarnation, rewrite) = (run.state.incarnation, run.state.rewrite);
    run.record(Event::Prepared { target_uuid, incarnation, rewrite }).await
}

async fn make_target(run: &PartRun) -> Result<IndexUuid, Error> {
    let target = run.target().as_str();
    let making = || format!("making the target {target}");
    if let Some(uuid) = own_target(run).await? {
        return Ok(uuid);
    }
    match run.session.cluster().create_index(target, &body(run)).await {
        // The request of a process that died meanwhile may arrive late: whose it is, is looked at.
        Err(error) if error.error_type() == Some("resource_already_exists_exception") => {}
        answer => answer.doing(making)?,
    }
    let made = own_target(run).await?;
    made.ok_or_else(|| Error::Recipe(format!("the target {target} was made and is gone again")))
}

/// The target, if it is there; an error if it is somebody else's.
async fn own_target(run: &PartRun) -> Result<Option<IndexUuid>, Error> {
    let target = run.target().as_str();
    let looking = || format!("looking for the target {target}");
    let Some(there) = run.session.cluster().index(target).await.doing(looking)? else {
        return Ok(None);
    };
    let meta = &there.mappings["_meta"]["segue"];
    let ours =
        meta["migration"] == json!(run.session.migration()) && meta["part"] == json!(run.source());
    if ours && meta["incarnation"] == json!(run.state.incarnation) {
        return Ok(Some(IndexUuid::new(there.uuid)));
    }
    // Of a beginning that was given up: a request of its process came late.
    if ours && there.docs == 0 {
        abandon::delete(&run.session, run.source(), target).await?;
        return Ok(None);
    }
    Err(Error::Recipe(format!(
        "the target {target} exists and was not made by this migration: remove it or choose another \
         name"
    )))
}

/// The target as it is made: the plan's settings, relaxed, and who made it.
fn body(run: &PartRun) -> Value {
    let planned = &run.planned.target_body;
    let mut settings = planned.settings.clone();
    for (name, value) in RELAXED {
        settings.insert(name.to_owned(), json!(value));
    }
    settings.insert("index.final_pipeline".to_owned(), json!("_none"));
    let mut mappings = planned.mappings.clone();
    mappings["_meta"]["segue"] = json!({
        "migration": run.session.migration(),
        "part": run.source(),
        "source_uuid": run.planned.source_uuid,
        "incarnation": run.state.incarnation,
        // Found again by whoever finishes the switch, also when the source is gone by then.
        "after_switch": wanted(run, RELAXED_UNTIL_SWITCH.into_iter()),
    });
    if run.state.versioning == Versioning::Preserved {
        mappings["_meta"]["segue"]["versions"] = json!(run.state.versioning.to_string());
    }
    let mut aliases: Map<String, Value> = run
        .planned
        .aliases
        .iter()
        .filter(|alias| alias.spanning)
        .map(|alias| (alias.alias.to_string(), json!({ "filter": { "match_none": {} } })))
        .collect();
    // So that of two processes which both open the first epoch one succeeds.
    let mark = Mark::Opening(Epoch(0)).alias(run.target());
    aliases.insert(mark.to_string(), json!({ "is_hidden": true }));
    json!({ "settings": settings, "mappings": mappings, "aliases": aliases })
}

/// Takes away every name that a template gave the target; it is still empty.
async fn hide(run: &PartRun) -> Result<(), Error> {
    let target = run.target().as_str();
    let hiding = || format!("hiding the target {target}");
    let cluster = run.session.cluster();
    let names = cluster.index(target).await.doing(hiding)?.map(|index| index.aliases);
    let hidden = json!({ "match_none": {} });
    let mut actions = Vec::new();
    for (alias, props) in names.unwrap_or_default() {
        let spanning = run.planned.aliases.iter().any(|a| a.spanning && a.alias.as_str() == alias);
        if spanning && props.filter.as_ref() == Some(&hidden) || Mark::is_one(&alias) {
            continue;
        }
        actions.push(AliasAction::Remove { index: target.to_owned(), alias, must_exist: false });
    }
    if actions.is_empty() { Ok(()) } else { cluster.update_aliases(&actions).await.doing(hiding) }
}

/// Puts the write alias of the next epoch in force and every older mark out of it, in one request:
/// what still works under an older epoch can neither write, nor switch, nor open the source.
pub async fn open_epoch(run: &mut PartRun) -> Result<(), Error> {
    let epoch = run.state.next_epoch();
    run.record(Event::EpochOpened { epoch }).await?;
    let target = run.target().clone();
    let opening = || format!("opening epoch {epoch} of {target}");
    for _ in 0..ROUNDS {
        let Some(actions) = to_open(run, epoch).await? else { return settle(run).await };
        match run.session.cluster().update_aliases(&actions).await {
            // A request of an earlier process came late, or the answer was lost: looked at again.
            Err(error) if matches!(error.class(), Class::NotFound | Class::MaybeApplied) => {}
            answer => {
                answer.doing(opening)?;
                return settle(run).await;
            }
        }
    }
    let how = format!("the marks of {target} change again and again");
    Err(Error::TakenOver { part: run.source().clone(), how })
}

/// Where versions are preserved, waits for the writes of earlier epochs that have resolved their alias
/// already. A delete takes its version from what stands in the target: a write that lands where nothing
/// stood when the audit looked would outlive it.
async fn settle(run: &PartRun) -> Result<(), Error> {
    match run.lineage().versioning {
        Versioning::Ours => Ok(()),
        Versioning::Preserved => {
            redirect::wait_for_writes(&run.session, Instant::now() + PATIENCE).await
        }
    }
}

/// What puts the write mark of `epoch` in force; `None` if it is.
async fn to_open(run: &PartRun, epoch: Epoch) -> Result<Option<Vec<AliasAction>>, Error> {
    let target = run.target();
    let looking = || format!("looking at the marks of {target}");
    let there = run.session.cluster().index(target.as_str()).await.doing(looking)?;
    let Some(there) = there else {
        return Err(Error::Contradiction(vec![format!(
            "the journal says that {target} was made, but it is not there"
        )]));
    };
    let marks: Vec<_> = there.aliases.keys().filter_map(|alias| Mark::of(alias, target)).collect();
    let Some(older) = supersede(&marks, epoch) else {
        let how = format!("a later epoch of {target} than {epoch} is in force");
        return Err(Error::TakenOver { part: run.source().clone(), how });
    };
    if marks == [Mark::Write(epoch)] {
        return Ok(None);
    }
    let add = |mark: Mark| AliasAction::Add {
        index: target.to_string(),
        alias: mark.alias(target).to_string(),
        props: AliasProps { is_hidden: Some(true), ..AliasProps::default() },
    };
    if marks.is_empty() {
        // Removed by hand, or this is another target than when the epoch was announced: then the next look
        // says so. Without a mark to take, two could succeed.
        return Ok(Some(vec![add(Mark::Opening(Epoch(0)))]));
    }
    let remove = |mark: Mark| AliasAction::Remove {
        index: target.to_string(),
        alias: mark.alias(target).to_string(),
        must_exist: true,
    };
    let mut actions: Vec<_> = older.into_iter().map(remove).collect();
    actions.push(add(Mark::Write(epoch)));
    Ok(Some(actions))
}

/// Sets back what was relaxed while documents were carried, before the gate.
pub async fn restore(run: &PartRun) -> Result<(), Error> {
    let until_switch = |name: &str| RELAXED_UNTIL_SWITCH.contains(&name);
    let names = RELAXED.iter().map(|(name, _)| *name).filter(|name| !until_switch(name));
    set_back(run, Value::Object(wanted(run, names))).await
}

/// Sets back what stays relaxed until the names have moved. May be repeated.
pub async fn restore_after_switch(run: &PartRun) -> Result<(), Error> {
    let target = run.target().as_str();
    let looking = || format!("looking at {target}");
    let there = run.session.cluster().index(target).await.doing(looking)?;
    let meta = there.map(|index| index.mappings["_meta"]["segue"]["after_switch"].clone());
    match meta {
        Some(settings @ Value::Object(_)) => set_back(run, settings).await,
        _ => set_back(run, Value::Object(wanted(run, RELAXED_UNTIL_SWITCH.into_iter()))).await,
    }
}

/// The planned values of these settings; null where the plan has none.
fn wanted(run: &PartRun, names: impl Iterator<Item = &'static str>) -> Map<String, Value> {
    let planned = &run.planned.target_body.settings;
    names.map(|name| (name.to_owned(), planned.get(name).cloned().unwrap_or(Value::Null))).collect()
}

async fn set_back(run: &PartRun, settings: Value) -> Result<(), Error> {
    let target = run.target().as_str();
    let restoring = || format!("restoring the settings of {target}");
    run.session.cluster().put_settings(target, &settings).await.doing(restoring)
}
