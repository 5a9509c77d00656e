//! The numbers of one key: in all, and by the values of each dimension.

use std::collections::BTreeMap;

use serde_json::Value;

use super::amount::Amount;

/// What a value of a dimension is called: the name that its latest document gives it.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// The name: a text, or one for each language.
    pub value: Value,
}

/// Numbers by source and metric, in the order of the recipe.
pub type Cells = Vec<Vec<Amount>>;

/// One value of a dimension.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    /// What it is called, where a document said so.
    pub label: Option<Label>,
    /// Its numbers.
    pub cells: Cells,
}

/// The numbers of one key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// By source, what the latest document says in the fields that are taken over. Of flat roll-ups only.
    pub copied: Vec<Option<Label>>,
    /// In all.
    pub totals: Cells,
    /// By dimension, in the order of the recipe, and by value.
    pub groups: Vec<BTreeMap<String, Group>>,
}

impl Label {
    /// The later of two; of two of the same time the one whose text comes last, so that the order of
    /// reading decides nothing.
    pub(super) fn later(a: Option<Label>, b: Option<Label>) -> Option<Label> {
        match (a, b) {
            (Some(a), Some(b)) => {
                let rank = |label: &Label| (label.at_ms, label.value.to_string());
                Some(if rank(&b) > rank(&a) { b } else { a })
            }
            (a, b) => a.or(b),
        }
    }
}

impl Tally {
    /// Adds another one, of the same recipe.
    pub fn add(&mut self, other: Tally) {
        add_cells(&mut self.totals, &other.totals);
        self.copied.resize(self.copied.len().max(other.copied.len()), None);
        for (ours, theirs) in self.copied.iter_mut().zip(other.copied) {
            *ours = Label::later(ours.take(), theirs);
        }
        if self.groups.len() < other.groups.len() {
            self.groups.resize_with(other.groups.len(), BTreeMap::new);
        }
        for (ours, theirs) in self.groups.iter_mut().zip(other.groups) {
            for (id, group) in theirs {
                let mine = ours.entry(id).or_default();
                add_cells(&mut mine.cells, &group.cells);
                mine.label = Label::later(mine.label.take(), group.label);
            }
        }
    }
}

fn add_cells(to: &mut Cells, from: &Cells) {
    if to.len() < from.len() {
        to.resize_with(from.len(), Vec::new);
    }
    for (to, from) in to.iter_mut().zip(from) {
        if to.len() < from.len() {
            to.resize(from.len(), Amount::ZERO);
        }
        for (to, from) in to.iter_mut().zip(from) {
            *to += *from;
        }
    }
}
