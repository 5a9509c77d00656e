//! The kept copy: whether it is what the journal says, and how it is opened and closed.

use std::collections::BTreeMap;

use segue_cluster::Colour;
use segue_model::id::{IndexName, SeqNo};
use segue_model::journal::Before;
use segue_model::part::Cutover;
use serde_json::{Map, Value, json};

use crate::cutover::before::CHANGED;
use crate::error::{Doing, Error};
use crate::part_run::PartRun;

/// Where a part goes back to.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The kept copy.
    pub kept: IndexName,
    /// The target's numbers before any write of an application.
    pub cursor: Vec<SeqNo>,
    /// The source before the switch.
    pub before: Option<Before>,
}

/// While the copy is fed: longer than any late request of ours.
const GC_DELETES: &str = "12h";

impl Place {
    /// What the journal says.
    pub(crate) fn known(run: &PartRun) -> Result<Place, Error> {
        let cutover = run.state.cutover.as_ref();
        let known = cutover.and_then(|cutover| {
            Some(Place {
                kept: cutover.keep.clone(),
                // Redirected writes were the application's from the first of them on.
                cursor: match &cutover.redirect {
                    Some(redirect) => redirect.cursor.clone(),
                    None => cutover.cursor.clone()?,
                },
                before: cutover.before.as_deref().cloned(),
            })
        });
        known.ok_or_else(|| {
            let what = format!("the journal does not say where {} could go back to", run.source());
            Error::Contradiction(vec![what])
        })
    }

    /// What the journal says, checked against the cluster.
    pub(crate) async fn look(run: &PartRun) -> Result<Place, Error> {
        let place = Place::known(run)?;
        let (source, target, kept) = (run.source(), run.target(), &place.kept);
        let looking = || format!("looking at {kept} and the names of {target}");
        let cluster = run.session.cluster();
        let copy = cluster.index(kept.as_str()).await.doing(looking)?;
        let there = cluster.index(target.as_str()).await.doing(looking)?;
        let on = cluster.alias(source.as_str()).await.doing(looking)?;
        let mut wrong = Vec::new();
        if run.state.cutover.as_ref().is_some_and(Cutover::is_redirect_pending) {
            wrong.push("its redirect has not ended: `segue run` ends it".to_owned());
        }
        if run.state.retired.is_some() {
            wrong.push(format!("{kept} was given up by a clean-up"));
        }
        match (copy, &run.state.source) {
            (None, _) => wrong.push(format!("{kept}, the copy of the old index, is gone")),
            (Some(copy), Some(identity))
                if copy.settings["index.resize.source.uuid"] != json!(identity.uuid) =>
            {
                wrong.push(format!("{kept} is not a copy of the index that {source} was"));
            }
            (Some(copy), _) if !copy.open => wrong.push(format!("{kept} is closed")),
            _ => {}
        }
        match (there, &run.state.target_uuid) {
            (None, _) => wrong.push(format!("{target} is gone")),
            (Some(there), Some(uuid)) if there.uuid != uuid.as_str() => {
                wrong.push(format!("{target} is another index than the one that was made"));
            }
            (Some(there), _) if place.cursor.len() != there.shards as usize => {
                wrong.push(format!("{target} has another number of shards than at the switch"));
            }
            _ => {}
        }
        if on.len() != 1 || !on.contains_key(target.as_str()) {
            let on: Vec<_> = on.keys().map(String::as_str).collect();
            wrong.push(format!("{source} stands for [{}], not for {target}", on.join(", ")));
        }
        if wrong.is_empty() { Ok(place) } else { Err(Error::Contradiction(wrong)) }
    }

    /// Fails where the copy could not serve.
    pub(crate) async fn check_health(&self, run: &PartRun) -> Result<(), Error> {
        let kept = self.kept.as_str();
        let looking = || format!("looking at the health of {kept}");
        let health = run.session.cluster().index_health(kept).await.doing(looking)?;
        if health.status == Colour::Red {
            let reason = format!("{kept} is red: it could not serve");
            return Err(Error::RollbackBackedOut { reason });
        }
        Ok(())
    }

    /// Whether the copy has a mark as long as there is a way back: older versions made it without.
    pub(super) fn is_marked(&self) -> bool {
        self.before.as_ref().is_some_and(|before| before.marked)
    }

    /// Lets our writes in: without pipelines, with every write on disk, with deletes remembered.
    pub(super) async fn open(&self, run: &PartRun) -> Result<(), Error> {
        self.set_marked(
            run,
            &json!({
                "index.blocks.write": null,
                "index.default_pipeline": "_none",
                "index.final_pipeline": "_none",
                "index.hidden": true,
                "index.gc_deletes": GC_DELETES,
                "index.translog.durability": "request"
            }),
        )
        .await
    }

    /// Closes the copy again: nothing is carried back any more.
    pub(crate) async fn close(&self, run: &PartRun) -> Result<(), Error> {
        self.set_marked(run, &json!({ "index.blocks.write": true })).await
    }

    /// The pipelines that the old index had: whoever writes by its name next finds them.
    pub(super) async fn set_pipelines(&self, run: &PartRun) -> Result<(), Error> {
        let pipelines: Map<String, Value> =
            self.settings().into_iter().filter(|(name, _)| name.ends_with("_pipeline")).collect();
        self.set_marked(run, &Value::Object(pipelines)).await
    }

    /// Every setting that the copy has otherwise than the old index had.
    pub(super) async fn restore(&self, run: &PartRun) -> Result<(), Error> {
        let settings: Map<String, Value> = self.settings().into_iter().collect();
        self.put(run, self.kept.as_str(), &Value::Object(settings)).await
    }

    fn settings(&self) -> BTreeMap<String, Value> {
        let mut settings: BTreeMap<_, _> =
            CHANGED.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
        settings.extend(self.before.iter().flat_map(|before| before.settings.clone()));
        settings
    }

    /// By a request that names the write alias, too: the engine refuses it once another epoch is in force,
    /// or the names have moved back.
    async fn set_marked(&self, run: &PartRun, settings: &Value) -> Result<(), Error> {
        self.put(run, &format!("{},{}", self.kept, run.write_alias()), settings).await
    }

    async fn put(&self, run: &PartRun, index: &str, settings: &Value) -> Result<(), Error> {
        let setting = || format!("changing the settings of {}", self.kept);
        run.session.cluster().put_settings(index, settings).await.doing(setting)
    }
}
