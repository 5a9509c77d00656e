//! Following: parts that wait for their cutover are kept caught up, and those that are watched are
//! enriched and fed back, again and again until somebody stops it. Nothing is lost by stopping: positions are stored.
//!
//! A part's lease is held for one round only, so that whoever wants to cut over or to go back gets it
//! in between. What the follower has open stays good as long as nobody else has written to the part's
//! journal: an epoch that somebody opens stands there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use segue_model::id::IndexName;
use segue_model::lease::Watched;
use segue_model::part::{Cutover, PartState};
use segue_model::phase::Phase;
use segue_model::plan::{Plan, PlannedPart};
use segue_transform::Bound;

use crate::error::{Error, Stop, chain};
use crate::lease_store::Claimed;
use crate::lookup::{Pinning, pin};
use crate::part_run::PartRun;
use crate::pass::Carrier;
use crate::prepare::open_epoch;
use crate::session::Session;
use crate::watch::Watch;

/// What is done again and again for a part.
#[derive(Debug)]
enum Task {
    /// It waits for its cutover: source → target.
    CatchUp(Arc<Carrier>),
    /// It is watched: target → kept copy.
    Watch(Box<Watch>),
}

#[derive(Debug)]
struct Follower {
    run: PartRun,
    task: Task,
}

#[derive(Debug, Default)]
struct Following {
    leases: BTreeMap<IndexName, Watched>,
    followers: BTreeMap<IndexName, Follower>,
}

/// Follows the parts of `plan` until the session is told to stop, or until nothing is left to follow.
///
/// # Errors
/// What kept every attempt from succeeding for as long as health is waited for.
pub async fn follow(session: &Session, plan: &Plan, every: Duration) -> Result<(), Error> {
    let mut following = Following::default();
    let mut last_success = Instant::now();
    loop {
        match following.round(session, plan).await {
            Ok(true) => last_success = Instant::now(),
            Ok(false) | Err(Error::Stopped(Stop::Interrupted)) => return Ok(()),
            Err(error) if last_success.elapsed() < session.limits().health_wait => {
                tracing::warn!(error = chain(&error), "followed again later");
                following.followers.clear();
            }
            Err(error) => return Err(error),
        }
        if session.sleep(every).await.is_err() {
            return Ok(());
        }
    }
}

/// Whether such a part may have to be followed later, if not now.
fn may_go_on(phase: &Phase) -> bool {
    let moving = matches!(phase, Phase::CuttingOver { .. } | Phase::RollingBack);
    moving || phase.is_copying() || *phase == Phase::Watching
}

impl Following {
    /// Carries what is new in every part; whether there will be more to do.
    async fn round(&mut self, session: &Session, plan: &Plan) -> Result<bool, Error> {
        let mut more = false;
        for planned in &plan.parts {
            session.check_stop()?;
            let part = &planned.source;
            let watched = self.leases.entry(part.clone()).or_default();
            let Claimed::Ours(held) = session.leases().claim(part, watched).await? else {
                more = true;
                continue;
            };
            let turned = tokio::select! {
                turned = self.turn(session, planned) => turned,
                () = held.lost() => Ok(true),
            };
            held.give_back().await;
            match turned {
                Ok(again) => more |= again,
                Err(Error::TakenOver { how, .. }) => {
                    session.listener().note(part, format!("followed anew: {how}"));
                    self.followers.remove(part);
                    more = true;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(more)
    }

    async fn turn(&mut self, session: &Session, planned: &PlannedPart) -> Result<bool, Error> {
        let part = &planned.source;
        let mut journal = session.journal().read().await?;
        let Some(state) = journal.parts.get(part).cloned() else { return Ok(false) };
        let open = self.followers.remove(part).filter(|open| open.run.state == state);
        let follower = match (open, &state.phase) {
            (Some(open), _) => Some(open),
            // A generation is loaded once, and nothing is written to it.
            (None, _) if planned.files.is_some() => return Ok(false),
            (None, Phase::Ready) => {
                let pinned = pin(session, &mut journal, Pinning::KeptOrAnew).await?;
                Some(Follower::catch_up(begin(session, planned, state), pinned.program).await?)
            }
            (None, Phase::Watching) => {
                let pending = state.cutover.as_ref().is_some_and(Cutover::is_redirect_pending);
                let wanted = pending || session.recipe().enriches_in_place();
                let pinned = if wanted {
                    Some(pin(session, &mut journal, Pinning::KeptOrAnew).await?)
                } else {
                    None
                };
                let program = pinned.as_ref().map(|pinned| &pinned.program);
                Follower::watch(begin(session, planned, state), program).await?
            }
            (None, phase) => return Ok(may_go_on(phase)),
        };
        let Some(mut follower) = follower else { return Ok(false) };
        let more = follower.step().await?;
        if more {
            self.followers.insert(part.clone(), follower);
        }
        Ok(more)
    }
}

fn begin(session: &Session, planned: &PlannedPart, state: PartState) -> PartRun {
    PartRun { session: session.clone(), planned: planned.clone(), state }
}

impl Follower {
    async fn catch_up(mut run: PartRun, program: Bound) -> Result<Follower, Error> {
        open_epoch(&mut run).await?;
        let carrier = Carrier::open(&run, program).await?;
        Ok(Follower { task: Task::CatchUp(Arc::new(carrier)), run })
    }

    async fn watch(mut run: PartRun, program: Option<&Bound>) -> Result<Option<Follower>, Error> {
        let watch = Watch::begin(&mut run, program).await?;
        Ok(watch.map(|watch| Follower { run, task: Task::Watch(Box::new(watch)) }))
    }

    /// Carries what is new; whether there will be more to do.
    async fn step(&mut self) -> Result<bool, Error> {
        match &mut self.task {
            Task::CatchUp(carrier) => {
                carrier.pass().await?;
                Ok(true)
            }
            Task::Watch(watch) => {
                watch.turn(&mut self.run).await?;
                Ok(self.run.state.phase == Phase::Watching)
            }
        }
    }
}
