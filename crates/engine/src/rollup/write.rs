//! Writing documents so that nothing newer is lost: each replaces the state that was seen before the run's
//! generation was looked at, or is created.

use std::collections::{BTreeMap, BTreeSet};

use segue_cluster::{BulkAnswer, BulkBody, DocVersion, ItemOutcome};
use segue_model::recipe::Output;
use segue_model::rollup::{PeriodStart, flat_mapping, mapping};
use serde_json::{Value, json};

use super::Rollup;
use crate::error::{Doing, Error};

/// Documents of one request.
const BATCH_DOCS: usize = 500;
/// Bytes of one request, about.
const BATCH_BYTES: usize = 5 << 20;

/// What is to become of a document that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum There {
    /// It is replaced.
    Replace,
    /// It stays.
    Keep,
}

/// Which of the two kinds of documents an output takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Delta,
    Snapshot,
}

impl Kind {
    pub(super) fn noun(self) -> &'static str {
        match self {
            Kind::Delta => "delta",
            Kind::Snapshot => "snapshot",
        }
    }
}

/// Writes for one run.
pub(super) struct Writer<'r> {
    rollup: &'r Rollup,
    generation: u64,
    made: BTreeSet<String>,
}

impl<'r> Writer<'r> {
    pub(super) fn new(rollup: &'r Rollup, generation: u64) -> Writer<'r> {
        Writer { rollup, generation, made: BTreeSet::new() }
    }

    /// Writes documents of periods; how many were written.
    pub(super) async fn put(
        &mut self,
        kind: Kind,
        documents: Vec<(PeriodStart, String, String)>,
        there: There,
    ) -> Result<u64, Error> {
        let spec = self.rollup.spec();
        let output = match kind {
            Kind::Delta => &spec.delta,
            Kind::Snapshot => spec.snapshot.as_ref().unwrap_or(&spec.delta),
        };
        let mut by_index: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        for (at, id, document) in documents {
            by_index.entry(index_of(output, at, "")?).or_default().push((id, document));
        }
        let mut written = 0;
        for (index, documents) in by_index {
            if self.made.insert(index.clone()) {
                let generated = mapping(spec, kind == Kind::Snapshot);
                self.rollup.ensure_output(&index, output, generated).await?;
            }
            written += self.put_into(&index, documents, there).await?;
        }
        Ok(written)
    }

    /// Writes documents of a source of a flat roll-up; how many were written.
    pub(super) async fn put_flat(
        &mut self,
        source: usize,
        at: PeriodStart,
        documents: Vec<(String, String)>,
    ) -> Result<u64, Error> {
        if documents.is_empty() {
            return Ok(0);
        }
        let spec = self.rollup.spec();
        let index = index_of(&spec.delta, at, &spec.sources[source].name)?;
        if self.made.insert(index.clone()) {
            let generated = flat_mapping(spec, source);
            self.rollup.ensure_output(&index, &spec.delta, generated).await?;
        }
        self.put_into(&index, documents, There::Replace).await
    }

    /// Deletes documents of an index that are still as they were seen; the others are for the next run.
    pub(super) async fn remove(
        &self,
        index: &str,
        documents: &[(String, DocVersion)],
    ) -> Result<(), Error> {
        for some in documents.chunks(BATCH_DOCS) {
            self.rollup.check_stop()?;
            self.rollup.check_generation(self.generation).await?;
            let mut body = BulkBody::default();
            for (id, seen) in some {
                body.remove(id, None, *seen);
            }
            let (bytes, items) = body.take();
            let answer = self.rollup.ask(1).bulk_to_index(index, bytes, items).await;
            let answer = answer.doing(|| format!("deleting from {index}"))?;
            let BulkAnswer::Mixed(outcomes) = answer else { continue };
            for ((id, _), outcome) in some.iter().zip(outcomes) {
                let reason = match outcome {
                    ItemOutcome::Applied => continue,
                    ItemOutcome::Conflict { .. } => "somebody else has just written it".to_owned(),
                    ItemOutcome::Throttled { reason }
                    | ItemOutcome::Unavailable { reason }
                    | ItemOutcome::Blocked { reason }
                    | ItemOutcome::Rejected { reason, .. }
                    | ItemOutcome::Fenced { reason } => reason,
                };
                let (id, index) = (id.clone(), index.to_owned());
                return Err(Error::RollupRefused { id, index, reason });
            }
        }
        Ok(())
    }

    /// Writes documents to one index that is there; how many were written.
    pub(super) async fn put_into(
        &self,
        index: &str,
        mut rest: Vec<(String, String)>,
        there: There,
    ) -> Result<u64, Error> {
        let mut written = 0;
        while !rest.is_empty() {
            self.rollup.check_stop()?;
            let mut bytes = 0;
            let fits = |(_, text): &&(String, String)| {
                bytes += text.len();
                bytes <= BATCH_BYTES
            };
            let count = rest.iter().take(BATCH_DOCS).take_while(fits).count().max(1);
            let later = rest.split_off(count);
            written += self.batch(index, rest, there).await?;
            rest = later;
        }
        Ok(written)
    }

    async fn batch(
        &self,
        index: &str,
        mut batch: Vec<(String, String)>,
        there: There,
    ) -> Result<u64, Error> {
        let limits = &self.rollup.recipe.limits;
        let (mut written, mut attempt) = (0, 0);
        loop {
            let (applied, failed) = self.attempt(index, batch, there).await?;
            written += applied;
            let Some((id, _, reason)) = failed.first() else { return Ok(written) };
            if attempt >= limits.retries {
                let (id, reason) = (id.clone(), reason.clone());
                return Err(Error::RollupRefused { id, index: index.to_owned(), reason });
            }
            attempt += 1;
            batch = failed.into_iter().map(|(id, text, _)| (id, text)).collect();
            self.rollup.sleep(limits.retry_delay).await?;
        }
    }

    /// One request; how many documents were written, and those that may be tried again, with the reason.
    async fn attempt(
        &self,
        index: &str,
        batch: Vec<(String, String)>,
        there: There,
    ) -> Result<(u64, Vec<(String, String, String)>), Error> {
        let marks = self.marks(index, &batch, there).await?;
        // Another run that has begun before this may have written after the marks were read; one that
        // begins later replaces what is written here, or makes the marks wrong.
        self.rollup.check_generation(self.generation).await?;
        let mut body = BulkBody::default();
        for ((id, text), mark) in batch.iter().zip(&marks) {
            match mark {
                Some(mark) => body.begin_replace(id, None, *mark),
                None => body.begin_create(id, None),
            };
            body.end_with(text.as_bytes());
        }
        let (bytes, items) = body.take();
        let answer = self.rollup.ask(1).bulk_to_index(index, bytes, items).await;
        let outcomes = match answer.doing(|| format!("writing to {index}"))? {
            BulkAnswer::AllApplied => return Ok((items as u64, Vec::new())),
            BulkAnswer::Mixed(outcomes) => outcomes,
        };
        let (mut written, mut failed) = (0, Vec::new());
        for ((id, text), outcome) in batch.into_iter().zip(outcomes) {
            match outcome {
                ItemOutcome::Applied => written += 1,
                ItemOutcome::Conflict { .. } if there == There::Keep => {}
                ItemOutcome::Conflict { .. } => {
                    failed.push((id, text, "somebody else has just written it".to_owned()));
                }
                ItemOutcome::Throttled { reason }
                | ItemOutcome::Unavailable { reason }
                | ItemOutcome::Blocked { reason } => failed.push((id, text, reason)),
                ItemOutcome::Rejected { reason, .. } | ItemOutcome::Fenced { reason } => {
                    let index = index.to_owned();
                    return Err(Error::RollupRefused { id, index, reason });
                }
            }
        }
        Ok((written, failed))
    }

    async fn marks(
        &self,
        index: &str,
        batch: &[(String, String)],
        there: There,
    ) -> Result<Vec<Option<DocVersion>>, Error> {
        if there == There::Keep {
            return Ok(vec![None; batch.len()]);
        }
        let ids: Vec<_> = batch.iter().map(|(id, _)| (id.as_str(), None)).collect();
        let found = self.rollup.ask(1).get_many(index, &ids, false).await;
        let found = found.doing(|| format!("looking at the documents of {index}"))?;
        Ok(found.into_iter().map(|document| document.map(|document| document.token())).collect())
    }
}

impl Rollup {
    /// Makes an output's index unless it is there.
    async fn ensure_output(
        &self,
        index: &str,
        output: &Output,
        generated: Value,
    ) -> Result<(), Error> {
        let making = || format!("making the index {index}");
        // An alias of that name is as good: an index that was migrated has one.
        if !self.ask(3).indices(index).await.doing(making)?.is_empty() {
            return Ok(());
        }
        let body = match &output.template {
            None => generated,
            Some(file) => self.template(file)?,
        };
        match self.ask(1).create_index(index, &body).await {
            Err(error) if error.error_type() == Some("resource_already_exists_exception") => Ok(()),
            answer => answer.doing(making),
        }
    }

    fn template(&self, file: &str) -> Result<Value, Error> {
        let path = self.folder.join(file);
        let text = std::fs::read_to_string(&path).map_err(|source| Error::Io {
            doing: "reading the template",
            path,
            source,
        })?;
        let template: Value = serde_json::from_str(&text)
            .map_err(|source| Error::Stored { what: format!("the template {file}"), source })?;
        // Of an index template only what an index is made of.
        let template = template.get("template").cloned().unwrap_or(template);
        let part = |name: &str| template.get(name).map(|part| (name.to_owned(), part.clone()));
        Ok(["settings", "mappings", "aliases"].into_iter().filter_map(part).collect())
    }

    /// Makes an index of bookmarks unless it is there.
    pub(super) async fn ensure_bookmarks(&self, index: &str) -> Result<(), Error> {
        let making = || format!("making the index {index}");
        // An alias of that name is as good: an index that was migrated has one.
        if !self.ask(3).indices(index).await.doing(making)?.is_empty() {
            return Ok(());
        }
        let body = json!({ "mappings": { "properties": {
            "date": { "type": "date", "format": "date_optional_time" },
            "aggregation_type": { "type": "keyword" },
            self.spec().key.name.as_str(): { "type": "keyword" }
        }}});
        match self.ask(1).create_index(index, &body).await {
            Err(error) if error.error_type() == Some("resource_already_exists_exception") => Ok(()),
            answer => answer.doing(making),
        }
    }
}

pub(super) fn index_of(output: &Output, at: PeriodStart, source: &str) -> Result<String, Error> {
    let names = at.names().map(|(name, value)| (name.to_owned(), value)).into();
    output.index.render(&names, source).map_err(|error| Error::Recipe(error.to_string()))
}
