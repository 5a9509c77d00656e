//! What a pipeline does to the names of fields, as far as its steps say so plainly.

use std::collections::BTreeSet;

use crate::recipe::{ConvertKind, Recipe, Step};

/// What the pipeline does to the names of fields.
#[derive(Default)]
pub(crate) struct Shape {
    /// Fields that it writes.
    pub written: BTreeSet<String>,
    /// Fields that it takes away.
    pub taken: BTreeSet<String>,
    /// Keys of lookups that it needs in the document before anything has written them.
    pub needed: Vec<(String, String)>,
    /// Whether a script runs, which may write, move and take whatever it likes.
    pub scripted: bool,
    moves: Vec<Move>,
}

/// What a step does to a field that is there already.
enum Move {
    Renamed(String, String),
    Removed(String),
    Overwritten(String),
    Converted(String, ConvertKind),
    Rewritten(String),
}

/// Where a field of the source is after the pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It is taken away.
    Removed,
    /// Something else is written in its place.
    Overwritten,
    /// It has this name.
    At(String, Content),
}

/// What has become of a field's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// They are as they were.
    Same,
    /// They have this type, or the document is refused.
    Converted(ConvertKind),
    /// Whatever a step makes of them.
    Rewritten,
}

impl Shape {
    pub(crate) fn of(recipe: &Recipe) -> Shape {
        let mut shape = Shape::default();
        for step in &recipe.pipeline {
            shape.take(step);
        }
        shape
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Lookup(lookup) => {
                let key = lookup.key.dotted();
                if !self.scripted && !self.written.iter().any(|field| covers(field, &key)) {
                    self.needed.push((lookup.name.clone(), key));
                }
            }
            Step::Copy(copy) => copy.fields.iter().for_each(|f| self.overwrite(f.target.dotted())),
            Step::Set(set) => set.fields.iter().for_each(|(f, _)| self.overwrite(f.dotted())),
            Step::Rename(rename) => {
                for (old, new) in &rename.fields {
                    self.rename(old.dotted(), new.dotted());
                }
            }
            Step::Remove(remove) => {
                for field in remove.fields.iter().map(crate::recipe::Path::dotted) {
                    self.remove(&field);
                    self.moves.push(Move::Removed(field));
                }
            }
            // What is there already stays.
            Step::Default(set) => set.fields.iter().for_each(|(f, _)| self.write(f.dotted())),
            Step::Script(_) => {
                // What is written before it need not be there after it.
                self.written.clear();
                self.scripted = true;
            }
            Step::Convert(convert) => {
                let kinds = convert.fields.iter();
                self.moves.extend(kinds.map(|(f, kind)| Move::Converted(f.dotted(), *kind)));
            }
            Step::Date(date) => self.rewrite(date.fields.iter().map(|(f, _)| f.dotted())),
            Step::Map(map) => self.rewrite(map.fields.iter().map(|(f, _)| f.dotted())),
            Step::Split(split) => self.rewrite(split.fields.iter().map(|(f, _)| f.dotted())),
            Step::Join(join) => self.rewrite(join.fields.iter().map(|(f, _)| f.dotted())),
            // Each document has one value of the list in the other field.
            Step::Explode(explode) => self.rename(explode.field.dotted(), explode.into.dotted()),
            Step::Filter(_) | Step::Truncate(_) | Step::Id(_) | Step::Routing(_) => {}
        }
    }

    fn rename(&mut self, old: String, new: String) {
        self.remove(&old);
        self.write(new.clone());
        self.moves.push(Move::Renamed(old, new));
    }

    fn rewrite(&mut self, fields: impl Iterator<Item = String>) {
        self.moves.extend(fields.map(Move::Rewritten));
    }

    fn overwrite(&mut self, field: String) {
        self.moves.push(Move::Overwritten(field.clone()));
        self.write(field);
    }

    fn write(&mut self, field: String) {
        self.taken.retain(|taken| !covers(taken, &field));
        self.written.insert(field);
    }

    fn remove(&mut self, field: &str) {
        self.written.retain(|written| !covers(field, written));
        self.taken.insert(field.to_owned());
    }

    /// Where `field` of the source is after the pipeline; what scripts do is not known.
    pub(crate) fn arrives(&self, field: &str) -> Arrival {
        let (mut path, mut content) = (field.to_owned(), Content::Same);
        for step in &self.moves {
            match step {
                Move::Renamed(old, new) => {
                    let rest = path.strip_prefix(old.as_str());
                    if let Some(rest) = rest.filter(|rest| rest.is_empty() || rest.starts_with('.'))
                    {
                        path = format!("{new}{rest}");
                    }
                }
                Move::Removed(gone) if covers(gone, &path) => return Arrival::Removed,
                Move::Overwritten(over) if covers(over, &path) => return Arrival::Overwritten,
                Move::Converted(of, kind) if *of == path => content = Content::Converted(*kind),
                Move::Rewritten(of) if *of == path => content = Content::Rewritten,
                _ => {}
            }
        }
        Arrival::At(path, content)
    }
}

/// Whether `field` is `inner` or an object around it.
pub(crate) fn covers(field: &str, inner: &str) -> bool {
    inner.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
