//! The ingest pipeline that sends an index's writes on, and the settings that put it in force.

use segue_cluster::Cluster;
use segue_model::id::{AliasName, IndexName, MigrationName};
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use super::note::{Note, NoteKey, setting};
use crate::error::{Doing, Error};

const DEFAULT: &str = "index.default_pipeline";
const FINAL: &str = "index.final_pipeline";

/// What the names of these pipelines begin with.
pub const REDIRECT_PIPELINE: &str = "segue-redirect-";

/// Refuses what the statement about the writers rules out, so that a violation is loud, and sends on
/// the rest. What the index's own pipelines have sent elsewhere goes there. No version is set: the
/// engine gives the next one.
///
/// In an ingest script `_version` is −4 for a creation, −3 for a plain write, and 0 or more for an
/// external one; `_id` is null where the engine makes it. `_index` is the name that was written to.
const SEND_ON: &str = "\
if (params.names.contains(ctx._index)) {\
  if (ctx._version != null && ctx._version == -4L && ctx._id != null) {\
    throw new IllegalArgumentException('segue redirects the writes of this index: creating a document \
with an id of your own is not possible meanwhile');\
  }\
  if (ctx._version != null && ctx._version >= 0L) {\
    throw new IllegalArgumentException('segue redirects the writes of this index: external versions \
are not possible meanwhile');\
  }\
  ctx._index = params.target;\
}";

/// The name of an attempt's pipeline. Every attempt has its own, so that whoever still works at an
/// older one can't change it.
pub(super) fn name(key: &NoteKey) -> String {
    let NoteKey { migration, part, epoch } = key;
    format!("{REDIRECT_PIPELINE}{migration}-{:016x}-{}", xxh3_64(part.as_str().as_bytes()), epoch.0)
}

/// A pipeline like those that redirect, which no index uses.
pub(crate) fn specimen() -> Value {
    let script = json!({ "lang": "painless", "source": SEND_ON, "params": { "names": [] } });
    json!({ "description": "segue, a trial", "processors": [{ "script": script }] })
}

/// Processors that run these pipelines, one after the other.
fn run_each(pipelines: &[&Option<String>]) -> Vec<Value> {
    let real = pipelines.iter().filter_map(|name| name.as_ref()).filter(|name| *name != "_none");
    real.map(|name| json!({ "pipeline": { "name": name } })).collect()
}

/// The pipeline: what the index's own pipelines do; with a target, then the new destination of what was
/// written by one of these names.
fn body(
    part: &IndexName,
    migration: &MigrationName,
    note: &Note,
    to: Option<(&IndexName, &[AliasName])>,
) -> Value {
    let own = [&note.default_pipeline, &note.final_pipeline];
    let mut processors = run_each(&own);
    let what = match to {
        Some((target, aliases)) => {
            let aliases = aliases.iter().map(AliasName::as_str);
            let names: Vec<_> = std::iter::once(part.as_str()).chain(aliases).collect();
            let params = json!({ "names": names, "target": target });
            let script = json!({ "lang": "painless", "source": SEND_ON, "params": params });
            processors.push(json!({ "script": script }));
            format!("sends the writes of {part} on to {target}")
        }
        None => format!("stands in for the pipelines of {part} while writes are fed back"),
    };
    json!({ "description": format!("segue, migration {migration}, part {part}: {what}"),
            "processors": processors })
}

/// Which index's writes, and by whom.
pub(super) struct Redirection<'a> {
    pub cluster: &'a Cluster,
    pub migration: &'a MigrationName,
    pub source: &'a IndexName,
    pub note: &'a Note,
}

impl Redirection<'_> {
    /// Sends writes by the source's own name or one of `aliases` on to `target`. When this returns every
    /// node does.
    pub(super) async fn begin(
        &self,
        target: &IndexName,
        aliases: &[AliasName],
        mark: &AliasName,
    ) -> Result<(), Error> {
        let doing = || format!("redirecting the writes of {}", self.source);
        let body = body(self.source, self.migration, self.note, Some((target, aliases)));
        self.cluster.put_pipeline(&self.note.pipeline, &body).await.doing(doing)?;
        // The final pipeline of an index is not run for writes that leave it.
        let settings = json!({ DEFAULT: self.note.pipeline, FINAL: "_none" });
        // By the closing mark: late, it redirects nothing.
        self.cluster.put_settings(mark.as_str(), &settings).await.doing(doing)
    }

    /// Lets the source take writes again, through its own pipelines, but still by way of ours: what is
    /// fed back with `pipeline=_none` must not run through them once more.
    pub(super) async fn let_through(&self) -> Result<(), Error> {
        let doing = || format!("ending the redirect of {}", self.source);
        let body = body(self.source, self.migration, self.note, None);
        self.cluster.put_pipeline(&self.note.pipeline, &body).await.doing(doing)
    }

    /// Readies the target for writes by its new names. Its final pipeline can't be in force yet: it would
    /// change what we write, and what was redirected has passed the source's. So the default one, which
    /// runs for neither, does the work of both until [`Redirection::ready_target`].
    pub(super) async fn hold_target(&self, target: &IndexName) -> Result<(), Error> {
        if !self.note.has_final() {
            return Ok(());
        }
        let doing = || format!("readying the pipelines of {target}");
        let both = [&self.note.target_default, &self.note.target_final];
        let body = json!({
            "description": format!(
                "segue, migration {}, part {}: both pipelines of {target}, until the redirect has ended",
                self.migration, self.source
            ),
            "processors": run_each(&both),
        });
        self.cluster.put_pipeline(&self.after(), &body).await.doing(doing)?;
        let settings = json!({ DEFAULT: self.after(), FINAL: "_none" });
        self.cluster.put_settings(target.as_str(), &settings).await.doing(doing)
    }

    /// Sets the target's pipelines as planned: both at once, so that every write passes each once.
    pub(super) async fn ready_target(&self, target: &IndexName) -> Result<(), Error> {
        self.set_target(target, setting(self.note.target_final.as_ref())).await
    }

    /// Sets the target's default pipeline back, where there is no switch.
    pub(super) async fn release_target(&self, target: &IndexName) -> Result<(), Error> {
        self.set_target(target, json!("_none")).await
    }

    async fn set_target(&self, target: &IndexName, last: Value) -> Result<(), Error> {
        if !self.note.has_final() {
            return Ok(());
        }
        let doing = || format!("setting the pipelines of {target}");
        let settings = json!({ DEFAULT: setting(self.note.target_default.as_ref()), FINAL: last });
        self.cluster.put_settings(target.as_str(), &settings).await.doing(doing)
    }

    /// Deletes the pipeline that [`Redirection::hold_target`] made; nothing may use it any more.
    pub(super) async fn remove_after(&self) -> Result<(), Error> {
        let doing = || format!("deleting the pipeline {}", self.after());
        self.cluster.delete_pipeline(&self.after()).await.doing(doing)
    }

    fn after(&self) -> String {
        format!("{}-after", self.note.pipeline)
    }

    /// Sets the source's own pipelines back.
    pub(super) async fn set_back(&self) -> Result<(), Error> {
        let doing = || format!("setting the pipelines of {} back", self.source);
        let settings = json!({
            DEFAULT: setting(self.note.default_pipeline.as_ref()),
            FINAL: setting(self.note.final_pipeline.as_ref()),
        });
        self.cluster.put_settings(self.source.as_str(), &settings).await.doing(doing)
    }

    /// Deletes the pipeline; nothing may use it any more.
    pub(super) async fn remove(&self) -> Result<(), Error> {
        let doing = || format!("deleting the pipeline {}", self.note.pipeline);
        self.cluster.delete_pipeline(&self.note.pipeline).await.doing(doing)
    }
}

/// The index's own pipelines, default and final, as they are set now.
pub(super) async fn own_pipelines(
    cluster: &Cluster,
    source: &IndexName,
) -> Result<(Option<String>, Option<String>), Error> {
    let looking = || format!("looking at the pipelines of {source}");
    let index = cluster.index(source.as_str()).await.doing(looking)?;
    let settings = index.map(|index| index.settings).unwrap_or_default();
    let text = |name: &str| settings[name].as_str().map(str::to_owned);
    Ok((text(DEFAULT), text(FINAL)))
}

/// Whether a pipeline of ours is in force on the source.
pub(super) async fn in_force(cluster: &Cluster, source: &IndexName) -> Result<bool, Error> {
    let (default, _) = own_pipelines(cluster, source).await?;
    Ok(default.is_some_and(|name| name.starts_with(REDIRECT_PIPELINE)))
}

#[cfg(test)]
mod tests {
    use segue_model::id::Epoch;
    use segue_model::version::{Incarnation, Rewrite};

    use super::*;

    #[test]
    fn the_own_pipelines_run_first_and_the_destination_comes_last() {
        let note = Note {
            pipeline: "p".to_owned(),
            default_pipeline: Some("mine".to_owned()),
            final_pipeline: Some("_none".to_owned()),
            target_default: None,
            target_final: None,
            cursor: Vec::new(),
            incarnation: Incarnation::FIRST,
            rewrite: Rewrite::FIRST,
        };
        let (part, migration) = (IndexName::new("a"), MigrationName::new("m"));
        let (target, aliases) = (IndexName::new("b"), [AliasName::new("all")]);
        let on = body(&part, &migration, &note, Some((&target, &aliases)));
        let kinds: Vec<_> = on["processors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| p.as_object().unwrap().keys().next().unwrap().as_str())
            .collect();
        assert_eq!(kinds, ["pipeline", "script"]);
        let params = &on["processors"][1]["script"]["params"];
        assert_eq!(*params, json!({ "names": ["a", "all"], "target": "b" }));
        let off = body(&part, &migration, &note, None);
        assert_eq!(off["processors"], json!([{ "pipeline": { "name": "mine" } }]));
        let key = |part: &str, epoch| NoteKey {
            migration: migration.clone(),
            part: IndexName::new(part),
            epoch: Epoch(epoch),
        };
        assert_ne!(name(&key("a", 1)), name(&key("c", 1)));
        assert_ne!(name(&key("a", 1)), name(&key("a", 2)));
    }
}
