//! The journal's streams, folded as far as they go.

use std::collections::BTreeMap;

use super::finding::{Finding, Kind, Step};
use crate::id::IndexName;
use crate::journal::Record;
use crate::part::PartState;

/// What the records add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Streams {
    /// Each part's state, up to where its stream is damaged.
    pub parts: BTreeMap<IndexName, PartState>,
    /// Where streams are damaged: the first fault of each, by part; none = the migration's own stream.
    pub faults: BTreeMap<Option<IndexName>, Fault>,
}

/// Where a stream of the journal is damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A record is missing, or there twice.
    Gap {
        /// The number that was expected.
        expected: u64,
        /// The number that was there.
        found: u64,
    },
    /// A record does not follow from those before it.
    Illegal {
        /// Its number.
        number: u64,
        /// Why not.
        why: String,
    },
}

/// Folds `records`, which are in order within each stream. A damaged stream ends before its fault.
pub fn fold(records: &[Record]) -> Streams {
    let mut streams = Streams::default();
    let mut numbers: BTreeMap<Option<&IndexName>, u64> = BTreeMap::new();
    for record in records {
        let part = record.part.as_ref();
        if streams.faults.contains_key(&record.part) {
            continue;
        }
        let expected = numbers.get(&part).copied().unwrap_or(0) + 1;
        numbers.insert(part, expected);
        let fault = if record.number == expected {
            part.and_then(|part| {
                let state = streams.parts.entry(part.clone()).or_default();
                let taken = state.apply_at(&record.event, record.at_ms);
                taken.err().map(|why| Fault::Illegal { number: expected, why: why.to_string() })
            })
        } else {
            // So that a part is listed whose very first record is missing.
            if let Some(part) = part {
                streams.parts.entry(part.clone()).or_default();
            }
            Some(Fault::Gap { expected, found: record.number })
        };
        if let Some(fault) = fault {
            streams.faults.insert(record.part.clone(), fault);
        }
    }
    streams
}

impl Fault {
    /// The fault as a finding. What the cluster holds cannot be judged by such a stream.
    pub fn finding(&self) -> Finding {
        let (kind, what) = match self {
            Fault::Gap { expected, found } if found < expected => (
                Kind::JournalGap,
                format!("record {found} is there twice; nothing after it can be judged"),
            ),
            Fault::Gap { expected, found } => (
                Kind::JournalGap,
                format!(
                    "record {expected} is missing, {found} is next; nothing can be judged by it"
                ),
            ),
            Fault::Illegal { number, why } => (
                Kind::JournalUnfoldable,
                format!("record {number} does not follow from those before it: {why}"),
            ),
        };
        Finding { kind, severity: kind.severity(), what, next: Step::look(JOURNAL) }
    }
}

/// The journal, for people.
const JOURNAL: &str = "/segue-journal/_search?size=1000&sort=stream,number";

#[cfg(test)]
mod tests {
    use super::super::tests::until_ready;
    use super::*;
    use crate::id::MigrationName;
    use crate::journal::Event;

    #[test]
    fn a_stream_is_folded_up_to_where_it_is_damaged() {
        let record = |part: &str, number, event| Record {
            migration: MigrationName::new("m"),
            part: Some(IndexName::new(part)),
            number,
            at_ms: 0,
            by: String::new(),
            event,
        };
        let events = until_ready();
        let whole = |part: &'static str| {
            let numbered = events.iter().cloned().zip(1..);
            numbered.map(move |(event, number)| record(part, number, event)).collect::<Vec<_>>()
        };
        let (mut gap, mut twice, mut illegal, mut headless) =
            (whole("gap"), whole("twice"), whole("illegal"), whole("headless"));
        gap.remove(3);
        twice.insert(3, twice[2].clone());
        illegal[4].event = Event::WatchEnded;
        headless.remove(0);
        let streams = fold(&[whole("a"), gap, twice, illegal, headless].concat());
        let kinds: BTreeMap<_, _> = streams
            .faults
            .iter()
            .map(|(part, fault)| (part.as_ref().unwrap().as_str(), fault.finding()))
            .collect();
        let names: Vec<_> = kinds.iter().map(|(part, finding)| (*part, finding.kind)).collect();
        assert_eq!(
            names,
            [
                ("gap", Kind::JournalGap),
                ("headless", Kind::JournalGap),
                ("illegal", Kind::JournalUnfoldable),
                ("twice", Kind::JournalGap),
            ]
        );
        assert!(kinds["gap"].what.starts_with("record 4 is missing"), "{:?}", kinds["gap"]);
        assert!(kinds["twice"].what.starts_with("record 3 is there twice"), "{:?}", kinds["twice"]);
        assert_eq!(streams.parts.len(), 5);
        assert_eq!(streams.parts[&IndexName::new("a")], PartState::fold(&events).unwrap());
    }
}
