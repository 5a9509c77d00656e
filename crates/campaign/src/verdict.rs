//! The independent checker: what was found against what was acknowledged.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::fan_out;
use crate::history::{History, Place, Wrong};
use crate::look::Found;
use crate::oracle::Pipeline;
use crate::scenario::Scenario;
use crate::writer::{Book, id, routing, unnamed};

/// What kind of thing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Acknowledged, and not there.
    Lost,
    /// There, though it was deleted or left out last.
    Resurrected,
    /// Not the content that was acknowledged last.
    Stale,
    /// Content as acknowledged, but what the pipeline adds or the routing is not right.
    Wrong,
    /// There twice, or never written.
    Extra,
    /// A report that does not add up.
    Unbalanced,
    /// Not done within the bound after the faults had stopped.
    Stuck,
    /// A block, a write alias or a pipeline that nobody took away.
    LeftOver,
    /// A name that does not stand on exactly the target.
    Misbound,
    /// A start that called source and target different, where nobody had tampered with the target.
    FalseAlarm,
    /// The application's next version was refused because a higher one stood there.
    ShutOut,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Lost,
        Self::Resurrected,
        Self::Stale,
        Self::Wrong,
        Self::Extra,
        Self::Unbalanced,
        Self::Stuck,
        Self::LeftOver,
        Self::Misbound,
        Self::FalseAlarm,
        Self::ShutOut,
    ];
}

/// One thing that is wrong after a run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Finding {
    pub kind: Kind,
    pub what: String,
    /// What was found of a document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// What was done to it, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
}

impl Finding {
    pub(crate) fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), found: None, history: None }
    }

    fn of(kind: Kind, number: u64, found: Option<&Found>, history: Option<&History>) -> Self {
        Self {
            kind,
            what: format!("document {number}"),
            found: found.map(|found| format!("{found:?}")),
            history: history.cloned(),
        }
    }
}

/// Judges every document that was ever written, and every one that is there.
pub(crate) fn judge(scenario: &Scenario, book: &Book, found: &[Found]) -> Vec<Finding> {
    if scenario.pipeline == Pipeline::FanOut {
        return judge_parts(scenario, book, found);
    }
    judge_documents(scenario, book, found)
}

/// Documents that were made of others are put together again and judged by what was done before the switch;
/// the application's own, under their own ids, by what it has done since.
fn judge_parts(scenario: &Scenario, book: &Book, found: &[Found]) -> Vec<Finding> {
    let (whole, own, mut findings) = fan_out::gather(found);
    let of = |place| book.iter().map(|(number, history)| (*number, history.of(place))).collect();
    findings.extend(judge_documents(scenario, &of(Place::Old), &whole));
    let as_sent = Scenario { pipeline: Pipeline::None, ..scenario.clone() };
    findings.extend(judge_documents(&as_sent, &of(Place::New), &own));
    findings
}

fn judge_documents(scenario: &Scenario, book: &Book, found: &[Found]) -> Vec<Finding> {
    let workload = &scenario.workload;
    let mut by_number: BTreeMap<u64, Vec<&Found>> = BTreeMap::new();
    let mut findings = Vec::new();
    for document in found {
        match number_of(scenario, document).filter(|number| book.contains_key(number)) {
            Some(number) => by_number.entry(number).or_default().push(document),
            None => findings.push(Finding {
                found: Some(format!("{document:?}")),
                ..Finding::new(Kind::Extra, format!("{} was never written", document.id))
            }),
        }
    }
    for (number, history) in book {
        let there = by_number.remove(number).unwrap_or_default();
        if there.len() > 1 {
            findings.push(Finding::of(Kind::Extra, *number, Some(there[1]), Some(history)));
        }
        let first = there.first().copied();
        let wrong = history.judge(scenario.pipeline, first.map(|found| &found.fields));
        let kind = wrong.map(|wrong| match wrong {
            Wrong::Lost => Kind::Lost,
            Wrong::Resurrected => Kind::Resurrected,
            Wrong::Stale => Kind::Stale,
            Wrong::Enrichment => Kind::Wrong,
        });
        let routed = first.is_none_or(|found| found.routing == routing(workload, *number));
        if let Some(kind) = kind.or((!routed).then_some(Kind::Wrong)) {
            findings.push(Finding::of(kind, *number, first, Some(history)));
        }
    }
    findings
}

/// The number of a found document: by its id, or, where the engine gave it one, by what it carries.
fn number_of(scenario: &Scenario, found: &Found) -> Option<u64> {
    let workload = &scenario.workload;
    if let Some(number) = found.fields.get("unnamed").and_then(serde_json::Value::as_u64) {
        return unnamed(workload, number).then_some(number);
    }
    let number = found.id.strip_prefix('d')?.parse().ok()?;
    (id(workload, number).as_deref() == Some(&found.id)).then_some(number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::faults::Surroundings;
    use crate::history::{Op, Outcome};
    use crate::oracle::Fields;
    use crate::scenario::Bounds;

    fn scenario() -> Scenario {
        let surroundings = Surroundings { nodes: 1, kills: 0, stragglers: true };
        let bounds = Bounds {
            documents: 100,
            deletes: true,
            redirect: false,
            mode: None,
            versioned: false,
            fan_out: true,
            surroundings,
        };
        let mut scenario = Scenario::draw(1, &bounds);
        scenario.pipeline = Pipeline::None;
        scenario.workload.unnamed = true;
        scenario.workload.routed = true;
        scenario
    }

    fn found(id: &str, routing: Option<&str>, fields: &serde_json::Value) -> Found {
        Found {
            id: id.to_owned(),
            index: "x".to_owned(),
            routing: routing.map(str::to_owned),
            fields: fields.as_object().unwrap().clone(),
        }
    }

    /// Documents 0 (routed), 1 (without an id of its own), 2 (plain); 3 was deleted.
    fn book() -> Book {
        let acknowledged = Outcome::Acknowledged(Place::Old);
        let mut book = Book::new();
        for number in 0..4_u64 {
            let mut fields = json!({ "n": number });
            if number == 1 {
                fields["unnamed"] = json!(1);
            }
            let op = Op::Index(fields.as_object().unwrap().clone());
            book.entry(number).or_default().note(op, acknowledged);
        }
        book.entry(3).or_default().note(Op::Delete, acknowledged);
        book
    }

    fn right() -> Vec<Found> {
        vec![
            found("d0", Some("r0"), &json!({ "n": 0 })),
            found("abcdef", None, &json!({ "n": 1, "unnamed": 1 })),
            found("d2", None, &json!({ "n": 2 })),
        ]
    }

    fn kinds(found: &[Found]) -> Vec<Kind> {
        judge(&scenario(), &book(), found).into_iter().map(|finding| finding.kind).collect()
    }

    /// Documents 0 with two parts, 1 with none, 2 with one that was deleted; the application has since
    /// written 0 anew.
    fn kinds_of_parts(plant: fn(&mut Vec<Found>)) -> Vec<Kind> {
        let mut scenario = scenario();
        scenario.pipeline = Pipeline::FanOut;
        scenario.workload.routed = false;
        scenario.workload.unnamed = false;
        let (old, new) = (Outcome::Acknowledged(Place::Old), Outcome::Acknowledged(Place::New));
        let fields =
            |n: u64, parts: &[&str]| json!({ "n": n, "parts": parts }).as_object().unwrap().clone();
        let mut book = Book::new();
        for (number, parts) in [(0, &["a", "c"][..]), (1, &[]), (2, &["b"])] {
            book.entry(number).or_default().note(Op::Index(fields(number, parts)), old);
        }
        book.entry(2).or_default().note(Op::Delete, old);
        book.entry(0).or_default().note(Op::Index(fields(9, &["e"])), new);
        let mut there = vec![
            found("d0+a", None, &json!({ "n": 0, "part": "a" })),
            found("d0+c", None, &json!({ "n": 0, "part": "c" })),
            found("d0", None, &json!({ "n": 9, "parts": ["e"] })),
        ];
        plant(&mut there);
        judge(&scenario, &book, &there).into_iter().map(|finding| finding.kind).collect()
    }

    #[test]
    fn what_is_made_of_a_document_is_judged_as_that_document() {
        assert_eq!(kinds_of_parts(|_| ()), []);
        assert_eq!(kinds_of_parts(|f| drop(f.remove(0))), [Kind::Stale]);
        assert_eq!(kinds_of_parts(|f| drop(f.drain(..2))), [Kind::Lost]);
        assert_eq!(kinds_of_parts(|f| drop(f.remove(2))), [Kind::Lost]);
        assert_eq!(kinds_of_parts(|f| f[1].fields["n"] = json!(7)), [Kind::Wrong]);
        let back =
            |f: &mut Vec<Found>| f.push(found("d2+b", None, &json!({ "n": 2, "part": "b" })));
        assert_eq!(kinds_of_parts(back), [Kind::Resurrected]);
        let more =
            |f: &mut Vec<Found>| f.push(found("d0+e", None, &json!({ "n": 0, "part": "e" })));
        assert_eq!(kinds_of_parts(more), [Kind::Stale]);
        // Found by a query after the switch, and only there.
        let mut history = History::default();
        for (op, outcome) in [
            (Op::Index(Fields::new()), Outcome::Acknowledged(Place::Old)),
            (Op::Index(Fields::new()), Outcome::Acknowledged(Place::New)),
            (Op::Delete, Outcome::Acknowledged(Place::Either)),
        ] {
            history.note(op, outcome);
        }
        assert!(history.of(Place::Old).lives() && !history.of(Place::New).lives());
        let old_id =
            |f: &mut Vec<Found>| f.push(found("d1", None, &json!({ "n": 1, "parts": [] })));
        assert_eq!(kinds_of_parts(old_id), [Kind::Resurrected]);
        let other = |f: &mut Vec<Found>| f[0].fields["part"] = json!("b");
        assert_eq!(kinds_of_parts(other), [Kind::Wrong, Kind::Stale]);
    }

    #[test]
    fn what_is_right_gives_no_finding() {
        assert_eq!(kinds(&right()), []);
    }

    #[test]
    fn everything_that_was_planted_is_found() {
        let planted = |plant: fn(&mut Vec<Found>)| {
            let mut found = right();
            plant(&mut found);
            kinds(&found)
        };
        assert_eq!(planted(|f| drop(f.remove(2))), [Kind::Lost]);
        assert_eq!(planted(|f| drop(f.remove(1))), [Kind::Lost]);
        assert_eq!(planted(|f| f[2].fields["n"] = json!(7)), [Kind::Stale]);
        assert_eq!(planted(|f| f[0].routing = None), [Kind::Wrong]);
        assert_eq!(
            planted(|f| f.push(found("d3", Some("r3"), &json!({ "n": 3 })))),
            [Kind::Resurrected]
        );
        assert_eq!(planted(|f| f.push(found("d9", None, &json!({ "n": 9 })))), [Kind::Extra]);
        assert_eq!(planted(|f| f.push(f[1].clone())), [Kind::Extra]);
        assert_eq!(planted(|f| f.push(found("x", None, &json!({})))), [Kind::Extra]);
    }
}
