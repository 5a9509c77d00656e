//! Running a program over one document after another.

use std::sync::Arc;

use segue_model::recipe::OnMissing;

use crate::Error;
use crate::cache::{Brought, Fragment};
use crate::copy::{CopyRule, From};
use crate::draft::Draft;
use crate::edit::{self, Change};
use crate::error::shown;
use crate::json::{Found, find, is_null, push_clean, scalar_text};
use crate::keyed::{Tail, TailRoom};
use crate::program::{Inner, Operation, Target};
use crate::script::{Room, ScriptRule};

/// A document as it was read.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its routing, where it has one of its own.
    pub routing: Option<&'a str>,
    /// Its source, raw JSON.
    pub source: &'a [u8],
}

/// What became of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its new source has been appended.
    Written,
    /// The recipe leaves it out. Reasons are few: they are counted.
    Filtered {
        /// Why, in the recipe's words or the lookup's.
        reason: Arc<str>,
    },
    /// It can't be transformed: a dead letter.
    Refused {
        /// Why, naming field and value.
        reason: String,
    },
}

/// One lane's way through the program, with buffers of its own.
#[derive(Debug)]
pub struct Worker {
    inner: Arc<Inner>,
    brought: Vec<Option<Arc<Brought>>>,
    draft: Draft,
    scratch: Vec<u8>,
    room: Room,
    tail_room: TailRoom,
}

/// Why a document's way ends early.
pub(crate) enum End {
    Filtered(Arc<str>),
    Refused(String),
    Stopped(Error),
}

impl std::convert::From<String> for End {
    fn from(reason: String) -> Self {
        Self::Refused(reason)
    }
}

impl Worker {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        let brought = vec![None; inner.program.lookups.len()];
        let tail_room = TailRoom::new(inner.program.tail.as_ref());
        let (draft, scratch, room) = (Draft::default(), Vec::new(), Room::default());
        Self { inner, brought, draft, scratch, room, tail_room }
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    pub(crate) fn tail(&self) -> Option<&Tail> {
        self.inner.program.tail.as_ref()
    }

    pub(crate) fn tail_room(&mut self) -> &mut TailRoom {
        &mut self.tail_room
    }

    /// Transforms one document and appends its new source, on one line, to `out`. Unless the
    /// outcome is [`Outcome::Written`], `out` is left as it was.
    ///
    /// # Errors
    /// When the rows of a lookup can't be read. That is no document's fault: the part must stop.
    /// [`Error::Keyed`] for a pipeline that makes keys.
    pub fn apply(&mut self, document: Document<'_>, out: &mut Vec<u8>) -> Result<Outcome, Error> {
        match self.is_keyed() {
            true => Err(Error::Keyed),
            false => self.apply_steps(document, out),
        }
    }

    /// Runs the steps, without what may stand at their end.
    pub(crate) fn apply_steps(
        &mut self,
        document: Document<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Outcome, Error> {
        let source = document.source;
        if source.is_empty() {
            return Ok(Outcome::Refused { reason: "the document has no source".to_owned() });
        }
        if self.inner.program.operations.is_empty() {
            push_clean(out, source);
            return Ok(Outcome::Written);
        }
        match self.run(source) {
            Ok(rewritten) => {
                self.draft.write(rewritten.as_deref().unwrap_or(source), out);
                Ok(Outcome::Written)
            }
            Err(End::Filtered(reason)) => Ok(Outcome::Filtered { reason }),
            Err(End::Refused(reason)) => Ok(Outcome::Refused { reason }),
            Err(End::Stopped(error)) => Err(error),
        }
    }

    /// Leaves the document in the draft. What that draft is of: the source, or what a script made of it.
    fn run(&mut self, source: &[u8]) -> Result<Option<Vec<u8>>, End> {
        let inner = Arc::clone(&self.inner);
        let mut rewritten: Option<Vec<u8>> = None;
        self.draft.read(source, &inner.program.names)?;
        for operation in &inner.program.operations {
            let current = rewritten.as_deref().unwrap_or(source);
            let Operation::Script(script) = operation else {
                self.step(current, &inner, operation)?;
                continue;
            };
            if let Some(next) = self.script(current, script)? {
                self.draft.read(&next, &inner.program.names)?;
                rewritten = Some(next);
            }
        }
        Ok(rewritten)
    }

    fn script(&mut self, source: &[u8], script: &Arc<ScriptRule>) -> Result<Option<Vec<u8>>, End> {
        self.scratch.clear();
        self.draft.write(source, &mut self.scratch);
        let brought = &self.brought;
        let row = |at: usize| brought[at].as_ref()?.row.as_deref();
        let document = crate::json::trim(&self.scratch);
        Ok(script.run(document, &row, &mut self.room).map_err(End::Stopped)??)
    }

    fn step(&mut self, source: &[u8], inner: &Inner, operation: &Operation) -> Result<(), End> {
        match operation {
            Operation::Lookup(at) => self.look_up(source, *at, inner),
            Operation::Group { lookup, group, members, last_word } => {
                let Some(brought) = self.brought[*lookup].clone() else { return Ok(()) };
                let groups = brought.groups.as_ref().map_err(Clone::clone)?;
                self.add(&groups[*group], members, *last_word);
                Ok(())
            }
            Operation::Constants { fragment, members, last_word } => {
                self.add(fragment, members, *last_word);
                Ok(())
            }
            Operation::Copy { rule, target } => self.copy(source, rule, target),
            Operation::Set { target, value } => self.put(source, target, value),
            Operation::Rename { old, new } => self.rename(source, old, new),
            Operation::Remove(target) => self.change(source, target, &mut |_| Ok(Change::Gone)),
            Operation::Rewrite { target, rule } => {
                self.change(source, target, &mut |value| rule.change(value))
            }
            Operation::Default { fragment, member, last_word } => {
                if self.draft.get(source, member[0].slot).is_none_or(is_null) {
                    self.add(fragment, member, *last_word);
                }
                Ok(())
            }
            Operation::DefaultBelow { target, value } => {
                match self.peek(source, target)?.as_deref().is_none_or(is_null) {
                    true => self.put(source, target, value),
                    false => Ok(()),
                }
            }
            // Run by the caller, as it begins a new draft.
            Operation::Script(_) => Ok(()),
            Operation::Filter { rule, slot } => match rule.drops(self.draft.get(source, *slot)) {
                true => Err(End::Filtered(Arc::clone(&rule.reason))),
                false => Ok(()),
            },
        }
    }

    fn look_up(&mut self, source: &[u8], at: usize, inner: &Inner) -> Result<(), End> {
        let (rule, missing) = (&inner.program.lookups[at], &inner.missing[at]);
        let value = self.draft.get(source, rule.key.slot);
        let key = match value.map_or(Found::Nothing, |value| find(value, &rule.key.rest)) {
            Found::Value(raw) => scalar_text(raw),
            Found::Nothing | Found::List(_) => None,
        };
        let brought = match &key {
            None => Arc::clone(missing),
            Some(key) => bring(key, at, inner).map_err(End::Stopped)?,
        };
        if !brought.found {
            match rule.on_missing {
                OnMissing::Keep => {}
                OnMissing::Filter => return Err(End::Filtered(Arc::clone(&rule.no_row))),
                OnMissing::DeadLetter => {
                    let key = key.map_or("(none)".to_owned(), |key| shown(&key));
                    let field = &rule.key.spelling;
                    return Err(End::Refused(format!("{} for {field} `{key}`", rule.no_row)));
                }
            }
        }
        self.brought[at] = Some(brought);
        Ok(())
    }

    /// Adds rendered members; those that the document has already take the new value in place.
    fn add(&mut self, fragment: &Arc<Fragment>, members: &[Target], last_word: bool) {
        if last_word && !members.iter().any(|member| self.draft.has(member.slot)) {
            self.draft.append(fragment);
            return;
        }
        for (member, value) in members.iter().zip(fragment.values()) {
            self.draft.put(member.slot, &member.quoted, value);
        }
    }

    fn copy(&mut self, source: &[u8], rule: &CopyRule, target: &Target) -> Result<(), End> {
        self.scratch.clear();
        self.draft.write(source, &mut self.scratch);
        let (document, brought) = (crate::json::trim(&self.scratch), &self.brought);
        let root = |from: From| match from {
            From::Document => Some(document),
            From::Lookup(at) => brought[at].as_ref()?.row.as_deref(),
        };
        let mut value = Vec::new();
        rule.render(&root, &mut value)?;
        self.put(source, target, &value)
    }

    fn put(&mut self, source: &[u8], target: &Target, value: &[u8]) -> Result<(), End> {
        let whole = edit::put(self.draft.get(source, target.slot), &target.rest, value);
        let whole = whole.map_err(|reason| at_field(target, &reason))?;
        self.draft.put(target.slot, &target.quoted, &whole);
        Ok(())
    }

    fn change(&mut self, source: &[u8], target: &Target, leaf: edit::Leaf<'_>) -> Result<(), End> {
        let Some(value) = self.draft.get(source, target.slot) else { return Ok(()) };
        let change = edit::change(value, target.into, &target.rest, leaf);
        match change.map_err(|reason| at_field(target, &reason))? {
            Change::Keep => {}
            Change::Gone => self.draft.remove(target.slot),
            Change::Put(value) => self.draft.put(target.slot, &target.quoted, &value),
        }
        Ok(())
    }

    fn rename(&mut self, source: &[u8], old: &Target, new: &Target) -> Result<(), End> {
        let value = self.peek(source, old)?;
        let Some(value) = value else { return Ok(()) };
        if self.peek(source, new)?.is_some() {
            let reason =
                format!("`{}` can't become `{}`: that is there", old.spelling, new.spelling);
            return Err(End::Refused(reason));
        }
        if old.rest.is_empty() && new.rest.is_empty() {
            self.draft.rename(old.slot, new.slot, &new.quoted);
            return Ok(());
        }
        self.change(source, old, &mut |_| Ok(Change::Gone))?;
        self.put(source, new, &value)
    }

    /// The value at a path, null included.
    fn peek(&self, source: &[u8], target: &Target) -> Result<Option<Vec<u8>>, End> {
        let Some(value) = self.draft.get(source, target.slot) else { return Ok(None) };
        let mut found = None;
        let seen = edit::change(value, target.into, &target.rest, &mut |value| {
            found = Some(value.to_vec());
            Ok(Change::Keep)
        });
        seen.map_err(|reason| at_field(target, &reason))?;
        Ok(found)
    }
}

/// What a key brings: from the cache, else from the view.
fn bring(key: &[u8], at: usize, inner: &Inner) -> Result<Arc<Brought>, Error> {
    if let Some(brought) = inner.caches[at].get(key) {
        return Ok(brought);
    }
    let brought = match inner.views[at].row(key)? {
        Some(row) => Arc::new(inner.program.lookups[at].bring(Some(row))),
        None => Arc::clone(&inner.missing[at]),
    };
    inner.caches[at].insert(key, Arc::clone(&brought));
    Ok(brought)
}

fn at_field(target: &Target, reason: &str) -> String {
    format!("field `{}`: {reason}", target.spelling)
}
