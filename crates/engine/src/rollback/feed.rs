//! The reverse feed: what applications write to the target, carried into the kept copy.

use std::sync::Arc;

use segue_cluster::{Fetch, Hit};
use segue_model::cutover::{Mark, supersede};
use segue_model::id::{Epoch, IndexName, Shard};
use segue_model::journal::Event;
use segue_model::observe::mapping::is_mapped;
use segue_model::reverse::Reverse;
use segue_model::stamp::Versioning;
use segue_model::version::{Incarnation, Origin, Rewrite, Version};
use segue_transform::{Bound, Program};

use super::Place;
use crate::cutover::marks::Marks;
use crate::error::{Doing, Error};
use crate::part_run::PartRun;
use crate::pass::{Carrier, Lineage, Passed};
use crate::scan::{Visitor, everything, scan};

/// How many documents behind a feed may be when the target is closed.
const NEAR: u64 = 5_000;
/// How many passes may follow each other; writers faster than that are left to the window.
const PASSES: u32 = 20;

/// The reverse feed of one part, open.
#[derive(Debug)]
pub(crate) struct Feed {
    /// Reads the target and writes the kept copy.
    pub carrier: Arc<Carrier>,
    /// The kept copy.
    pub kept: IndexName,
}

/// Whether what is written after the switch goes back: the recipe says so, or something has gone back
/// already, so that the kept copy is not what it was at the switch.
pub(crate) fn is_fed_back(run: &PartRun) -> bool {
    let wanted = run.session.recipe().cutover.is_fed_back() || run.state.reverse.is_some();
    // Where versions of the source were preserved, nothing of ours may raise them; where the pipeline made
    // the keys, or several sources were merged, nothing says which document of which old index one of the target
    // belongs to.
    let one = run.also().is_empty();
    wanted && one && run.state.versioning == Versioning::Ours && !run.is_keyed()
}

impl Feed {
    /// Opens the feed in a new epoch; an earlier process can write nothing from then on.
    pub(crate) async fn open(run: &mut PartRun, place: &Place) -> Result<Feed, Error> {
        let program = program(run, place).await?;
        let incarnation = match run.state.reverse {
            Some(incarnation) => incarnation,
            None => {
                let incarnation = next_incarnation(run, place).await?;
                run.record(Event::ReverseFeedStarted { incarnation }).await?;
                incarnation
            }
        };
        next_epoch(run).await?;
        mark_kept(run, place).await?;
        place.open(run).await?;
        let rewrite = Rewrite::FIRST;
        let versioning = Versioning::Ours;
        let lineage = Lineage { incarnation, rewrite, versioning, ..run.lineage() };
        let carrier = Carrier::open_back(
            &run.session,
            run.target(),
            run.write_alias(),
            lineage,
            program,
            &place.cursor,
        );
        let carrier = Arc::new(carrier.await?);
        Ok(Feed { carrier, kept: place.kept.clone() })
    }

    /// Passes until the feed is near, or writers prove faster.
    pub(crate) async fn catch_up(&self) -> Result<Passed, Error> {
        let mut sum = Passed::default();
        for _ in 0..PASSES {
            self.carrier.session().check_stop()?;
            let passed = self.carrier.pass().await?;
            sum.add(&passed);
            if passed.operations <= NEAR {
                break;
            }
        }
        Ok(sum)
    }
}

/// The reverse pipeline, if the recipe's pipeline is the one that made the target.
async fn program(run: &PartRun, place: &Place) -> Result<Bound, Error> {
    let recipe = run.session.recipe();
    let made_by = place.before.as_ref().map(|before| before.pipeline.as_str());
    if made_by.is_some_and(|made_by| made_by != recipe.pipeline_fingerprint()) {
        return Err(Error::Recipe(format!(
            "the recipe's pipeline is not the one that {} was made with: nothing can be carried \
             back before it is again",
            run.target()
        )));
    }
    let kept = place.kept.as_str();
    let looking = || format!("looking at the mapping of {kept}");
    let copy = run.session.cluster().index(kept).await.doing(looking)?;
    let mappings = copy.map(|copy| copy.mappings).unwrap_or_default();
    let reverse = Reverse::of(&recipe.pipeline, &|field| is_mapped(&mappings, field));
    Ok(Program::compile(&reverse.steps)?.bind(Vec::new())?)
}

/// Above every version that the kept copy holds: it may have been fed before, or be a target itself.
async fn next_incarnation(run: &PartRun, place: &Place) -> Result<Incarnation, Error> {
    let session = &run.session;
    let stretches = everything(session, &place.kept).await?;
    let readers = (0..session.limits().lanes.max(1)).map(|_| Highest(None)).collect();
    let found = scan(session, &place.kept, &stretches, &Fetch::IdsOnly, readers).await?;
    let held = found.into_iter().filter_map(|reader| reader.0).max();
    let highest = held.max(Some(run.state.incarnation)).unwrap_or(Incarnation::FIRST);
    highest.next().ok_or_else(|| Error::VersionsUsedUp { target: place.kept.clone() })
}

/// The highest incarnation seen.
struct Highest(Option<Incarnation>);

impl Visitor for Highest {
    fn visit(&mut self, _: Shard, hit: &Hit<'_>) -> Result<(), Error> {
        if let Origin::Ours(was) | Origin::Touched { was, .. } = Version(hit.version).origin() {
            self.0 = self.0.max(Some(was.incarnation));
        }
        Ok(())
    }
}

/// Announces the write alias of the next epoch.
pub(super) async fn next_epoch(run: &mut PartRun) -> Result<(), Error> {
    let epoch = run.state.next_epoch();
    run.record(Event::EpochOpened { epoch }).await
}

/// Puts the announced write alias on the kept copy, and every older mark out of force. There is one as long
/// as there is a way back: who finds none comes too late, and what serves by now must not be fed.
pub(super) async fn mark_kept(run: &PartRun, place: &Place) -> Result<(), Error> {
    let kept = place.kept.as_str();
    let opening = || format!("opening {kept} for what was written since the switch");
    let cluster = run.session.cluster();
    let copy = cluster.index(kept).await.doing(opening)?.or_gone(kept)?;
    let epoch = run.state.epoch.unwrap_or(Epoch(0));
    let marks = Marks { cluster, on: &place.kept, target: run.target() };
    let seen = marks.among(&copy.aliases);
    if seen.is_empty() && place.is_marked() {
        let how = format!("{kept} has no mark any more: the names have moved back");
        return Err(Error::TakenOver { part: run.source().clone(), how });
    }
    let Some(older) = supersede(&seen, epoch) else {
        let how = format!("a later epoch than {epoch} is in force on {kept}");
        return Err(Error::TakenOver { part: run.source().clone(), how });
    };
    let mut actions: Vec<_> = older.into_iter().map(|mark| marks.remove(mark)).collect();
    actions.push(marks.add(Mark::Write(epoch)));
    cluster.update_aliases(&actions).await.doing(opening)
}

/// Ends the feed: the kept copy takes no writes, and nobody's write alias is on it. An opening mark is left,
/// which shuts out whoever announced an earlier epoch.
pub(crate) async fn close_kept(run: &PartRun, place: &Place) -> Result<(), Error> {
    let kept = place.kept.as_str();
    let closing = || format!("closing {kept}");
    let cluster = run.session.cluster();
    place.close(run).await?;
    let copy = cluster.index(kept).await.doing(closing)?.or_gone(kept)?;
    let marks = Marks { cluster, on: &place.kept, target: run.target() };
    let seen = marks.among(&copy.aliases);
    let last = Mark::Opening(run.state.epoch.unwrap_or(Epoch(0)));
    let mut actions: Vec<_> = seen.into_iter().map(|mark| marks.remove(mark)).collect();
    actions.push(marks.add(last));
    cluster.update_aliases(&actions).await.doing(closing)
}

trait OrGone<T> {
    fn or_gone(self, name: &str) -> Result<T, Error>;
}

impl<T> OrGone<T> for Option<T> {
    fn or_gone(self, name: &str) -> Result<T, Error> {
        self.ok_or_else(|| Error::Contradiction(vec![format!("{name} is gone")]))
    }
}
