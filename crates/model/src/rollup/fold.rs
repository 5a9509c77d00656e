//! Documents on their way into tallies.
//!
//! Counting distinct values exactly means keeping them. What is kept is counted ([`Fold::held`]), so that
//! a caller can give up and read the same documents again in several [`Share`]s: each keeps only its part of
//! the values, and the tallies of all shares add up to the whole. Of a flat roll-up, whose keys are many, each
//! keeps only its part of the keys, and those whole.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_128;

use super::amount::Amount;
use super::period::PeriodStart;
use super::tally::{Group, Label, Tally};
use crate::recipe::{Dimension, Metric, NamedMetric, Path, RollupSource, RollupSpec, When};
use crate::value::{text, values};

/// What a key takes, in distinct values.
const KEY: usize = 20;

/// Which part of the distinct values is kept: the `nth` (from 0) of `of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Which, from 0.
    pub nth: u32,
    /// Of how many; at least 1.
    pub of: u32,
}

impl Share {
    /// Everything at once.
    pub const WHOLE: Share = Share { nth: 0, of: 1 };

    /// Whether this is part of it.
    #[must_use]
    pub fn has_text(self, text: &str) -> bool {
        self.has(xxh3_128(text.as_bytes()))
    }

    fn has(self, hash: u128) -> bool {
        hash % u128::from(self.of.max(1)) == u128::from(self.nth)
    }
}

/// A document that cannot be counted as the recipe wants.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OddDocument {
    /// A value that should have a text of its own has members.
    #[error("`{path}` holds objects: say which member tells them apart (`id`)")]
    Members {
        /// Where.
        path: String,
    },
    /// A value to be added up is no number, or one too large to be added exactly.
    #[error("`{path}` holds {value}, which cannot be added up exactly")]
    NoNumber {
        /// Where.
        path: String,
        /// What.
        value: String,
    },
}

/// What is known of the documents read so far, by period and key.
#[derive(Debug)]
pub struct Fold<'s> {
    spec: &'s RollupSpec,
    share: Share,
    names: HashMap<u128, u32>,
    periods: BTreeMap<PeriodStart, BTreeMap<String, KeyFold>>,
    held: usize,
}

#[derive(Debug, Default)]
struct KeyFold {
    copied: Vec<Option<Label>>,
    totals: Vec<Vec<State>>,
    groups: Vec<BTreeMap<String, GroupFold>>,
}

#[derive(Debug, Default)]
struct GroupFold {
    label: Option<Label>,
    cells: Vec<Vec<State>>,
}

#[derive(Debug)]
enum State {
    Amount(Amount),
    Distinct(HashSet<u32>),
}

/// What one document adds to each cell that it belongs to.
enum Piece {
    Amount(Amount),
    Values(Vec<u32>),
}

impl<'s> Fold<'s> {
    /// Nothing read yet.
    #[must_use]
    pub fn new(spec: &'s RollupSpec, share: Share) -> Fold<'s> {
        Fold { spec, share, names: HashMap::new(), periods: BTreeMap::new(), held: 0 }
    }

    /// Distinct values that are kept, cells and all: what the memory that this takes grows with.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held + self.names.len()
    }

    /// Counts a document of the source with this number.
    ///
    /// # Errors
    /// [`OddDocument`]; nothing was counted then.
    pub fn add(&mut self, source: usize, at_ms: i64, document: &Value) -> Result<(), OddDocument> {
        let mut keys = keys(self.spec, document)?;
        if self.spec.flat {
            keys.retain(|key| self.share.has_text(key));
            if keys.is_empty() {
                return Ok(());
            }
        }
        self.add_for(source, at_ms, keys, document)
    }

    /// Counts a document for these keys, whatever it says of them.
    ///
    /// # Errors
    /// [`OddDocument`]; nothing was counted then.
    pub fn add_for(
        &mut self,
        source: usize,
        at_ms: i64,
        keys: BTreeSet<String>,
        document: &Value,
    ) -> Result<(), OddDocument> {
        let spec = self.spec;
        let Some(from) = spec.sources.get(source) else { return Ok(()) };
        let dimensions: Vec<_> =
            spec.dimensions.iter().map(|of| ids(of, at_ms, document)).collect::<Result<_, _>>()?;
        let pieces = self.pieces(from, document)?;
        let copied = spec.flat.then(|| Label { at_ms, value: copied(from, document) });
        let period = self.periods.entry(spec.period.of(at_ms)).or_default();
        for key in keys {
            let fold = period.entry(key).or_insert_with(|| {
                self.held += KEY;
                KeyFold::default()
            });
            if let Some(copied) = &copied {
                fold.copied.resize(spec.sources.len(), None);
                let kept = &mut fold.copied[source];
                *kept = Label::later(kept.take(), Some(copied.clone()));
            }
            self.held += apply(&mut fold.totals, spec, source, &pieces);
            fold.groups.resize_with(spec.dimensions.len(), BTreeMap::new);
            for (groups, ids) in fold.groups.iter_mut().zip(&dimensions) {
                for (id, label) in ids {
                    let group = groups.entry(id.clone()).or_insert_with(|| {
                        self.held += 1;
                        GroupFold::default()
                    });
                    self.held += apply(&mut group.cells, spec, source, &pieces);
                    group.label = Label::later(group.label.take(), label.clone());
                }
            }
        }
        Ok(())
    }

    fn pieces(
        &mut self,
        source: &RollupSource,
        document: &Value,
    ) -> Result<Vec<Piece>, OddDocument> {
        let counts = self.share.nth == 0 || self.spec.flat;
        let piece = |of: &NamedMetric| {
            let fulfils = of.when.as_ref().is_none_or(|when| fulfils(document, when));
            Ok(match &of.metric {
                Metric::Unique(_) if !fulfils => Piece::Values(Vec::new()),
                Metric::Count | Metric::Sum(_) if !fulfils => Piece::Amount(Amount::ZERO),
                Metric::Count => Piece::Amount(Amount::count(u64::from(counts))),
                Metric::Sum(path) => {
                    let sum = sum(document, path)?;
                    Piece::Amount(if counts { sum } else { Amount::ZERO })
                }
                Metric::Unique(path) => Piece::Values(self.numbers(document, path)?),
            })
        };
        source.metrics.iter().map(piece).collect()
    }

    /// Small numbers that stand for the values at `path`, as far as they are of this share.
    fn numbers(&mut self, document: &Value, path: &Path) -> Result<Vec<u32>, OddDocument> {
        let mut numbers = Vec::new();
        for value in values(document, path) {
            let text = text(value).ok_or_else(|| members(path))?;
            let hash = xxh3_128(text.as_bytes());
            if self.spec.flat || self.share.has(hash) {
                let next = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
                numbers.push(*self.names.entry(hash).or_insert(next));
            }
        }
        Ok(numbers)
    }

    /// The tallies, by period and key.
    #[must_use]
    pub fn finish(self) -> BTreeMap<PeriodStart, BTreeMap<String, Tally>> {
        let finish = |keys: BTreeMap<String, KeyFold>| {
            keys.into_iter().map(|(key, fold)| (key, fold.finish())).collect()
        };
        self.periods.into_iter().map(|(at, keys)| (at, finish(keys))).collect()
    }
}

impl KeyFold {
    fn finish(self) -> Tally {
        let group = |(id, group): (String, GroupFold)| {
            (id, Group { label: group.label, cells: amounts(group.cells) })
        };
        let groups = self.groups.into_iter();
        Tally {
            copied: self.copied,
            totals: amounts(self.totals),
            groups: groups.map(|groups| groups.into_iter().map(group).collect()).collect(),
        }
    }
}

fn amounts(cells: Vec<Vec<State>>) -> Vec<Vec<Amount>> {
    let amount = |state: State| match state {
        State::Amount(amount) => amount,
        State::Distinct(values) => Amount::count(values.len() as u64),
    };
    cells.into_iter().map(|source| source.into_iter().map(amount).collect()).collect()
}

/// Adds a document's pieces to the cells of its source; how many values were new.
fn apply(cells: &mut Vec<Vec<State>>, spec: &RollupSpec, source: usize, pieces: &[Piece]) -> usize {
    if cells.is_empty() {
        let state = |of: &NamedMetric| match of.metric {
            Metric::Unique(_) => State::Distinct(HashSet::new()),
            Metric::Count | Metric::Sum(_) => State::Amount(Amount::ZERO),
        };
        cells.extend(spec.sources.iter().map(|of| of.metrics.iter().map(state).collect()));
    }
    let mut new = 0;
    for (state, piece) in cells[source].iter_mut().zip(pieces) {
        match (state, piece) {
            (State::Amount(sum), Piece::Amount(amount)) => *sum += *amount,
            (State::Distinct(kept), Piece::Values(values)) => {
                new += values.iter().filter(|value| kept.insert(**value)).count();
            }
            _ => {}
        }
    }
    new
}

/// The keys that a document counts for, each once.
fn keys(spec: &RollupSpec, document: &Value) -> Result<BTreeSet<String>, OddDocument> {
    let mut keys: BTreeSet<String> = spec.key.all.iter().cloned().collect();
    if let Some(path) = &spec.key.field {
        for value in values(document, path) {
            keys.insert(text(value).ok_or_else(|| members(path))?);
        }
    }
    Ok(keys)
}

/// The values of a dimension that a document has, each once, with what it calls them. A value without an
/// id is no value.
fn ids(
    of: &Dimension,
    at_ms: i64,
    document: &Value,
) -> Result<BTreeMap<String, Option<Label>>, OddDocument> {
    let mut found = BTreeMap::new();
    for (each, value) in
        of.each.iter().flat_map(|each| values(document, each).into_iter().map(move |v| (each, v)))
    {
        let id = match &of.id {
            None => Some(text(value).ok_or_else(|| members(each))?),
            Some(id) => match values(value, id).first() {
                None => None,
                Some(member) => Some(text(member).ok_or_else(|| members(id))?),
            },
        };
        let label =
            of.label.as_ref().and_then(|path| values(value, path).first().copied().cloned());
        let label = label.map(|value| Label { at_ms, value });
        if let Some(id) = id.filter(|id| !id.is_empty()) {
            let kept: &mut Option<Label> = found.entry(id).or_default();
            *kept = Label::later(kept.take(), label);
        }
    }
    Ok(found)
}

/// The fields that are taken over, as far as they are there.
fn copied(from: &RollupSource, document: &Value) -> Value {
    let field = |name: &String| Some((name.clone(), document.get(name)?.clone()));
    Value::Object(from.copy.iter().filter_map(field).collect())
}

fn fulfils(document: &Value, when: &When) -> bool {
    let is_it = |value: &&Value| text(value).is_some_and(|text| text == when.value);
    values(document, &when.field).iter().any(is_it) == when.wanted
}

fn sum(document: &Value, path: &Path) -> Result<Amount, OddDocument> {
    let amount = |value: &&Value| {
        Amount::of(value).ok_or_else(|| OddDocument::NoNumber {
            path: path.dotted(),
            value: value.to_string().chars().take(80).collect(),
        })
    };
    values(document, path).iter().map(amount).sum()
}

fn members(path: &Path) -> OddDocument {
    OddDocument::Members { path: path.dotted() }
}
