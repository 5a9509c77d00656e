//! What has become of dead letters: which are still open, why, and how often for one cause.
//!
//! A letter says what happened once. What counts is what is now: the document may have been written
//! again, deleted, or carried by a later projection. So each letter is looked at beside source and
//! target, and is **open** exactly if the verification would count its document as a dead letter
//! (`docs/concepts/protocol.md`, "dead letters").

mod after;
mod look;
mod retry;

use std::collections::BTreeMap;

use segue_model::id::IndexName;
use segue_model::letter::Standing;
use segue_model::part::PartState;
use serde::Serialize;
use serde_json::Value;

pub use look::Sides;
pub use retry::{Chosen, Retried, retry};

use crate::error::Error;
use crate::pass::{DeadLetter, DeadLetters};
use crate::session::Session;

/// How many letters are looked at at once.
const PAGE: usize = 500;

/// A dead letter, and what it is by now.
#[derive(Clone, Debug, Serialize)]
pub struct Letter {
    /// What was kept.
    #[serde(flatten)]
    pub letter: DeadLetter,
    /// What it is by now.
    pub standing: Standing,
}

/// Open letters of one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Its number in this list, from 1.
    pub number: usize,
    /// The kind of refusal.
    pub kind: String,
    /// The reason without what differs from document to document.
    pub group: String,
    /// How many documents.
    pub count: u64,
    /// The document that was met first.
    pub document: String,
    /// Its reason, in full.
    pub reason: String,
    /// The most often that one of them was refused.
    pub attempts: u32,
}

/// The dead letters of one part.
#[derive(Clone, Debug, Serialize)]
pub struct PartLetters {
    /// The part.
    pub source: IndexName,
    /// Where it stands.
    pub phase: String,
    /// Letters whose document is missing from the target: what the gate counts.
    pub open: u64,
    /// Letters whose document changed since, which is not carried yet.
    pub waiting: u64,
    /// Open letters by cause, the largest group first.
    pub groups: Vec<Group>,
}

/// The dead letters of `source`, grouped.
pub async fn list(
    session: &Session,
    source: &IndexName,
    state: &PartState,
) -> Result<PartLetters, Error> {
    let mut part = PartLetters {
        source: source.clone(),
        phase: state.phase.to_string(),
        open: 0,
        waiting: 0,
        groups: Vec::new(),
    };
    let mut groups: BTreeMap<(String, String), Group> = BTreeMap::new();
    let mut pages = Pages::open(session, source, state).await?;
    while let Some(letters) = pages.next().await? {
        for Letter { letter, standing } in letters {
            match standing {
                Standing::Open => part.open += 1,
                Standing::Waits => part.waiting += 1,
                _ => {}
            }
            if standing != Standing::Open {
                continue;
            }
            let key = (letter.kind.clone(), letter.group.clone());
            let group = groups.entry(key).or_insert_with(|| Group {
                number: 0,
                kind: letter.kind,
                group: letter.group,
                count: 0,
                document: letter.document,
                reason: letter.reason,
                attempts: 0,
            });
            group.count += 1;
            group.attempts = group.attempts.max(letter.attempts);
        }
    }
    part.groups = groups.into_values().collect();
    part.groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.group.cmp(&b.group)));
    for (number, group) in (1..).zip(&mut part.groups) {
        group.number = number;
    }
    Ok(part)
}

/// The first open letters of `source`, by shard and number.
pub(crate) async fn first_open(
    session: &Session,
    source: &IndexName,
    state: &PartState,
    limit: usize,
) -> Result<Vec<DeadLetter>, Error> {
    let mut open = Vec::new();
    let mut pages = Pages::open(session, source, state).await?;
    while let Some(letters) = pages.next().await? {
        let of_page = letters.into_iter().filter(|letter| letter.standing == Standing::Open);
        open.extend(of_page.map(|letter| letter.letter));
        if open.len() >= limit {
            open.truncate(limit);
            break;
        }
    }
    Ok(open)
}

/// The letters of a part, page by page, each with what it is by now.
pub struct Pages {
    session: Session,
    sides: Option<Sides>,
    letters: DeadLetters,
    after: Option<Value>,
    with_sent: bool,
}

/// How many letters are looked at at once where each comes with what was sent.
const PAGE_IN_FULL: usize = 100;

impl Pages {
    /// Looks where the part's letters have to be looked at.
    pub async fn open(
        session: &Session,
        source: &IndexName,
        state: &PartState,
    ) -> Result<Pages, Error> {
        let letters = DeadLetters::of(session, source);
        let any = letters.refresh().await?;
        let sides = if any { Sides::of(session, source, state).await? } else { None };
        Ok(Pages { session: session.clone(), sides, letters, after: None, with_sent: false })
    }

    /// Letters come with what was sent.
    #[must_use]
    pub fn with_what_was_sent(self) -> Pages {
        Pages { with_sent: true, ..self }
    }

    /// The next page; `None` after the last one. What was sent is left out unless it was asked for.
    pub async fn next(&mut self) -> Result<Option<Vec<Letter>>, Error> {
        let Some(sides) = &self.sides else { return Ok(None) };
        self.session.check_stop()?;
        let size = if self.with_sent { PAGE_IN_FULL } else { PAGE };
        let (letters, next) = self.letters.page(self.after.take(), size, self.with_sent).await?;
        let looked = sides.look(&letters).await?;
        let page = letters.into_iter().zip(looked);
        let page = page.map(|(letter, looked)| Letter { letter, standing: looked.standing });
        let page: Vec<_> = page.collect();
        match next {
            Some(after) => self.after = Some(after),
            None => self.sides = None,
        }
        Ok(Some(page))
    }
}

/// Everything that is known of one dead letter.
#[derive(Clone, Debug, Serialize)]
pub struct Explained {
    /// The part.
    pub source: IndexName,
    /// The letter, with what was sent, and what it is by now.
    #[serde(flatten)]
    pub letter: Letter,
    /// The document as the source holds it now, read in real time; none where it holds none, or where
    /// the source is files.
    pub now: Option<Value>,
    /// The number of the operation that wrote it.
    pub now_seq_no: Option<i64>,
    /// The document as the target holds it now.
    pub target: Option<Value>,
}

/// Everything that is known of the letters of the document `id` in `source`.
pub async fn explain(
    session: &Session,
    source: &IndexName,
    state: &PartState,
    id: &str,
) -> Result<Vec<Explained>, Error> {
    let letters = DeadLetters::of(session, source).with_id(id).await?;
    let Some(sides) = Sides::of(session, source, state).await? else { return Ok(Vec::new()) };
    let looked = sides.look_in_full(&letters).await?;
    let explained = letters.into_iter().zip(looked).map(|(letter, looked)| {
        let value = |document: Option<&segue_cluster::Document>| {
            document.and_then(|d| serde_json::from_str(d.source.as_ref()?.get()).ok())
        };
        Explained {
            source: source.clone(),
            now: value(looked.source.as_ref()),
            now_seq_no: looked.source.as_ref().map(|document| document.seq_no),
            target: value(looked.target.as_ref()),
            letter: Letter { letter, standing: looked.standing },
        }
    });
    Ok(explained.collect())
}
