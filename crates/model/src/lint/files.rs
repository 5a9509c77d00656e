//! Files, and the alias that is to stand for what is made of them.

use super::Note;
use crate::generation;
use crate::id::AliasName;
use crate::observe::Observation;
use crate::plan::PlannedPart;
use crate::recipe::{Duplicates, FilesSpec, Recipe};

pub(super) fn lint_files(
    recipe: &Recipe,
    spec: &FilesSpec,
    seen: &Observation,
    parts: &[PlannedPart],
    notes: &mut Vec<Note>,
) {
    let Some(files) = &seen.files else { return };
    for fault in &files.faults {
        let hint = "correct the file, or source.files; `source.format` says how files are written \
                    whose names do not";
        notes.push(Note::whole("SEG-P171", fault.clone(), hint));
    }
    if files.files.is_empty() && files.faults.is_empty() {
        let what = format!("no file matches {}", spec.files.join(", "));
        let hint =
            "paths are relative to the recipe's folder; * stands for any name, ** for any folders";
        notes.push(Note::whole("SEG-P170", what, hint));
    }
    if files.faults.is_empty() && !files.files.is_empty() {
        lint_columns(spec, seen, notes);
    }
    if spec.duplicates == Duplicates::Last && files.files.len() > 1 {
        let what = format!(
            "duplicates: last, but there are {} files, and none of them comes after another",
            files.files.len()
        );
        let hint = "load one file, or let duplicates be refused";
        notes.push(Note::whole("SEG-P175", what, hint));
    }
    lint_alias(recipe, seen, notes);
    lint_done(recipe, seen, parts, notes);
    for part in parts.iter().filter(|part| !part.is_skipped()) {
        let begun = seen.journal.contains_key(&part.source);
        if !begun && seen.has_index(part.target.as_str()) {
            let what = format!("{} exists and was not made by this recipe", part.target);
            notes.push(Note::error(
                "SEG-P173",
                part.source.as_str(),
                what,
                "remove it, or choose another target.index",
            ));
        }
    }
}

/// What holds the files has to be there, and to serve.
fn lint_done(recipe: &Recipe, seen: &Observation, parts: &[PlannedPart], notes: &mut Vec<Note>) {
    let Some(alias) = recipe.cutover.alias.as_ref().and_then(|alias| alias.literal()) else {
        return;
    };
    let on = seen.aliases.get(&AliasName::new(alias)).cloned().unwrap_or_default();
    for part in parts.iter().filter(|part| part.is_skipped()) {
        let done = seen.journal.get(&part.source).is_some_and(|state| state.phase.is_switched());
        if !done || on == [part.target.clone()] {
            continue;
        }
        let names: Vec<_> = on.iter().map(ToString::to_string).collect();
        let what = format!(
            "{} holds these files and took over, but {alias} stands for [{}] now",
            part.target,
            names.join(", ")
        );
        let hint =
            "find out who moved it; `segue switch` moves it back; other files are loaded again";
        notes.push(Note::error("SEG-P176", part.source.as_str(), what, hint));
    }
}

fn lint_columns(spec: &FilesSpec, seen: &Observation, notes: &mut Vec<Note>) {
    let Some(files) = &seen.files else { return };
    let tables = files.files.iter().any(|file| file.format.has_columns());
    for name in spec.columns.keys().filter(|name| !tables || !files.columns.contains_key(*name)) {
        let what = format!("source.columns has `{name}`, but no file has such a column");
        let known: Vec<_> = files.columns.keys().map(String::as_str).collect();
        let hint = if known.is_empty() {
            "only csv and tsv files have columns".to_owned()
        } else {
            format!("the files have: {}", known.join(", "))
        };
        notes.push(Note::whole("SEG-P174", what, &hint));
    }
}

/// Only generations are swapped: what else an alias stands for may be written to.
fn lint_alias(recipe: &Recipe, seen: &Observation, notes: &mut Vec<Note>) {
    let Some(alias) = recipe.cutover.alias.as_ref().and_then(|alias| alias.literal()) else {
        return;
    };
    let hint =
        "choose another alias; or move it once by hand, after the first load with another one";
    if seen.has_index(alias) {
        let what = format!("{alias} is an index, so it cannot be the alias of generations");
        notes.push(Note::whole("SEG-P172", what, hint));
        return;
    }
    let Some(on) = seen.aliases.get(&AliasName::new(alias)) else { return };
    let ours = |name: &&crate::id::IndexName| {
        generation::number(&recipe.target.index, name.as_str()).is_some()
            && seen.journal.contains_key(*name)
    };
    let others: Vec<_> = on.iter().filter(|name| !ours(name)).map(ToString::to_string).collect();
    if !others.is_empty() {
        let others = others.join(", ");
        let what = format!("{alias} stands for {others}, which this recipe has not made");
        notes.push(Note::whole("SEG-P172", what, hint));
    } else if on.len() > 1 {
        let what = format!("{alias} stands for {} generations at once", on.len());
        notes.push(Note::whole("SEG-P172", what, "take it from all but the one that is to serve"));
    }
}
