//! Where each number stands in what is written.
//!
//! | of | in deltas | in snapshots |
//! | --- | --- | --- |
//! | counted documents | `totals.SOURCE.METRIC` | the same, added up |
//! | entities, `GROUP.NAME` | `GROUP.added.NAME`, `GROUP.removed.NAME` | `total_GROUP.NAME`: what was added less what was removed |
//! | entities, `NAME` | `NAME`: of those added | `total_NAME`, added up |
//!
//! By the values of a dimension they stand in each entry without `totals` and `total_`; numbers of entities
//! with a name of one piece are not broken down.

use serde_json::{Map, Value};

use super::amount::Amount;
use super::tally::Cells;
use crate::recipe::RollupSpec;

/// What begins the names of sums of entities.
const TOTAL: &str = "total_";

/// Which of the two kinds of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Delta,
    Snapshot,
}

/// Where in a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In all.
    Totals,
    /// By a value of a dimension.
    Group,
}

impl Shape {
    /// The names from the place down to a number; none where it is not written.
    pub(super) fn path(
        self,
        spec: &RollupSpec,
        place: Place,
        source: usize,
        metric: &str,
    ) -> Option<Vec<String>> {
        let name = &spec.sources.get(source)?.name;
        if spec.entities.is_none() {
            let totals = (place == Place::Totals).then(|| "totals".to_owned());
            return Some(totals.into_iter().chain([name.clone(), metric.to_owned()]).collect());
        }
        let total = match (self, place) {
            (Shape::Snapshot, Place::Totals) => TOTAL,
            _ => "",
        };
        match (metric.split_once('.'), self) {
            (None, _) if source == 0 && place == Place::Totals => {
                Some(vec![format!("{total}{metric}")])
            }
            (None, _) => None,
            (Some((group, last)), Shape::Delta) => {
                Some(vec![group.to_owned(), name.clone(), last.to_owned()])
            }
            (Some((group, last)), Shape::Snapshot) => {
                (source == 0).then(|| vec![format!("{total}{group}"), last.to_owned()])
            }
        }
    }

    /// Writes every number that has a place, zero where nothing was counted.
    pub(super) fn write(self, spec: &RollupSpec, place: Place, cells: &Cells, to: &mut Value) {
        for (source, of) in spec.sources.iter().enumerate() {
            for (number, metric) in of.metrics.iter().enumerate() {
                let Some(path) = self.path(spec, place, source, &metric.name) else { continue };
                let less =
                    spec.entities.is_some() && self == Shape::Snapshot && metric.name.contains('.');
                let amount = if less {
                    cell(cells, 0, number) - cell(cells, 1, number)
                } else {
                    cell(cells, source, number)
                };
                put(to, &path, amount.to_json());
            }
        }
    }

    /// Reads the numbers of a delta; none if one is not there.
    pub(super) fn read(spec: &RollupSpec, place: Place, from: &Value) -> Option<Cells> {
        let cell = |source: usize, metric: &str| {
            let Some(path) = Shape::Delta.path(spec, place, source, metric) else {
                return Some(Amount::ZERO);
            };
            let value = path.iter().try_fold(from, |at, name| at.get(name.as_str()))?;
            Amount::of(value)
        };
        let sources = spec.sources.iter().enumerate();
        let row = |(source, of): (usize, &crate::recipe::RollupSource)| {
            of.metrics.iter().map(|metric| cell(source, &metric.name)).collect::<Option<Vec<_>>>()
        };
        sources.map(row).collect()
    }

    /// How much there is of entities now: the numbers of the first group together.
    pub(super) fn rank(spec: &RollupSpec, cells: &Cells) -> Amount {
        let group = |name: &str| name.split_once('.').map(|(group, _)| group.to_owned());
        let Some(metrics) = spec.sources.first().map(|of| &of.metrics) else { return Amount::ZERO };
        let first = metrics.iter().find_map(|metric| group(&metric.name));
        let numbers = metrics.iter().enumerate().filter(|(_, of)| group(&of.name) == first);
        numbers.map(|(number, _)| cell(cells, 0, number) - cell(cells, 1, number)).sum()
    }
}

fn cell(cells: &Cells, source: usize, metric: usize) -> Amount {
    cells.get(source).and_then(|row| row.get(metric)).copied().unwrap_or_default()
}

fn put(to: &mut Value, path: &[String], value: Value) {
    let Some((last, around)) = path.split_last() else { return };
    let mut at = to;
    for name in around {
        let Value::Object(members) = at else { return };
        at = members.entry(name.as_str()).or_insert_with(|| Value::Object(Map::new()));
    }
    if let Value::Object(members) = at {
        members.insert(last.clone(), value);
    }
}
