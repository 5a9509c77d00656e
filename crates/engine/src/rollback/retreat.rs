//! Giving up a rollback: the target takes writes again.

use std::time::{Duration, Instant};

use segue_cluster::{AliasAction, AliasProps, Cluster};
use segue_model::cutover::{BackOut, Evidence, Mark, back_out};
use segue_model::id::{Epoch, IndexName};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Place;
use super::names::is_back;
use crate::cutover::{Patience, TakenBack, closing};
use crate::error::{Doing, Error};
use crate::part_run::PartRun;

const BETWEEN: Duration = Duration::from_millis(500);

/// What is needed to give a rollback up; the watchdog gets it as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Retreat {
    /// The old name.
    pub name: IndexName,
    /// The target, which may be blocked.
    pub target: IndexName,
    /// The kept copy.
    pub kept: IndexName,
    /// The write alias of the rollback that is given up; none = of whichever there was.
    pub write_alias: Option<String>,
    /// Whether the kept copy is to take no writes any more.
    pub close_kept: bool,
}

impl Retreat {
    /// What is needed for the rollback of `run`.
    pub(crate) fn of(run: &PartRun, place: &Place, close_kept: bool) -> Retreat {
        Retreat {
            name: run.source().clone(),
            target: run.target().clone(),
            kept: place.kept.clone(),
            write_alias: Some(run.write_alias().to_string()),
            close_kept,
        }
    }

    /// The epoch that is given up; none = whichever there is.
    fn epoch(&self) -> Option<Epoch> {
        Mark::of(self.write_alias.as_deref()?, &self.target).map(Mark::epoch)
    }
}

/// Gives the rollback up: fence, block, in this order. Every step may be repeated. Never undoes names
/// that have moved: then the write alias is gone. What is done follows from
/// [`segue_model::cutover::back_out`], with the marks on the kept copy.
pub async fn give_way(
    cluster: &Cluster,
    retreat: &Retreat,
    patience: Patience,
) -> Result<TakenBack, Error> {
    let begun = Instant::now();
    let mut tried = 0;
    loop {
        tried += 1;
        let again = match patience {
            Patience::Times(times) => tried < times,
            Patience::For(time) => begun.elapsed() < time,
        };
        match try_give_way(cluster, retreat).await {
            Err(gone @ Error::Contradiction(_)) => return Err(gone),
            Err(_) if again => tokio::time::sleep(BETWEEN).await,
            answer => return answer,
        }
    }
}

async fn try_give_way(cluster: &Cluster, retreat: &Retreat) -> Result<TakenBack, Error> {
    let (target, kept) = (retreat.target.as_str(), retreat.kept.as_str());
    let doing = || format!("giving up the rollback of {}", retreat.name);
    let copy = cluster.index(kept).await.doing(doing)?;
    let marks: Vec<_> = copy
        .iter()
        .flat_map(|copy| copy.aliases.keys())
        .filter_map(|alias| Mark::of(alias, &retreat.target))
        .collect();
    // This look comes after the one at the marks: where the write mark is gone, it is final.
    let switched = is_back(cluster, &retreat.name, &retreat.kept).await?;
    let opening = match back_out(Evidence { marks: &marks, switched, own: retreat.epoch() }) {
        BackOut::Switched => return Ok(TakenBack::Switched),
        BackOut::Superseded => return Ok(TakenBack::Superseded),
        BackOut::Take { marks, epoch } => {
            take(cluster, retreat, &marks, Mark::Opening(epoch)).await.doing(doing)?;
            Some(Mark::Opening(epoch))
        }
        BackOut::Open { epoch } => Some(Mark::Opening(epoch)),
        BackOut::OpenUnmarked => None,
    };
    let Some(at_target) = cluster.index(target).await.doing(doing)? else {
        return Err(Error::Contradiction(vec![format!(
            "{target} is gone, and {} does not stand for {kept}",
            retreat.name
        )]));
    };
    // Before it is opened: what is still on its way must not close it again.
    let unmark = closing::unmark(target, &at_target.aliases);
    if !unmark.is_empty() {
        cluster.update_aliases(&unmark).await.doing(doing)?;
    }
    match opening {
        Some(mark) => {
            let mark = mark.alias(&retreat.target);
            cluster.unblock_writes_by(target, mark.as_str()).await.doing(doing)?;
        }
        None => cluster.unblock_writes(target).await.doing(doing)?,
    }
    if retreat.close_kept && copy.is_some() {
        let block = json!({ "index.blocks.write": true });
        cluster.put_settings(kept, &block).await.doing(doing)?;
    }
    Ok(TakenBack::Back)
}

/// Takes write marks away, which must be there, and puts the opening mark on.
async fn take(
    cluster: &Cluster,
    retreat: &Retreat,
    marks: &[Mark],
    opening: Mark,
) -> Result<(), segue_cluster::Error> {
    let index = retreat.kept.to_string();
    let mut actions: Vec<_> =
        marks.iter().map(|mark| remove(&retreat.kept, *mark, &retreat.target)).collect();
    let props = AliasProps { is_hidden: Some(true), ..AliasProps::default() };
    let alias = opening.alias(&retreat.target).to_string();
    actions.push(AliasAction::Add { index, alias, props });
    cluster.update_aliases(&actions).await
}

/// Takes a mark from the kept copy, which must be there.
pub(super) fn remove(kept: &IndexName, mark: Mark, target: &IndexName) -> AliasAction {
    let (index, alias) = (kept.to_string(), mark.alias(target).to_string());
    AliasAction::Remove { index, alias, must_exist: true }
}
