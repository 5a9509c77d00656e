//! The way back of a pipeline: from a document of the target to one of the old shape.
//!
//! A **reverse pipeline** takes away what the pipeline added and gives fields their old names back.
//! It is worked out from the recipe alone and from which fields the old index knows, and it is a
//! pipeline itself. What a step destroyed no step can bring back; that is listed as [`Lost`].

use std::fmt;

use crate::recipe::{ConvertKind, OnMissing, Path, Remove, Rename, Step};

/// The way back of a pipeline.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reverse {
    /// What happens to a document of the target, in this order.
    pub steps: Vec<Step>,
    /// What cannot go back, in the order of the pipeline.
    pub lost: Vec<Lost>,
}

/// Something that a document on its way back does not have as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The pipeline took the field away: documents written since the switch come back without it.
    Removed(Path),
    /// The field comes back with the type that the pipeline gave it.
    Converted(Path, ConvertKind),
    /// The field, which the old index has too, comes back with the value that the pipeline wrote.
    Overwritten(Path),
    /// The field comes back as this step has rewritten it.
    Rewritten(Path, &'static str),
    /// The field comes back with its default where it had none.
    Filled(Path),
    /// Documents come back as a script has left them.
    Scripted,
    /// Documents that were left out stay in the old index as they were at the switch.
    LeftOut(String),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lost::Removed(path) => {
                write!(f, "{path} (removed: documents written after the switch lack it)")
            }
            Lost::Converted(path, kind) => {
                write!(f, "{path} (converted: keeps the type {})", kind.name())
            }
            Lost::Overwritten(path) => {
                write!(f, "{path} (overwritten: keeps the pipeline's value)")
            }
            Lost::Rewritten(path, step) => {
                write!(f, "{path} (rewritten by {step}: keeps its new form)")
            }
            Lost::Filled(path) => write!(f, "{path} (filled: keeps its default)"),
            Lost::Scripted => write!(f, "what a script changes: it stays as the script left it"),
            Lost::LeftOut(reason) => {
                write!(f, "documents left out ({reason}): they stay as they were at the switch")
            }
        }
    }
}

/// What one step does to one field.
enum Change<'a> {
    Write(&'a Path),
    Move(&'a Path, &'a Path),
    Take(&'a Path),
    Convert(&'a Path, ConvertKind),
    Rewrite(&'a Path, &'static str),
    Fill(&'a Path),
    Script,
    LeaveOut(String),
}

fn rewrites<'a, T>(
    fields: &'a [(Path, T)],
    step: &'static str,
) -> impl Iterator<Item = Change<'a>> {
    fields.iter().map(move |(at, _)| Change::Rewrite(at, step))
}

fn changes(steps: &[Step]) -> Vec<Change<'_>> {
    let mut changes = Vec::new();
    for step in steps {
        match step {
            Step::Lookup(lookup) if lookup.on_missing == OnMissing::Filter => {
                let reason = format!("lookup `{}` has no row", lookup.name);
                changes.push(Change::LeaveOut(reason));
            }
            Step::Lookup(_) => {}
            Step::Copy(copy) => {
                changes.extend(copy.fields.iter().map(|field| Change::Write(&field.target)));
            }
            Step::Set(set) => changes.extend(set.fields.iter().map(|(at, _)| Change::Write(at))),
            Step::Rename(rename) => {
                changes.extend(rename.fields.iter().map(|(old, new)| Change::Move(old, new)));
            }
            Step::Remove(remove) => changes.extend(remove.fields.iter().map(Change::Take)),
            Step::Convert(convert) => {
                let fields = convert.fields.iter();
                changes.extend(fields.map(|(at, kind)| Change::Convert(at, *kind)));
            }
            Step::Filter(filter) => changes.push(Change::LeaveOut(filter.reason.clone())),
            Step::Date(date) => changes.extend(rewrites(&date.fields, "date")),
            Step::Split(split) => changes.extend(rewrites(&split.fields, "split")),
            Step::Join(join) => changes.extend(rewrites(&join.fields, "join")),
            Step::Map(map) => changes.extend(rewrites(&map.fields, "map")),
            Step::Truncate(truncate) => changes.extend(rewrites(&truncate.fields, "truncate")),
            Step::Default(set) => changes.extend(set.fields.iter().map(|(at, _)| Change::Fill(at))),
            Step::Script(_) => changes.push(Change::Script),
            // The plan refuses the way back of a pipeline that makes keys.
            Step::Explode(_) | Step::Id(_) | Step::Routing(_) => {}
        }
    }
    changes
}

/// Which fields a document has at some step that it did not have at first, or no longer has.
#[derive(Default)]
struct Shape<'a> {
    /// Fields with values of the pipeline's own.
    made: Vec<&'a Path>,
    /// Fields with values of the document, from elsewhere in it.
    moved: Vec<&'a Path>,
    /// Fields that were taken from where they stood.
    taken: Vec<&'a Path>,
}

fn covered(by: &[&Path], path: &Path) -> bool {
    by.iter().any(|other| other.covers(path))
}

impl<'a> Shape<'a> {
    /// The shape before each change.
    fn before_each(changes: &[Change<'a>]) -> Vec<Shape<'a>> {
        let mut shapes = Vec::with_capacity(changes.len());
        let mut shape = Shape::default();
        for change in changes {
            let next = shape.after(change);
            shapes.push(std::mem::replace(&mut shape, next));
        }
        shapes
    }

    fn after(&self, change: &Change<'a>) -> Shape<'a> {
        let mut next =
            Shape { made: self.made.clone(), moved: self.moved.clone(), taken: self.taken.clone() };
        match change {
            Change::Write(at) => {
                next.forget(at);
                next.made.push(at);
            }
            Change::Move(old, new) => {
                let made = covered(&self.made, old);
                next.forget(old);
                next.taken.push(old);
                next.taken.retain(|taken| !new.covers(taken));
                if made { next.made.push(new) } else { next.moved.push(new) }
            }
            Change::Take(at) => {
                next.forget(at);
                next.taken.push(at);
            }
            // A default is no value of the pipeline's own wherever the document has one.
            Change::Convert(..)
            | Change::Rewrite(..)
            | Change::Fill(_)
            | Change::Script
            | Change::LeaveOut(_) => {}
        }
        next
    }

    fn forget(&mut self, path: &Path) {
        for fields in [&mut self.made, &mut self.moved, &mut self.taken] {
            fields.retain(|field| !path.covers(field));
        }
    }

    /// Whether the field has a value of the document's own here.
    fn is_own(&self, path: &Path, known: &dyn Fn(&str) -> bool) -> bool {
        covered(&self.moved, path) || (known(&path.dotted()) && !covered(&self.taken, path))
    }

    /// What goes with a field that nobody had before: the outermost object that is there for it alone.
    fn with_its_objects(&self, path: &Path, known: &dyn Fn(&str) -> bool) -> Path {
        let holds = |field: &Path| {
            let mut others = self.made.iter().chain(&self.moved);
            others.any(|other| field.covers(other)) || self.is_own(field, known)
        };
        let around = (1..path.segments().len()).map(|names| path.around(names));
        let mut unheld = around.filter(|field| !holds(field));
        unheld.next().unwrap_or_else(|| path.clone())
    }
}

impl Reverse {
    /// The way back of `steps` into an index that knows the fields for which `known` holds (dotted,
    /// as engines spell them).
    pub fn of(steps: &[Step], known: &dyn Fn(&str) -> bool) -> Reverse {
        let changes = changes(steps);
        let shapes = Shape::before_each(&changes);
        let mut reverse = Reverse::default();
        for (change, before) in changes.iter().zip(&shapes).rev() {
            reverse.undo(change, before, known);
        }
        reverse.lost.reverse();
        reverse
    }

    fn undo(&mut self, change: &Change<'_>, before: &Shape<'_>, known: &dyn Fn(&str) -> bool) {
        match change {
            // The write before this one is undone, too.
            Change::Write(at) if covered(&before.made, at) => {}
            Change::Write(at) if before.is_own(at, known) => {
                self.lost.push(Lost::Overwritten((*at).clone()));
            }
            Change::Write(at) => self.remove(before.with_its_objects(at, known)),
            Change::Move(old, new) => {
                let fields = vec![((*new).clone(), (*old).clone())];
                self.steps.push(Step::Rename(Rename { fields }));
                let whole = before.with_its_objects(new, known);
                if whole != **new {
                    self.remove(whole);
                }
            }
            Change::Take(at) if covered(&before.made, at) => {}
            Change::Take(at) => self.lost.push(Lost::Removed((*at).clone())),
            Change::Convert(at, _) if covered(&before.made, at) => {}
            Change::Convert(at, kind) => self.lost.push(Lost::Converted((*at).clone(), *kind)),
            Change::Rewrite(at, _) if covered(&before.made, at) => {}
            Change::Rewrite(at, step) => self.lost.push(Lost::Rewritten((*at).clone(), step)),
            Change::Fill(at) if covered(&before.made, at) => {}
            Change::Fill(at) if before.is_own(at, known) => {
                self.lost.push(Lost::Filled((*at).clone()));
            }
            Change::Fill(at) => self.remove(before.with_its_objects(at, known)),
            Change::Script => self.lost.push(Lost::Scripted),
            Change::LeaveOut(reason) => self.lost.push(Lost::LeftOut(reason.clone())),
        }
    }

    fn remove(&mut self, path: Path) {
        self.steps.push(Step::Remove(Remove { fields: vec![path] }));
    }
}

#[cfg(test)]
#[path = "reverse_tests.rs"]
mod tests;
