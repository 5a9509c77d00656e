//! A dry run: documents of every part go through the real pipeline into a scratch index with the target's
//! mapping and settings, which is removed again.
//!
//! What a mapping takes cannot be read off it, and what a pipeline makes of real documents cannot be
//! guessed: here both are seen before anything is begun. Nothing else is changed: no journal, no lease, no
//! checkpoint, no name.

mod lane;
mod report;

use std::sync::Arc;
use std::time::Instant;

use segue_cluster::{AliasAction, Fetch};
use segue_model::estimate::{Measured, at_speed};
use segue_model::id::{AliasName, SeqNo, Shard};
use segue_model::plan::{Plan, PlannedFiles, PlannedPart};
use segue_model::sample::places;
use segue_transform::{Bound, Program};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::error::{Doing, Error, chain};
use crate::load::sample;
use crate::page::PageReader;
use crate::progress::Progress;
use crate::report::PartError;
use crate::scan::{Stretch, everything, finish, queue, take};
use crate::scratch;
use crate::session::Session;
use crate::sources::Sources;
use crate::trial::{Scratch, bind};
use lane::{Lane, Way};
use report::Found;
pub use report::{DryGroup, DryPart, DryRun};

/// How often the scratch index is tried to be removed.
const REMOVALS: u32 = 3;

/// How many documents of each part are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// So many, spread over the part.
    Sample(u64),
    /// All of them.
    All,
}

/// Tries every part of `plan` that is left to be copied. What stops one part is told of it, and does not
/// stop the others.
///
/// # Errors
/// The user wants to stop; a lookup cannot be read; health stays bad. The scratch index is removed first.
pub async fn dry_run(session: &Session, plan: &Plan, amount: Amount) -> Result<DryRun, Error> {
    let begun = Instant::now();
    let program = Program::compile(&session.recipe().pipeline)?;
    scratch::sweep(session.cluster()).await;
    // Lives as long as the views are read from it.
    let files = Scratch::new(session);
    let bound = bind(session, program, &files).await?;
    let mut parts = Vec::new();
    for part in plan.active().filter(|part| is_copied(part)) {
        session.check_stop()?;
        parts.push(try_part(session, part, &bound, amount).await?);
    }
    Ok(DryRun {
        migration: session.migration().clone(),
        plan: plan.hash.clone(),
        sample: match amount {
            Amount::Sample(documents) => Some(documents),
            Amount::All => None,
        },
        duration_ms: ms(begun),
        parts,
    })
}

fn ms(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// After its switch a part's name stands for the target, and nothing is copied any more.
fn is_copied(part: &PlannedPart) -> bool {
    part.shards > 0 && part.target_body.mappings.is_object()
}

async fn try_part(
    session: &Session,
    part: &PlannedPart,
    program: &Bound,
    amount: Amount,
) -> Result<DryPart, Error> {
    let mut told = DryPart {
        source: part.source.clone(),
        target: part.target.clone(),
        documents: part.files.is_none().then_some(part.docs),
        read: 0,
        written: 0,
        filtered: Default::default(),
        refused: 0,
        groups: Vec::new(),
        incomplete: 0,
        incomplete_documents: Vec::new(),
        templates: part.difference.templates.clone(),
        seconds: None,
        error: None,
    };
    let name = scratch::name(session.migration(), &format!("dry {}", part.source));
    let mut found = Found::default();
    let filled = fill(session, part, program, (&name, amount), &mut found).await;
    // Whatever happened, and also if the answer to its making was lost.
    remove(session, &name).await?;
    let stopped = match filled {
        Ok(took_ms) => {
            let (part, documents) = (part.source.clone(), found.balance.read);
            let measured = Measured { part, documents, ms: took_ms };
            told.seconds = told.documents.and_then(|all| at_speed(session.recipe(), measured, all));
            None
        }
        Err(error @ Error::Stopped(_)) => return Err(error),
        Err(error) => Some(PartError { code: error.code(), message: chain(&error) }),
    };
    found.tell(&mut told);
    told.error = stopped;
    Ok(told)
}

async fn remove(session: &Session, name: &str) -> Result<(), Error> {
    for attempt in 1.. {
        match scratch::remove(session.cluster(), name).await {
            Err(error) if attempt < REMOVALS => {
                tracing::warn!(error = chain(&error), "removed once more");
                tokio::time::sleep(session.limits().retry_delay).await;
            }
            answer => return answer,
        }
    }
    Ok(())
}

/// Makes the scratch index and fills it; says how long the filling took, in milliseconds.
async fn fill(
    session: &Session,
    part: &PlannedPart,
    program: &Bound,
    (name, amount): (&str, Amount),
    found: &mut Found,
) -> Result<u64, Error> {
    session.healthy().await?;
    let alias = AliasName::new(format!("{name}-write"));
    let body = body(session, part, &alias).await?;
    let making = || format!("making the scratch index {name} for {}", part.target);
    session.cluster().create_index(name, &body).await.doing(making)?;
    hide(session, name, &alias).await?;
    session.drill("dry_run_made")?;
    let way = Way {
        session: session.clone(),
        part: part.source.clone(),
        sources: sources(session, part).await?,
        alias,
        program: program.clone(),
        shards: part.shards,
    };
    let begun = Instant::now();
    match (&part.files, amount) {
        (Some(files), _) => load(&way, files, amount, found).await?,
        (None, Amount::All) => copy_all(&way, found).await?,
        (None, Amount::Sample(documents)) => copy_some(&way, documents, found).await?,
    }
    session.drill("dry_run_filled")?;
    Ok(ms(begun))
}

/// What the part is read from.
async fn sources(session: &Session, part: &PlannedPart) -> Result<Sources, Error> {
    let all = part.all_sources();
    if part.also.is_empty() {
        return Ok(Sources::from(&all));
    }
    let looking = || format!("looking at the shards of {all}");
    let shards = session.cluster().shard_stats(all.as_str()).await.doing(looking)?;
    Ok(Sources::of(all, &shards))
}

/// The target as it is planned, or as it stands where the part has begun, on one shard.
async fn body(session: &Session, part: &PlannedPart, alias: &AliasName) -> Result<Value, Error> {
    let target = part.target.as_str();
    let looking = || format!("looking at the target {target}");
    let there = session.cluster().index(target).await.doing(looking)?;
    let mut body = scratch::body(part);
    let ours = |mappings: &Value| {
        let meta = &mappings["_meta"]["segue"];
        meta["migration"] == json!(session.migration()) && meta["part"] == json!(part.source)
    };
    if let Some(mut mappings) = there.map(|index| index.mappings).filter(ours) {
        // The scratch index is no target of ours.
        if let Some(meta) = mappings["_meta"].as_object_mut() {
            meta.remove("segue");
        }
        body["mappings"] = mappings;
    }
    body["settings"]["index.refresh_interval"] = json!("-1");
    body["aliases"] = json!({ alias.as_str(): { "is_hidden": true } });
    Ok(body)
}

/// Takes away every name that a template gave the scratch index, before anything is in it: readers by that
/// name would see documents twice.
async fn hide(session: &Session, name: &str, write: &AliasName) -> Result<(), Error> {
    let hiding = || format!("hiding the scratch index {name}");
    let there = session.cluster().index(name).await.doing(hiding)?;
    let names = there.map(|index| index.aliases).unwrap_or_default();
    let others = names.into_keys().filter(|alias| alias != write.as_str());
    let remove = |alias| AliasAction::Remove { index: name.to_owned(), alias, must_exist: false };
    let actions: Vec<_> = others.map(remove).collect();
    match actions.is_empty() {
        true => Ok(()),
        false => session.cluster().update_aliases(&actions).await.doing(hiding),
    }
}

fn expect(way: &Way, documents: u64) {
    let part = way.part.clone();
    way.session.listener().tell(Progress::Expected { part, documents });
}

/// Some documents at each of many places. Where a place has fewer than wanted, others give more.
async fn copy_some(way: &Way, wanted: u64, found: &mut Found) -> Result<(), Error> {
    let stretches = everything(&way.session, way.sources.all()).await?;
    let shards: Vec<_> = stretches.iter().map(|stretch| (stretch.shard, stretch.to)).collect();
    let mut pages = PageReader::new(&way.session, &way.sources, Fetch::Source);
    let mut lane = Lane::new(way);
    expect(way, wanted);
    let (mut left, mut rest) = (wanted, Vec::new());
    let read = async {
        for place in places(&shards, wanted) {
            let stretch = Stretch { shard: place.shard, from: place.from, to: place.to };
            let (taken, next) = copy_from(&mut lane, &mut pages, stretch, place.wanted).await?;
            left = left.saturating_sub(taken);
            rest.extend(next.map(|from| Stretch { from, ..stretch }));
        }
        for stretch in rest {
            if left == 0 {
                break;
            }
            let (taken, _) = copy_from(&mut lane, &mut pages, stretch, left).await?;
            left = left.saturating_sub(taken);
        }
        Ok(())
    };
    let done = read.await;
    found.add(lane.found);
    done
}

/// Carries documents from the beginning of a stretch: how many, and where it could go on.
async fn copy_from(
    lane: &mut Lane,
    pages: &mut PageReader,
    stretch: Stretch,
    wanted: u64,
) -> Result<(u64, Option<SeqNo>), Error> {
    let (mut taken, mut after) = (0, Some(stretch.from));
    while let Some(from) = after.filter(|_| taken < wanted) {
        pages.limit(wanted - taken);
        let turned = pages.turn(stretch.shard, from, stretch.to).await?;
        let hits: Vec<_> = turned.page.hits().collect();
        lane.carry(stretch.shard, &hits).await?;
        taken += hits.len() as u64;
        after = turned.next;
    }
    Ok((taken, after))
}

/// Everything, by several lanes.
async fn copy_all(way: &Way, found: &mut Found) -> Result<(), Error> {
    let stretches = everything(&way.session, way.sources.all()).await?;
    let queue = queue(&way.session, &stretches);
    let mut working = JoinSet::new();
    for _ in 0..way.session.limits().lanes.max(1) {
        let (way, queue) = (way.clone(), Arc::clone(&queue));
        working.spawn(async move {
            let mut lane = Lane::new(&way);
            let mut pages = PageReader::new(&way.session, &way.sources, Fetch::Source);
            while let Some((shard, window)) = take(&queue) {
                let documents = copy_window(&mut lane, &mut pages, shard, window.from, window.to);
                finish(&queue, shard, window, documents.await?)?;
            }
            Ok::<_, Error>(lane.found)
        });
    }
    while let Some(ended) = working.join_next().await {
        // Leaving drops the set, which ends the other lanes.
        found.add(ended.map_err(|join| Error::Task(join.to_string()))??);
    }
    Ok(())
}

async fn copy_window(
    lane: &mut Lane,
    pages: &mut PageReader,
    shard: Shard,
    from: SeqNo,
    to: SeqNo,
) -> Result<u64, Error> {
    let stretch = Stretch { shard, from, to };
    Ok(copy_from(lane, pages, stretch, u64::MAX).await?.0)
}

/// Records of files, read by a thread of their own.
async fn load(
    way: &Way,
    files: &PlannedFiles,
    amount: Amount,
    found: &mut Found,
) -> Result<(), Error> {
    let Some(spec) = way.session.recipe().source.files().cloned() else {
        return Err(Error::Task("a generation without files".to_owned()));
    };
    let most = match amount {
        Amount::Sample(documents) => Some(documents),
        Amount::All => None,
    };
    let (sender, mut records) = mpsc::channel(2);
    let (session, files) = (way.session.clone(), files.clone());
    let reading = tokio::task::spawn_blocking(move || {
        sample::read(&session, (&spec, &files), most, &sender);
    });
    let mut lane = Lane::new(way);
    let write = async {
        while let Some(chunk) = records.recv().await {
            lane.load(&chunk?).await?;
        }
        Ok(())
    };
    let done = write.await;
    // The reader ends once nobody takes its records.
    drop(records);
    let read = reading.await.map_err(|join| Error::Task(join.to_string()));
    found.add(lane.found);
    done.and(read)
}
