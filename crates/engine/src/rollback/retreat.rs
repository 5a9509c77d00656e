//! Giving up a rollback: the target takes writes again.

use segue_cluster::{Class, Cluster};
use segue_model::cutover::{Evidence, Mark};
use segue_model::id::{Epoch, IndexName};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Place;
use super::names::is_back;
use crate::cutover::marks::{Marks, Opened, patiently};
use crate::cutover::{Patience, TakenBack};
use crate::error::{Doing, Error};
use crate::part_run::PartRun;

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
    /// The epoch of the attempt, by the journal.
    #[serde(default = "none")]
    pub attempt: Epoch,
    /// Whether the kept copy is to take no writes any more.
    pub close_kept: bool,
}

/// No attempt has this epoch.
fn none() -> Epoch {
    Epoch(0)
}

impl Retreat {
    /// What is needed for the rollback of `run`.
    pub(crate) fn of(run: &PartRun, place: &Place, close_kept: bool) -> Retreat {
        Retreat {
            name: run.source().clone(),
            target: run.target().clone(),
            kept: place.kept.clone(),
            write_alias: Some(run.write_alias().to_string()),
            attempt: run.state.epoch.unwrap_or(Epoch(0)),
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
    patiently(patience, || try_give_way(cluster, retreat)).await
}

async fn try_give_way(cluster: &Cluster, retreat: &Retreat) -> Result<TakenBack, Error> {
    let (target, kept) = (retreat.target.as_str(), retreat.kept.as_str());
    let doing = || format!("giving up the rollback of {}", retreat.name);
    let copy = cluster.index(kept).await.doing(doing)?;
    let marks = Marks { cluster, on: &retreat.kept, target: &retreat.target };
    let seen = copy.as_ref().map(|copy| marks.among(&copy.aliases)).unwrap_or_default();
    // This look comes after the one at the marks: where the write mark is gone, it is final.
    let switched = is_back(cluster, &retreat.name, &retreat.kept).await?;
    let evidence = Evidence { marks: &seen, switched, own: retreat.epoch() };
    let opening = match marks.fence_off(evidence).await.doing(doing)? {
        Ok(opening) => opening,
        Err(ended) => return Ok(ended),
    };
    if marks.open(&retreat.target, opening, retreat.attempt).await.doing(doing)? == Opened::NoIndex
    {
        return Err(Error::Contradiction(vec![format!(
            "{target} is gone, and {} does not stand for {kept}",
            retreat.name
        )]));
    }
    if let Some(mark) = opening.filter(|_| retreat.close_kept) {
        let by = format!("{kept},{}", mark.alias(&retreat.target));
        let block = json!({ "index.blocks.write": true });
        match cluster.put_settings(&by, &block).await {
            // A later epoch has taken the mark: the copy is its own to open and close.
            Err(error) if error.class() == Class::NotFound => {}
            answer => answer.doing(doing)?,
        }
    }
    Ok(TakenBack::Back)
}
