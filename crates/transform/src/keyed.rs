//! The end of a keyed pipeline: one document becomes several, and each gets a key.
//!
//! A **key** is the id and routing of a document of the target. What the steps before an `explode` make is
//! one document; the steps after it run on each document that is made of that.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use segue_model::recipe::{
    Explode, KeyPiece, KeyTemplate, OnEmpty, Path, RoutingRule, Segment, Step,
};

use crate::Error;
use crate::edit::{self, Change};
use crate::error::shown;
use crate::json::{Elements, Found, Members, find, is_null, push_clean, scalar_text, trim};
use crate::program::{Bound, Program};
use crate::worker::{Document, End, Outcome, Worker};

/// Engines refuse longer ids, in bytes; routings are held to it as well.
const MOST_BYTES: usize = 512;
/// The most documents that are made of one.
const MOST_MADE: usize = 10_000;
/// The most bytes of them.
const MOST_MADE_BYTES: usize = 64 << 20;

/// The id and routing of a document of the target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentKey {
    /// Its id.
    pub id: String,
    /// Its routing, if it has one of its own.
    pub routing: Option<String>,
}

/// A document that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Its key.
    pub key: DocumentKey,
    /// Where its source stands.
    pub range: Range<usize>,
}

/// The end of a pipeline, compiled.
#[derive(Debug)]
pub(crate) struct Tail {
    explode: Option<ExplodeRule>,
    id: Option<KeyTemplate>,
    routing: Option<RoutingRule>,
}

#[derive(Debug)]
struct ExplodeRule {
    field: Path,
    into: Path,
    on_empty: OnEmpty,
    nothing: Arc<str>,
    /// The steps that follow.
    then: Option<Bound>,
}

impl Tail {
    /// The end of `steps`, and the steps before it; no end where the pipeline makes no keys.
    pub(crate) fn split(steps: &[Step]) -> Result<(&[Step], Option<Tail>), Error> {
        let is_end =
            |step: &Step| matches!(step, Step::Explode(_) | Step::Id(_) | Step::Routing(_));
        let Some(at) = steps.iter().position(is_end) else { return Ok((steps, None)) };
        let (before, end) = steps.split_at(at);
        let mut tail = Tail { explode: None, id: None, routing: None };
        let mut then = Vec::new();
        for step in end {
            match step {
                Step::Explode(explode) => tail.explode = Some(ExplodeRule::new(explode)),
                Step::Id(template) => tail.id = Some(template.clone()),
                Step::Routing(rule) => tail.routing = Some(rule.clone()),
                other => then.push(other.clone()),
            }
        }
        if let (Some(explode), false) = (&mut tail.explode, then.is_empty()) {
            explode.then = Some(Program::compile(&then)?.bind(Vec::new())?);
        }
        Ok((before, Some(tail)))
    }

    pub(crate) fn fans_out(&self) -> bool {
        self.explode.is_some()
    }

    fn key(&self, document: Document<'_>, made: &[u8]) -> Result<DocumentKey, String> {
        let id = match &self.id {
            None => document.id.to_owned(),
            Some(template) => fill(template, "the id", document, made)?,
        };
        let routing = match &self.routing {
            None => document.routing.map(str::to_owned),
            Some(RoutingRule::None) => None,
            Some(RoutingRule::Made(template)) => {
                Some(fill(template, "the routing", document, made)?)
            }
        };
        Ok(DocumentKey { id, routing })
    }
}

impl ExplodeRule {
    fn new(explode: &Explode) -> ExplodeRule {
        let Explode { field, into, on_empty } = explode.clone();
        let nothing = Arc::from(format!("`{field}` has no value to make a document of"));
        ExplodeRule { field, into, on_empty, nothing, then: None }
    }

    /// The values, one after another.
    fn values<'a>(&self, source: &'a [u8]) -> Result<Vec<&'a [u8]>, String> {
        let value = match find(source, self.field.segments()) {
            Found::Nothing => return Ok(Vec::new()),
            Found::List(_) => return Err(format!("field `{}`: it is inside a list", self.field)),
            Found::Value(value) => value,
        };
        let Some(mut elements) = Elements::of(value) else { return Ok(vec![value]) };
        let mut values = Vec::new();
        while let Some(value) = elements.advance().map_err(|error| error.to_string())? {
            if !is_null(value) {
                values.push(value);
            }
        }
        Ok(values)
    }

    /// The document without the list.
    fn without(&self, source: &[u8]) -> Result<Vec<u8>, String> {
        let mut gone = |_: &[u8]| Ok(Change::Gone);
        let less = edit::change(source, false, self.field.segments(), &mut gone);
        match less.map_err(|reason| format!("field `{}`: {reason}", self.field))? {
            Change::Put(less) => Ok(less),
            _ => Ok(source.to_vec()),
        }
    }

    /// A document with this value.
    fn with(&self, rest: &[u8], value: &[u8]) -> Result<Vec<u8>, String> {
        let put = edit::put(Some(rest), self.into.segments(), value);
        put.map_err(|reason| format!("field `{}`: {reason}", self.into))
    }
}

/// Fills a template.
fn fill(
    template: &KeyTemplate,
    what: &str,
    document: Document<'_>,
    made: &[u8],
) -> Result<String, String> {
    let mut text = String::new();
    for piece in template.pieces() {
        match piece {
            KeyPiece::Text(piece) => text.push_str(piece),
            KeyPiece::Id => text.push_str(document.id),
            KeyPiece::Routing => match document.routing {
                Some(routing) => text.push_str(routing),
                None => return Err(format!("{what} needs a routing, and the document has none")),
            },
            KeyPiece::Field(path) => {
                let value = scalar(made, path.segments()).ok_or_else(|| {
                    format!("{what} needs a single value in `{path}`, and the document has none")
                })?;
                text.push_str(&value);
            }
        }
    }
    match text.len() {
        0 => Err(format!("{what} would be empty")),
        length if length > MOST_BYTES => {
            let start = shown(text.as_bytes());
            Err(format!("{what} would have {length} bytes, the most are {MOST_BYTES}: `{start}`"))
        }
        _ => Ok(text),
    }
}

fn scalar(made: &[u8], path: &[Segment]) -> Option<String> {
    match find(made, path) {
        Found::Value(raw) => String::from_utf8(scalar_text(raw)?.into_owned()).ok(),
        Found::Nothing | Found::List(_) => None,
    }
}

/// What a worker needs for the end of its pipeline.
#[derive(Debug, Default)]
pub(crate) struct TailRoom {
    /// The document that the steps before have made.
    before: Vec<u8>,
    then: Option<Box<Worker>>,
}

impl TailRoom {
    pub(crate) fn new(tail: Option<&Tail>) -> TailRoom {
        let then = tail.and_then(|tail| tail.explode.as_ref()?.then.as_ref());
        TailRoom { before: Vec::new(), then: then.map(|then| Box::new(then.worker())) }
    }
}

impl Worker {
    /// Whether the pipeline makes keys, so that only [`Worker::make`] can run it.
    #[must_use]
    pub fn is_keyed(&self) -> bool {
        self.tail().is_some()
    }

    /// Transforms one document into those that it becomes: appends their sources, each on one line
    /// without its end, to `out`, and names them in `made`. Unless the outcome is
    /// [`Outcome::Written`], both are left as they were. The same document twice is one.
    ///
    /// # Errors
    /// As [`Worker::apply`].
    pub fn make(
        &mut self,
        document: Document<'_>,
        out: &mut Vec<u8>,
        made: &mut Vec<Made>,
    ) -> Result<Outcome, Error> {
        let (bytes, before) = (out.len(), made.len());
        let outcome = match self.make_all(document, out, made) {
            Ok(()) => return Ok(Outcome::Written),
            Err(End::Filtered(reason)) => Outcome::Filtered { reason },
            Err(End::Refused(reason)) => Outcome::Refused { reason },
            Err(End::Stopped(error)) => return Err(error),
        };
        out.truncate(bytes);
        made.truncate(before);
        Ok(outcome)
    }

    fn make_all(
        &mut self,
        document: Document<'_>,
        out: &mut Vec<u8>,
        made: &mut Vec<Made>,
    ) -> Result<(), End> {
        let mut room = std::mem::take(self.tail_room());
        let worked = self.make_with(&mut room, document, out, made);
        *self.tail_room() = room;
        worked
    }

    fn make_with(
        &mut self,
        room: &mut TailRoom,
        document: Document<'_>,
        out: &mut Vec<u8>,
        made: &mut Vec<Made>,
    ) -> Result<(), End> {
        let inner = Arc::clone(self.inner());
        let Some(tail) = &inner.program.tail else {
            let from = out.len();
            ended(self.apply(document, out).map_err(End::Stopped)?)?;
            let key = DocumentKey {
                id: document.id.to_owned(),
                routing: document.routing.map(str::to_owned),
            };
            made.push(Made { key, range: from..out.len() });
            return Ok(());
        };
        room.before.clear();
        ended(self.apply_steps(document, &mut room.before).map_err(End::Stopped)?)?;
        let source = trim(&room.before);
        if Members::of(source).is_none() {
            return Err(End::Refused("the source isn't a json object".to_owned()));
        }
        let Some(explode) = &tail.explode else {
            let from = out.len();
            push_clean(out, source);
            let key = tail.key(document, &out[from..])?;
            made.push(Made { key, range: from..out.len() });
            return Ok(());
        };
        let values = explode.values(source)?;
        if values.is_empty() {
            return Err(match explode.on_empty {
                OnEmpty::Filter => End::Filtered(Arc::clone(&explode.nothing)),
                OnEmpty::DeadLetter => End::Refused(explode.nothing.to_string()),
            });
        }
        if values.len() > MOST_MADE {
            let (field, many) = (&explode.field, values.len());
            let reason = format!("`{field}` has {many} values, the most are {MOST_MADE}");
            return Err(End::Refused(reason));
        }
        let rest = explode.without(source)?;
        let start = out.len();
        let mut ids: HashMap<String, usize> = HashMap::new();
        for value in values {
            let one = explode.with(&rest, value)?;
            let from = out.len();
            if from - start > MOST_MADE_BYTES {
                let reason = format!("what is made of it has more than {MOST_MADE_BYTES} bytes");
                return Err(End::Refused(reason));
            }
            match &mut room.then {
                None => push_clean(out, &one),
                Some(then) => {
                    let one = Document { source: &one, ..document };
                    ended(then.apply(one, out).map_err(End::Stopped)?)?;
                }
            }
            let key = tail.key(document, &out[from..])?;
            let same = ids.get(&key.id).map(|at| &made[*at]);
            match same {
                None => {
                    ids.insert(key.id.clone(), made.len());
                    made.push(Made { key, range: from..out.len() });
                }
                Some(same) if same.key == key && out[same.range.clone()] == out[from..] => {
                    out.truncate(from);
                }
                Some(_) => {
                    let id = shown(key.id.as_bytes());
                    let reason = format!("two different documents made of it have the id `{id}`");
                    return Err(End::Refused(reason));
                }
            }
        }
        Ok(())
    }
}

fn ended(outcome: Outcome) -> Result<(), End> {
    match outcome {
        Outcome::Written => Ok(()),
        Outcome::Filtered { reason } => Err(End::Filtered(reason)),
        Outcome::Refused { reason } => Err(End::Refused(reason)),
    }
}
