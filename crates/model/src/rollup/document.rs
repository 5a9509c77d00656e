//! What a delta and a snapshot look like as documents, and reading a delta back.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::amount::Amount;
use super::period::{PeriodStart, iso};
use super::shape::{Place, Shape};
use super::tally::{Group, Label, Tally};
use crate::recipe::{Dimension, RollupSpec};

/// A stored delta that is not as this recipe writes it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the delta {id} has no {what}")]
pub struct OddDelta {
    /// The document.
    pub id: String,
    /// What it lacks.
    pub what: String,
}

/// The field that says which period a document of a flat roll-up is about.
pub const FLAT_DATE: &str = "timestamp";

/// The field that says when such a document was written.
pub const FLAT_UPDATED: &str = "updated_timestamp";

/// Whether a document of a flat roll-up was written by segue: an application that makes the same ones writes
/// the time of its clock without a zone.
#[must_use]
pub fn is_flat_ours(document: &Value) -> bool {
    document[FLAT_UPDATED].as_str().is_some_and(|written| written.ends_with('Z'))
}

/// Writes and reads the documents of one recipe. What it writes is a function of recipe, period, key and
/// numbers, and of flat roll-ups of the time it is told: no clock, so that the same documents give the same bytes.
#[derive(Clone, Copy, Debug)]
pub struct Layout<'s>(pub &'s RollupSpec);

impl Layout<'_> {
    /// The id of delta and snapshot of a period and key.
    #[must_use]
    pub fn id(self, at: PeriodStart, key: &str) -> String {
        format!("{key}-{}", self.0.period.label(at))
    }

    /// What a period adds.
    #[must_use]
    pub fn delta(self, at: PeriodStart, key: &str, tally: &Tally) -> Value {
        let lists = self.0.dimensions.iter().zip(self.groups(tally));
        let subcounts =
            lists.map(|(of, groups)| (of.name.clone(), self.list(of, Shape::Delta, groups.iter())));
        let last = self.0.period.last_second(at);
        let mut delta = json!({
            self.0.key.name.as_str(): key,
            "period_start": iso(at.0),
            "period_end": last,
            "timestamp": last,
            "subcounts": subcounts.collect::<Map<_, _>>(),
        });
        if self.0.entities.is_some() {
            delta["updated_timestamp"] = json!(last);
        }
        Shape::Delta.write(self.0, Place::Totals, &tally.totals, &mut delta);
        delta
    }

    /// What all periods up to this one add up to.
    #[must_use]
    pub fn snapshot(self, at: PeriodStart, key: &str, sum: &Tally) -> Value {
        let lists = self.0.dimensions.iter().zip(self.groups(sum));
        let subcounts = lists.map(|(of, groups)| match (of.top, &self.0.entities) {
            (None, None) => (of.name.clone(), self.list(of, Shape::Snapshot, groups.iter())),
            (Some(most), None) => (of.name.clone(), self.tops(of, groups, most)),
            (most, Some(_)) => (of.name.clone(), self.present(of, groups, most)),
        });
        let last = self.0.period.last_second(at);
        let mut snapshot = json!({
            self.0.key.name.as_str(): key,
            "snapshot_date": iso(at.0),
            "timestamp": last,
            "updated_timestamp": last,
            "subcounts": subcounts.collect::<Map<_, _>>(),
        });
        Shape::Snapshot.write(self.0, Place::Totals, &sum.totals, &mut snapshot);
        snapshot
    }

    /// What a period has of one source, where there is anything: the document of a flat roll-up. `now` is when it
    /// is written, in milliseconds since 1970; its `Z` is the mark by which segue knows the document as its own
    /// ([`is_flat_ours`]).
    #[must_use]
    pub fn flat(
        self,
        at: PeriodStart,
        key: &str,
        (source, tally): (usize, &Tally),
        now: i64,
    ) -> Option<Value> {
        let copied = tally.copied.get(source)?.as_ref()?;
        let mut document = json!({
            self.0.key.name.as_str(): key,
            FLAT_DATE: iso(at.0),
            FLAT_UPDATED: format!("{}Z", iso(now)),
        });
        for (number, metric) in self.0.sources.get(source)?.metrics.iter().enumerate() {
            let amount = tally.totals.get(source).and_then(|row| row.get(number));
            document[metric.name.as_str()] = amount.copied().unwrap_or_default().to_json();
        }
        for (name, value) in copied.value.as_object().into_iter().flatten() {
            document[name.as_str()] = value.clone();
        }
        Some(document)
    }

    /// Reads a delta back: its period, its key and its numbers.
    ///
    /// # Errors
    /// [`OddDelta`] for a document of another shape, such as an application's older one.
    pub fn read(self, id: &str, delta: &Value) -> Result<(PeriodStart, String, Tally), OddDelta> {
        let odd = |what: &str| OddDelta { id: id.to_owned(), what: what.to_owned() };
        let spec = self.0;
        let start = delta["period_start"].as_str().and_then(|text| spec.period.parse(text));
        let at = start.ok_or_else(|| odd("period_start"))?;
        let key = delta[spec.key.name.as_str()].as_str().ok_or_else(|| odd(&spec.key.name))?;
        let totals = Shape::read(spec, Place::Totals, delta).ok_or_else(|| odd("totals"))?;
        let mut groups = Vec::new();
        for of in &spec.dimensions {
            let list = delta["subcounts"][of.name.as_str()].as_array();
            let group = |entry: &Value| {
                let id = entry["id"].as_str()?.to_owned();
                let label = entry.get("label").filter(|_| of.label.is_some());
                let label = label.map(|value| Label { at_ms: at.0, value: value.clone() });
                Some((id, Group { label, cells: Shape::read(spec, Place::Group, entry)? }))
            };
            let read = list.and_then(|list| list.iter().map(group).collect::<Option<_>>());
            groups.push(read.ok_or_else(|| odd(&format!("subcounts.{}", of.name)))?);
        }
        Ok((at, key.to_owned(), Tally { copied: Vec::new(), totals, groups }))
    }

    /// The groups of every dimension, also where nothing was counted.
    fn groups(self, tally: &Tally) -> impl Iterator<Item = &BTreeMap<String, Group>> {
        const NONE: &BTreeMap<String, Group> = &BTreeMap::new();
        (0..self.0.dimensions.len()).map(|number| tally.groups.get(number).unwrap_or(NONE))
    }

    fn list<'g>(
        self,
        of: &Dimension,
        shape: Shape,
        groups: impl Iterator<Item = (&'g String, &'g Group)>,
    ) -> Value {
        groups.map(|(id, group)| self.entry(of, shape, id, group)).collect()
    }

    fn entry(self, of: &Dimension, shape: Shape, id: &str, group: &Group) -> Value {
        let mut entry = json!({ "id": id });
        match (&of.label, &group.label) {
            (None, _) => entry["label"] = json!(id),
            (Some(_), Some(label)) => entry["label"] = label.value.clone(),
            // Nothing says what it is called; an invented name could have a shape that is refused.
            (Some(_), None) => {}
        }
        shape.write(self.0, Place::Group, &group.cells, &mut entry);
        entry
    }

    /// For each source the values with the most of its first metric, the rest left out.
    fn tops(self, of: &Dimension, groups: &BTreeMap<String, Group>, most: u32) -> Value {
        let top = |source: usize| {
            let first =
                |group: &Group| group.cells.get(source).and_then(|cells| cells.first().copied());
            self.most(of, groups, |group| first(group).unwrap_or_default(), Some(most))
        };
        let sources = self.0.sources.iter().enumerate();
        Value::Object(sources.map(|(n, of)| (format!("by_{}", of.name), top(n))).collect())
    }

    /// The values of which there is something now; the most of them first where some are left out.
    fn present(self, of: &Dimension, groups: &BTreeMap<String, Group>, most: Option<u32>) -> Value {
        self.most(of, groups, |group| Shape::rank(self.0, &group.cells), most)
    }

    fn most(
        self,
        of: &Dimension,
        groups: &BTreeMap<String, Group>,
        rank: impl Fn(&Group) -> Amount,
        most: Option<u32>,
    ) -> Value {
        let mut ranked: Vec<_> =
            groups.iter().filter(|(_, group)| rank(group) > Amount::ZERO).collect();
        if let Some(most) = most {
            ranked.sort_by(|(a, one), (b, other)| rank(other).cmp(&rank(one)).then(a.cmp(b)));
            ranked.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        }
        self.list(of, Shape::Snapshot, ranked.into_iter())
    }
}
