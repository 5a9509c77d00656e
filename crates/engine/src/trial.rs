//! Trying a recipe: single documents through the real pipeline, with nothing written anywhere.
//!
//! Lookups are read as they are now, into files that go again. What comes out is what a run that began
//! now would make of the documents.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use segue_cluster::SearchHit;
use segue_model::id::IndexName;
use segue_model::plan::Plan;
use segue_transform::{Bound, Document, DocumentKey, Made, Outcome, Program, Worker, has_fields};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::error::{Doing, Error};
use crate::lookup::fresh_view;
use crate::observe::observe;
use crate::session::Session;

/// Which documents are tried.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// Those with these ids, in every part that has them.
    Ids(Vec<String>),
    /// So many, spread over the parts and over what is in them; the same ones again as long as
    /// nothing is written.
    Sample(u64),
}

/// A document before and after.
#[derive(Clone, Debug, Serialize)]
pub struct Tried {
    /// The source index.
    pub part: IndexName,
    /// The document's id.
    pub id: String,
    /// Its id and routing in the target, where the pipeline makes them. One document may become several,
    /// which follow each other.
    pub key: Option<Key>,
    /// Its source as it is.
    pub before: Option<Box<RawValue>>,
    /// Its source as it would be written.
    pub after: Option<Box<RawValue>>,
    /// What would happen to it.
    pub outcome: Verdict,
    /// Why it would not be written, or what is wrong with it.
    pub reason: Option<String>,
}

/// Id and routing of a document of the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Key {
    /// Its id.
    pub id: String,
    /// Its routing, if it has one of its own.
    pub routing: Option<String>,
}

/// What would happen to a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It would be written.
    Written,
    /// It would be written, but without a field that `verify.required` names: no switch.
    Incomplete,
    /// It would be left out.
    Filtered,
    /// It would become a dead letter.
    DeadLetter,
}

/// Tries documents of the recipe's parts. `folder` is where the recipe's own files are.
///
/// # Errors
/// When the cluster cannot be read, a lookup cannot be read, or the recipe matches no index.
pub async fn try_out(
    session: &Session,
    folder: &Path,
    wanted: &Wanted,
) -> Result<Vec<Tried>, Error> {
    let program = Program::compile(&session.recipe().pipeline)?;
    let journal = session.journal().read().await?;
    let seen = observe(session.cluster(), session.recipe(), folder, journal.parts).await?;
    let plan = Plan::make(session.recipe(), &seen);
    // After its switch a part's name stands for the target, whose documents have been through.
    let sources = plan.parts.into_iter().map(|part| part.source);
    let parts: Vec<_> = sources.filter(|source| seen.index(source).is_some()).collect();
    if parts.is_empty() {
        let why = "there is nothing to try: no index that is still a source matches source.index";
        return Err(Error::Recipe(why.to_owned()));
    }
    // Lives as long as the views are read from it.
    let files = Scratch::new(session);
    let bound = bind(session, program, &files).await?;
    let mut trial = Trial { session, worker: bound.worker(), tried: Vec::new() };
    match wanted {
        Wanted::Ids(ids) => {
            for part in &parts {
                let body = json!({ "query": { "ids": { "values": ids } }, "size": ids.len() });
                trial.search(part, &body).await?;
            }
        }
        Wanted::Sample(documents) => trial.sample(&parts, *documents).await?,
    }
    Ok(trial.tried)
}

/// The program with the rows of its lookups as they are now; they are read from `files`.
pub(crate) async fn bind(
    session: &Session,
    program: Program,
    files: &Scratch,
) -> Result<Bound, Error> {
    let mut views = Vec::new();
    for spec in program.lookups() {
        let file = files.0.join(format!("{}.view", spec.name));
        views.push(Arc::new(fresh_view(session, spec, &file).await?.view));
    }
    Ok(program.bind(views)?)
}

/// A folder of this process's own, removed in the end.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(session: &Session) -> Scratch {
        let name = format!("try-{}", std::process::id());
        Scratch(session.options().state_dir.join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // There is none unless the recipe has lookups.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Trial<'a> {
    session: &'a Session,
    worker: Worker,
    tried: Vec<Tried>,
}

impl Trial<'_> {
    /// Parts at equal distances, as many documents of each.
    async fn sample(&mut self, parts: &[IndexName], documents: u64) -> Result<(), Error> {
        let documents = usize::try_from(documents).unwrap_or(usize::MAX);
        let chosen = documents.min(parts.len());
        for number in 0..chosen {
            let part = &parts[number * parts.len() / chosen];
            let share = documents / chosen + usize::from(number < documents % chosen);
            let random = json!({ "seed": 1, "field": "_seq_no" });
            let body = json!({
                "query": { "function_score": { "random_score": random } }, "size": share
            });
            self.search(part, &body).await?;
        }
        Ok(())
    }

    async fn search(&mut self, part: &IndexName, body: &Value) -> Result<(), Error> {
        let reading = || format!("reading documents of {part}");
        let page = self.session.cluster().search(part.as_str(), body).await.doing(reading)?;
        for hit in page.hits {
            self.try_one(part, &hit)?;
        }
        Ok(())
    }

    fn try_one(&mut self, part: &IndexName, hit: &SearchHit) -> Result<(), Error> {
        let source = hit.source.as_ref().map_or("", |source| source.get()).as_bytes();
        let (mut out, mut made) = (Vec::new(), Vec::new());
        let document = Document { id: &hit.id, routing: hit.routing.as_deref(), source };
        let left = |outcome, reason| Tried {
            part: part.clone(),
            id: hit.id.clone(),
            key: None,
            before: hit.source.clone(),
            after: None,
            outcome,
            reason: Some(reason),
        };
        match self.worker.make(document, &mut out, &mut made)? {
            Outcome::Written => {}
            Outcome::Filtered { reason } => {
                self.tried.push(left(Verdict::Filtered, reason.to_string()));
            }
            Outcome::Refused { reason } => self.tried.push(left(Verdict::DeadLetter, reason)),
        }
        for Made { key, range } in made {
            let source = &out[range];
            let (outcome, reason) = match has_fields(source, &self.session.recipe().verify.required)
            {
                None => (Verdict::Written, None),
                Some(field) => {
                    (Verdict::Incomplete, Some(format!("required field {field} is missing")))
                }
            };
            let after = serde_json::from_slice(source).map_err(|source| Error::Stored {
                what: format!("what became of document {}", hit.id),
                source,
            })?;
            let DocumentKey { id, routing } = key;
            let key = self.worker.is_keyed().then_some(Key { id, routing });
            let (part, id, before) = (part.clone(), hit.id.clone(), hit.source.clone());
            self.tried.push(Tried { part, id, key, before, after: Some(after), outcome, reason });
        }
        Ok(())
    }
}
