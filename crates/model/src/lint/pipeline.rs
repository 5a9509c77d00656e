//! Lookups that cannot be read, and fields that one side does not know.

use std::collections::BTreeSet;

use super::{Note, Severity};
use crate::id::{AliasName, IndexName};
use crate::observe::mapping::{Unknown, is_mapped, is_searchable, leaves, searchable, takes};
use crate::observe::{Observation, SeenIndex};
use crate::plan::PlannedPart;
use crate::recipe::{Lookup, Recipe, Step};

/// The indices that a lookup's name stands for, as far as they were seen.
pub(crate) fn lookup_indices<'a>(seen: &'a Observation, lookup: &Lookup) -> Vec<&'a SeenIndex> {
    let Some(name) = lookup.index.literal() else { return Vec::new() };
    match seen.aliases.get(&AliasName::new(name)) {
        Some(on) => on.iter().filter_map(|index| seen.index(index)).collect(),
        None => seen.index(&IndexName::new(name)).into_iter().collect(),
    }
}

/// A recipe that changes documents has to say what happens to those that are written after the switch.
pub(super) fn lint_after_switch(recipe: &Recipe, notes: &mut Vec<Note>) {
    if recipe.pipeline.is_empty() || recipe.cutover.after_switch.is_some() {
        return;
    }
    let what = "the pipeline changes documents, and the recipe does not say what is true of those \
                written after the switch";
    let hint = "state cutover.after_switch: writers_send_new_shape (writers send the target's shape \
                from then on), target_accepts_both (target and readers take the old shape too), or \
                keep_enriching (the pipeline is applied in the target for a time)";
    notes.push(Note::whole("SEG-P160", what.to_owned(), hint));
}

pub(super) fn lint_lookups(recipe: &Recipe, seen: &Observation, notes: &mut Vec<Note>) {
    for lookup in recipe.lookups() {
        let name = &lookup.name;
        let Some(index_name) = lookup.index.literal() else {
            let what =
                format!("the index {} of lookup {name} differs from part to part", lookup.index);
            let hint = "one lookup serves all parts: name one index or alias";
            notes.push(Note::whole("SEG-P124", what, hint));
            continue;
        };
        match lookup_indices(seen, lookup).as_slice() {
            [] => {
                let what = format!("the index {index_name} of lookup {name} does not exist");
                notes.push(Note::whole("SEG-P122", what, "check lookup.index and the prefix"));
            }
            [index] => lint_rows(lookup, index, notes),
            several => {
                let indices: Vec<_> = several.iter().map(|index| index.name.as_str()).collect();
                let what = format!(
                    "{index_name} of lookup {name} stands for several indices: {}",
                    indices.join(", ")
                );
                notes.push(Note::whole("SEG-P124", what, "name one of them in lookup.index"));
            }
        }
    }
}

fn lint_rows(lookup: &Lookup, index: &SeenIndex, notes: &mut Vec<Note>) {
    let (name, field) = (&lookup.name, lookup.matching.dotted());
    let on = &index.name;
    if !index.open {
        let what = format!("the index {on} of lookup {name} is closed");
        return notes.push(Note::whole("SEG-P122", what, "open it"));
    }
    if index.docs == 0 {
        let what = format!("the index {on} of lookup {name} holds no documents");
        let hint = "every document would go without its row";
        notes.push(Note::whole("SEG-P141", what, hint).graded(Severity::Warning));
    } else if !is_mapped(&index.mappings, &field)
        && takes(&index.mappings, &field) != Unknown::Ignored
    {
        let what = format!("{on} has no field {field} to match by");
        notes.push(Note::whole("SEG-P123", what, "check lookup.match"));
    }
}

/// What the pipeline does to the names of fields.
#[derive(Default)]
struct Shape {
    /// Fields that it writes.
    written: BTreeSet<String>,
    /// Fields that it takes away.
    taken: BTreeSet<String>,
    /// Fields that it needs in the document before anything has written them.
    needed: Vec<(String, String)>,
    /// Whether a script runs, which may write, move and take whatever it likes.
    scripted: bool,
}

impl Shape {
    fn of(recipe: &Recipe) -> Shape {
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
            Step::Copy(copy) => copy.fields.iter().for_each(|f| self.write(f.target.dotted())),
            Step::Set(set) => set.fields.iter().for_each(|(f, _)| self.write(f.dotted())),
            Step::Rename(rename) => {
                for (old, new) in &rename.fields {
                    self.remove(&old.dotted());
                    self.write(new.dotted());
                }
            }
            Step::Remove(remove) => remove.fields.iter().for_each(|f| self.remove(&f.dotted())),
            Step::Default(set) => set.fields.iter().for_each(|(f, _)| self.write(f.dotted())),
            Step::Script(_) => {
                // What is written before it need not be there after it.
                self.written.clear();
                self.scripted = true;
            }
            Step::Explode(explode) => {
                self.remove(&explode.field.dotted());
                self.write(explode.into.dotted());
            }
            Step::Id(_)
            | Step::Routing(_)
            | Step::Convert(_)
            | Step::Filter(_)
            | Step::Date(_)
            | Step::Split(_)
            | Step::Join(_)
            | Step::Map(_)
            | Step::Truncate(_) => {}
        }
    }

    fn write(&mut self, field: String) {
        self.taken.retain(|taken| !covers(taken, &field));
        self.written.insert(field);
    }

    fn remove(&mut self, field: &str) {
        self.written.retain(|written| !covers(field, written));
        self.taken.insert(field.to_owned());
    }
}

/// Whether `field` is `inner` or an object around it.
fn covers(field: &str, inner: &str) -> bool {
    inner.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// How many fields are listed before the rest is only counted.
const LISTED: usize = 10;

fn list(fields: &[&String]) -> String {
    let listed: Vec<_> = fields.iter().take(LISTED).map(|field| field.as_str()).collect();
    match fields.len().saturating_sub(LISTED) {
        0 => listed.join(", "),
        more => format!("{} and {more} more", listed.join(", ")),
    }
}

/// Fields that the source does not have, or that the target would refuse.
pub(super) fn lint_fields(
    recipe: &Recipe,
    part: &PlannedPart,
    source: &SeenIndex,
    notes: &mut Vec<Note>,
) {
    let name = part.source.as_str();
    let shape = Shape::of(recipe);
    for (lookup, key) in &shape.needed {
        if source.docs > 0
            && !is_mapped(&source.mappings, key)
            && takes(&source.mappings, key) != Unknown::Ignored
        {
            let what = format!("it has no field {key}, the key of lookup {lookup}");
            let hint = "check lookup.key; as it is, no document finds its row";
            notes.push(Note::error("SEG-P126", name, what, hint));
        }
    }
    let mappings = &part.target_body.mappings;
    let refused = |field: &&String| takes(mappings, field) == Unknown::Refused;
    let written: Vec<_> = shape.written.iter().filter(refused).collect();
    if !written.is_empty() {
        let what =
            format!("the pipeline writes fields that the target refuses: {}", list(&written));
        let hint = "map them in the target's template";
        notes.push(Note::error("SEG-P127", name, what, hint));
    }
    if shape.scripted {
        return;
    }
    let of_source = leaves(&source.mappings);
    let carried: Vec<_> = of_source
        .iter()
        .filter(|field| !shape.taken.iter().chain(&shape.written).any(|f| covers(f, field)))
        .filter(refused)
        .collect();
    if !carried.is_empty() {
        let what = format!("the source maps fields that the target refuses: {}", list(&carried));
        let hint = "documents that have them become dead letters: map them, or remove them in the \
                    pipeline";
        notes.push(Note::warning("SEG-P133", name, what, hint));
    }
    lint_lost(part, source, &shape, notes);
}

/// Fields that the source maps and the target takes without mapping them: a search by them, or a
/// suggestion from them, finds nothing after the switch, or something else.
fn lint_lost(part: &PlannedPart, source: &SeenIndex, shape: &Shape, notes: &mut Vec<Note>) {
    let mappings = &part.target_body.mappings;
    let of_source = searchable(&source.mappings);
    let lost: Vec<_> = of_source
        .iter()
        .filter(|field| !shape.taken.iter().chain(&shape.written).any(|f| covers(f, field)))
        .filter(|field| {
            !is_searchable(mappings, field) && takes(mappings, field) != Unknown::Refused
        })
        .collect();
    if !lost.is_empty() {
        let what = format!("the source maps fields that the target does not: {}", list(&lost));
        let hint = "they are kept in the documents, but searched otherwise or not at all: map them in \
                    the target, or remove them in the pipeline";
        notes.push(Note::warning("SEG-P143", part.source.as_str(), what, hint));
    }
}
