//! What a delta and a snapshot look like as documents, and reading a delta back.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::amount::Amount;
use super::period::{PeriodStart, iso};
use super::tally::{Cells, Group, Label, Tally};
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

/// Writes and reads the documents of one recipe. What it writes is a function of recipe, period, key and
/// numbers: no clock, so that the same documents give the same bytes.
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
        let subcounts = lists.map(|(of, groups)| (of.name.clone(), self.list(of, groups.iter())));
        json!({
            self.0.key.name.as_str(): key,
            "period_start": iso(at.0),
            "period_end": self.0.period.last_second(at),
            "timestamp": self.0.period.last_second(at),
            "totals": self.cells(&tally.totals),
            "subcounts": subcounts.collect::<Map<_, _>>(),
        })
    }

    /// What all periods up to this one add up to.
    #[must_use]
    pub fn snapshot(self, at: PeriodStart, key: &str, sum: &Tally) -> Value {
        let lists = self.0.dimensions.iter().zip(self.groups(sum));
        let subcounts = lists.map(|(of, groups)| match of.top {
            None => (of.name.clone(), self.list(of, groups.iter())),
            Some(most) => (of.name.clone(), self.tops(of, groups, most)),
        });
        json!({
            self.0.key.name.as_str(): key,
            "snapshot_date": iso(at.0),
            "timestamp": self.0.period.last_second(at),
            "updated_timestamp": self.0.period.last_second(at),
            "totals": self.cells(&sum.totals),
            "subcounts": subcounts.collect::<Map<_, _>>(),
        })
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
        let totals = self.read_cells(&delta["totals"]).ok_or_else(|| odd("totals"))?;
        let mut groups = Vec::new();
        for of in &spec.dimensions {
            let list = delta["subcounts"][of.name.as_str()].as_array();
            let group = |entry: &Value| {
                let id = entry["id"].as_str()?.to_owned();
                let label = entry.get("label").filter(|_| of.label.is_some());
                let label = label.map(|value| Label { at_ms: at.0, value: value.clone() });
                Some((id, Group { label, cells: self.read_cells(entry)? }))
            };
            let read = list.and_then(|list| list.iter().map(group).collect::<Option<_>>());
            groups.push(read.ok_or_else(|| odd(&format!("subcounts.{}", of.name)))?);
        }
        Ok((at, key.to_owned(), Tally { totals, groups }))
    }

    /// The groups of every dimension, also where nothing was counted.
    fn groups(self, tally: &Tally) -> impl Iterator<Item = &BTreeMap<String, Group>> {
        const NONE: &BTreeMap<String, Group> = &BTreeMap::new();
        (0..self.0.dimensions.len()).map(|number| tally.groups.get(number).unwrap_or(NONE))
    }

    fn list<'g>(
        self,
        of: &Dimension,
        groups: impl Iterator<Item = (&'g String, &'g Group)>,
    ) -> Value {
        groups.map(|(id, group)| self.entry(of, id, group)).collect()
    }

    fn entry(self, of: &Dimension, id: &str, group: &Group) -> Value {
        let mut entry = self.cells(&group.cells);
        entry.insert("id".to_owned(), json!(id));
        match (&of.label, &group.label) {
            (None, _) => entry.insert("label".to_owned(), json!(id)),
            (Some(_), Some(label)) => entry.insert("label".to_owned(), label.value.clone()),
            // Nothing says what it is called; an invented name could have a shape that is refused.
            (Some(_), None) => None,
        };
        Value::Object(entry)
    }

    /// For each source the values with the most of its first metric, the rest left out.
    fn tops(self, of: &Dimension, groups: &BTreeMap<String, Group>, most: u32) -> Value {
        let top = |source: usize| {
            let first =
                |group: &Group| group.cells.get(source).and_then(|cells| cells.first().copied());
            let mut ranked: Vec<_> = groups
                .iter()
                .filter(|(_, group)| first(group).is_some_and(|amount| amount > Amount::ZERO))
                .collect();
            ranked.sort_by(|(a, one), (b, other)| first(other).cmp(&first(one)).then(a.cmp(b)));
            ranked.truncate(usize::try_from(most).unwrap_or(usize::MAX));
            self.list(of, ranked.into_iter())
        };
        let sources = self.0.sources.iter().enumerate();
        Value::Object(sources.map(|(n, of)| (format!("by_{}", of.name), top(n))).collect())
    }

    /// Every metric of every source, zero where nothing was counted.
    fn cells(self, cells: &Cells) -> Map<String, Value> {
        let amount = |source: usize, metric: usize| {
            let row = cells.get(source);
            row.and_then(|row| row.get(metric)).copied().unwrap_or_default().to_json()
        };
        let of_source = |(n, source): (usize, &crate::recipe::RollupSource)| {
            let metrics = source.metrics.iter().enumerate();
            let row: Map<_, _> =
                metrics.map(|(m, (name, _))| (name.clone(), amount(n, m))).collect();
            (source.name.clone(), Value::Object(row))
        };
        self.0.sources.iter().enumerate().map(of_source).collect()
    }

    fn read_cells(self, value: &Value) -> Option<Cells> {
        let row = |source: &crate::recipe::RollupSource| {
            let row = value.get(source.name.as_str())?;
            source.metrics.iter().map(|(name, _)| Amount::of(row.get(name.as_str())?)).collect()
        };
        self.0.sources.iter().map(row).collect()
    }
}
