//! The history of one document: what its only writer sent, in order, and what came back; and what may
//! therefore stand behind the old name in the end.
//!
//! A write whose answer was lost may have been applied or not. Its writer leaves the document alone
//! afterwards, so that it can't be applied behind a later one.

use serde::Serialize;

use crate::oracle::{Fields, Pipeline, owns};

/// Where a write was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Place {
    /// In the old index: the migration carries it through the pipeline.
    Old,
    /// In the new index, by the application: it stays as it is.
    New,
    /// One of the two, or in the new one with an enrichment that follows.
    Either,
}

/// What the application sent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) enum Op {
    Index(Fields),
    /// A partial update of a document that is there.
    Update(Fields),
    Delete,
}

/// What came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Outcome {
    Acknowledged(Place),
    /// The engine says that there is no such document: nothing to update or to delete.
    Missing(Place),
    /// Not applied.
    Refused,
    /// Not applied, because another version of the document stood there than the request allows.
    Conflicted,
    /// Applied or not.
    Unknown,
}

/// A document of which all is known.
#[derive(Debug, Clone, PartialEq)]
struct Doc {
    fields: Fields,
    place: Place,
}

/// Everything that was done to one document.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct History {
    steps: Vec<(Op, Outcome)>,
}

/// What is wrong with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Wrong {
    /// Acknowledged, and not there.
    Lost,
    /// There, though it was deleted, left out, or never written.
    Resurrected,
    /// Not the content that was acknowledged last.
    Stale,
    /// The application's fields are right, the pipeline's are not.
    Enrichment,
}

/// All that a document may be.
struct Possible {
    states: Vec<Option<Doc>>,
    wrong: Option<Wrong>,
}

impl History {
    pub(crate) fn note(&mut self, op: Op, outcome: Outcome) {
        self.steps.push((op, outcome));
    }

    /// Whether a write without an answer forbids to go on with this document.
    pub(crate) fn retired(&self) -> bool {
        self.steps.iter().any(|(_, outcome)| *outcome == Outcome::Unknown)
    }

    /// Whether the last known state is a document that is there.
    pub(crate) fn lives(&self) -> bool {
        let last = self.steps.iter().rev().find_map(|step| match step {
            (Op::Delete, Outcome::Acknowledged(_)) | (_, Outcome::Missing(_)) => Some(false),
            (_, Outcome::Acknowledged(_)) => Some(true),
            (_, Outcome::Refused | Outcome::Conflicted | Outcome::Unknown) => None,
        });
        last.unwrap_or(false)
    }

    /// Compares what stands behind the old name with what may: after the switch.
    pub(crate) fn judge(&self, pipeline: Pipeline, found: Option<&Fields>) -> Option<Wrong> {
        let possible = self.possible(pipeline);
        if possible.wrong.is_some() {
            return possible.wrong;
        }
        let ends: Vec<Option<Fields>> =
            possible.states.iter().flat_map(|state| ends(pipeline, state)).collect();
        let Some(found) = found else {
            return if ends.contains(&None) { None } else { Some(Wrong::Lost) };
        };
        let allowed: Vec<&Fields> = ends.iter().flatten().collect();
        if allowed.is_empty() {
            Some(Wrong::Resurrected)
        } else if allowed.contains(&found) {
            None
        } else if allowed.iter().any(|allowed| own(allowed) == own(found)) {
            Some(Wrong::Enrichment)
        } else {
            Some(Wrong::Stale)
        }
    }

    /// What was done to the document in one place only; a write without an answer may have been in either.
    ///
    /// For documents that have other ids in the new index: a delete by query, which does not say where it
    /// found the document, found it in the old index as long as the application had nothing in the new one.
    pub(crate) fn of(&self, place: Place) -> History {
        let (mut moved, mut steps) = (false, Vec::new());
        for (op, outcome) in &self.steps {
            let at = match outcome {
                Outcome::Acknowledged(Place::Either) | Outcome::Missing(Place::Either) => {
                    Some(if moved { Place::New } else { Place::Old })
                }
                Outcome::Acknowledged(at) | Outcome::Missing(at) => Some(*at),
                Outcome::Refused | Outcome::Conflicted | Outcome::Unknown => None,
            };
            moved |= at == Some(Place::New);
            if at.is_none_or(|at| at == place) {
                steps.push((op.clone(), *outcome));
            }
        }
        History { steps }
    }

    fn possible(&self, pipeline: Pipeline) -> Possible {
        let mut possible = Possible { states: vec![None], wrong: None };
        for (op, outcome) in &self.steps {
            possible.step(pipeline, op, *outcome);
        }
        possible
    }
}

impl Possible {
    fn step(&mut self, pipeline: Pipeline, op: &Op, outcome: Outcome) {
        let before = std::mem::take(&mut self.states);
        let applied = |place: Place| -> Vec<Option<Doc>> {
            let seen = before.iter().flat_map(|state| seen_at(pipeline, state, place));
            seen.filter_map(|state| apply(op, state, place)).collect()
        };
        let after = match outcome {
            Outcome::Refused | Outcome::Conflicted => before.clone(),
            Outcome::Unknown => [before.clone(), applied(Place::Either)].concat(),
            Outcome::Acknowledged(place) => applied(place),
            Outcome::Missing(place) => {
                let seen = before.iter().flat_map(|state| seen_at(pipeline, state, place));
                seen.filter(Option::is_none).collect()
            }
        };
        self.states = after;
        self.states.dedup();
        if self.states.is_empty() {
            // The engine's own answer contradicts what was acknowledged before.
            let missing = matches!(outcome, Outcome::Missing(_));
            self.wrong =
                self.wrong.or(Some(if missing { Wrong::Lost } else { Wrong::Resurrected }));
            self.states = vec![None];
        }
    }
}

/// What an operation makes of a state; `None`: it can't have been acknowledged in this state.
fn apply(op: &Op, state: Option<Doc>, place: Place) -> Option<Option<Doc>> {
    match (op, state) {
        (Op::Index(fields), _) => Some(Some(Doc { fields: fields.clone(), place })),
        (Op::Update(change), Some(doc)) => {
            let mut fields = doc.fields;
            fields.extend(change.clone());
            let place = if doc.place == place { place } else { Place::Either };
            Some(Some(Doc { fields, place }))
        }
        (Op::Update(_), None) => None,
        (Op::Delete, _) => Some(None),
    }
}

/// The states in which a write that is applied at `place` can find a document: the new index has what
/// the migration made of it.
fn seen_at(pipeline: Pipeline, state: &Option<Doc>, place: Place) -> Vec<Option<Doc>> {
    let old = state.iter().cloned().map(Some).next().unwrap_or(None);
    let new: Vec<Option<Doc>> = ends(pipeline, state)
        .into_iter()
        .map(|end| end.map(|fields| Doc { fields, place: Place::New }))
        .collect();
    match place {
        Place::Old => vec![old],
        Place::New => new,
        Place::Either => [vec![old], new].concat(),
    }
}

/// What may stand in the new index after the switch.
fn ends(pipeline: Pipeline, state: &Option<Doc>) -> Vec<Option<Fields>> {
    let Some(Doc { fields, place }) = state else { return vec![None] };
    match place {
        Place::Old => vec![pipeline.migrate(fields)],
        Place::New => vec![Some(fields.clone())],
        Place::Either => vec![pipeline.migrate(fields), Some(fields.clone())],
    }
}

fn own(fields: &Fields) -> Fields {
    fields.iter().filter(|(name, _)| !owns(name)).map(|(k, v)| (k.clone(), v.clone())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn doc(n: u32) -> Fields {
        json!({ "n": n, "ref": "k1", "robot": false }).as_object().unwrap().clone()
    }

    fn robot(n: u32) -> Fields {
        json!({ "n": n, "ref": "k1", "robot": true }).as_object().unwrap().clone()
    }

    fn made(n: u32) -> Fields {
        Pipeline::Enrich.migrate(&doc(n)).unwrap()
    }

    type Steps = Vec<(Op, Outcome)>;

    const OLD: Outcome = Outcome::Acknowledged(Place::Old);
    const NEW: Outcome = Outcome::Acknowledged(Place::New);
    const GONE_OLD: Outcome = Outcome::Missing(Place::Old);
    const GONE_NEW: Outcome = Outcome::Missing(Place::New);

    fn index(n: u32) -> Op {
        Op::Index(doc(n))
    }

    fn update(name: &str) -> Op {
        Op::Update(json!({ "u": name }).as_object().unwrap().clone())
    }

    fn updated(mut fields: Fields, name: &str) -> Fields {
        fields.insert("u".into(), json!(name));
        fields
    }

    fn judge(steps: &[(Op, Outcome)], found: Option<&Fields>) -> Option<Wrong> {
        let history = History { steps: steps.to_vec() };
        history.judge(Pipeline::Enrich, found)
    }

    #[test]
    fn what_is_right_is_accepted() {
        let cases: Vec<(Steps, Option<Fields>)> = vec![
            (vec![(index(1), OLD)], Some(made(1))),
            (vec![(index(1), OLD), (index(2), OLD)], Some(made(2))),
            (vec![(index(1), OLD), (index(2), Outcome::Refused)], Some(made(1))),
            (vec![(index(1), OLD), (Op::Delete, OLD)], None),
            (vec![(index(1), OLD), (Op::Delete, OLD), (index(3), OLD)], Some(made(3))),
            (vec![(index(1), OLD), (update("x"), OLD)], Some(updated(made(1), "x"))),
            // Written to the new index by the application: as it sent it.
            (vec![(index(1), OLD), (index(2), NEW)], Some(doc(2))),
            // Updated there: what the migration made of it, changed.
            (vec![(index(1), OLD), (update("y"), NEW)], Some(updated(made(1), "y"))),
            (vec![(index(1), OLD), (Op::Delete, NEW)], None),
            (vec![(index(1), OLD), (Op::Delete, OLD), (update("z"), GONE_NEW)], None),
            (vec![(Op::Delete, GONE_OLD)], None),
            (vec![], None),
        ];
        for (steps, found) in cases {
            assert_eq!(judge(&steps, found.as_ref()), None, "{steps:?} {found:?}");
        }
    }

    #[test]
    fn what_was_planted_is_found() {
        let cases: Vec<(Steps, Option<Fields>, Wrong)> = vec![
            (vec![(index(1), OLD)], None, Wrong::Lost),
            (vec![(index(1), OLD), (Op::Delete, Outcome::Refused)], None, Wrong::Lost),
            (vec![(index(1), OLD), (index(2), OLD)], Some(made(1)), Wrong::Stale),
            (vec![(index(1), OLD), (index(2), NEW)], Some(made(1)), Wrong::Stale),
            (vec![(index(1), OLD), (update("x"), OLD)], Some(made(1)), Wrong::Stale),
            (vec![(index(1), OLD), (Op::Delete, OLD)], Some(made(1)), Wrong::Resurrected),
            (vec![(index(1), OLD), (Op::Delete, NEW)], Some(made(1)), Wrong::Resurrected),
            (vec![(index(1), Outcome::Refused)], Some(made(1)), Wrong::Resurrected),
            (vec![], Some(doc(1)), Wrong::Resurrected),
            (vec![(index(1), OLD)], Some(doc(1)), Wrong::Enrichment),
            (vec![(index(1), NEW)], Some(made(1)), Wrong::Enrichment),
            // The writer itself was told that an acknowledged document is not there.
            (vec![(index(1), OLD), (update("x"), GONE_NEW)], None, Wrong::Lost),
            (vec![(index(1), OLD), (Op::Delete, GONE_OLD)], None, Wrong::Lost),
            // ... and that one is there which was deleted.
            (
                vec![(index(1), OLD), (Op::Delete, OLD), (update("x"), NEW)],
                Some(updated(made(1), "x")),
                Wrong::Resurrected,
            ),
        ];
        for (steps, found, wrong) in cases {
            assert_eq!(judge(&steps, found.as_ref()), Some(wrong), "{steps:?} {found:?}");
        }
    }

    #[test]
    fn a_lost_answer_allows_both_and_no_more() {
        let lost = |op: Op| vec![(index(1), OLD), (index(2), OLD), (op, Outcome::Unknown)];
        let written = lost(index(3));
        for (found, wrong) in [
            (Some(made(2)), None),
            (Some(made(3)), None),
            (Some(doc(3)), None),
            (Some(made(1)), Some(Wrong::Stale)),
            (Some(doc(2)), Some(Wrong::Enrichment)),
            (None, Some(Wrong::Lost)),
        ] {
            assert_eq!(judge(&written, found.as_ref()), wrong, "{found:?}");
        }
        let deleted = lost(Op::Delete);
        assert_eq!(judge(&deleted, None), None);
        assert_eq!(judge(&deleted, Some(&made(2))), None);
        assert_eq!(judge(&deleted, Some(&made(1))), Some(Wrong::Stale));
        let history = History { steps: deleted };
        assert!(history.retired() && history.lives());
    }

    #[test]
    fn documents_left_out_are_absent_unless_the_application_wrote_them_there() {
        let judge = |steps: &[(Op, Outcome)], found: Option<&Fields>| {
            let history = History { steps: steps.to_vec() };
            history.judge(Pipeline::Filter, found)
        };
        let left_out = [(index(1), OLD), (Op::Index(robot(2)), OLD)];
        assert_eq!(judge(&left_out, None), None);
        assert_eq!(judge(&left_out, Some(&doc(1))), Some(Wrong::Resurrected));
        assert_eq!(judge(&left_out, Some(&robot(2))), Some(Wrong::Resurrected));
        let there = [(Op::Index(robot(2)), NEW)];
        assert_eq!(judge(&there, Some(&robot(2))), None);
        let missed = [(Op::Index(robot(2)), OLD), (update("x"), GONE_NEW)];
        assert_eq!(judge(&missed, None), None);
    }
}
