//! Looking for what contradicts the journal. Changes nothing, and goes on where something cannot be
//! looked at: that is a finding, too.

mod look;

use std::time::Duration;

use segue_model::doctor::{Finding, Kind, Part, Step, Streams, findings, fold};
use segue_model::id::IndexName;
use segue_model::journal::Record;
use segue_model::part::PartState;

use crate::error::{Error, chain};
use crate::session::Session;

/// How often a part is looked at again that goes on meanwhile.
const ROUNDS: u32 = 5;
const BETWEEN: Duration = Duration::from_millis(300);

/// The journal as far as it can be read.
#[derive(Clone, Debug)]
pub struct Chart {
    records: Vec<Record>,
    streams: Streams,
    unreadable: Option<String>,
}

/// What was found out about one part.
#[derive(Clone, Debug)]
pub struct Examined {
    /// The part.
    pub source: IndexName,
    /// Where it stands.
    pub phase: String,
    /// Every contradiction.
    pub findings: Vec<Finding>,
}

impl Chart {
    /// Reads the journal.
    pub async fn read(session: &Session) -> Chart {
        match session.journal().records().await {
            Ok(records) => {
                let streams = fold(&records);
                Chart { records, streams, unreadable: None }
            }
            Err(error) => Chart {
                records: Vec::new(),
                streams: Streams::default(),
                unreadable: Some(chain(&error)),
            },
        }
    }

    /// The parts that have begun.
    pub fn parts(&self) -> impl Iterator<Item = (&IndexName, &PartState)> {
        self.streams.parts.iter()
    }

    /// What concerns the migration as a whole.
    pub fn findings(&self) -> Vec<Finding> {
        let unreadable = self.unreadable.as_ref().map(|why| Finding {
            kind: Kind::JournalUnreadable,
            severity: Kind::JournalUnreadable.severity(),
            what: format!("{why}; without the journal no part can be judged"),
            next: Step::look("/_cat/indices/segue-*?v&expand_wildcards=all"),
        });
        let own = self.streams.faults.get(&None).map(segue_model::doctor::Fault::finding);
        unreadable.into_iter().chain(own).collect()
    }

    /// How many records a part has.
    fn length(&self, source: &IndexName) -> usize {
        self.records.iter().filter(|record| record.part.as_ref() == Some(source)).count()
    }
}

/// Looks at one part. The journal is read again after each look: only what was seen while the part stood
/// still belongs together.
///
/// # Errors
/// The user wants to stop.
pub async fn examine(
    session: &Session,
    mut chart: Chart,
    source: &IndexName,
) -> Result<Examined, Error> {
    for _ in 0..ROUNDS {
        session.check_stop()?;
        let state = chart.streams.parts.get(source).cloned().unwrap_or_default();
        let phase = state.phase.to_string();
        let examined =
            |findings| Examined { source: source.clone(), phase: phase.clone(), findings };
        if let Some(fault) = chart.streams.faults.get(&Some(source.clone())) {
            return Ok(Examined { phase: "unknown".to_owned(), ..examined(vec![fault.finding()]) });
        }
        let mut found: Vec<Finding> = Vec::new();
        for (index, state) in state.by_source(source) {
            let seen = look::at(session, source, &index, &state).await;
            let part = Part { migration: session.migration(), source: &index, state: &state };
            // What concerns the target is seen by each of its sources.
            for finding in findings(part, &seen) {
                if !found.contains(&finding) {
                    found.push(finding);
                }
            }
        }
        let now = Chart::read(session).await;
        if now.unreadable.is_some() {
            return Ok(examined(now.findings()));
        }
        if now.length(source) == chart.length(source) {
            return Ok(examined(found));
        }
        chart = now;
        session.sleep(BETWEEN).await?;
    }
    let kind = Kind::Moving;
    let what = "it goes on all the time: what is seen does not belong together".to_owned();
    let findings = vec![Finding { kind, severity: kind.severity(), what, next: Step::Doctor }];
    Ok(Examined { source: source.clone(), phase: "going on".to_owned(), findings })
}
