//! The ledger: the writers' own list of what they wrote and what the cluster answered.
//!
//! It is the truth that the checker compares the final documents with.

use std::collections::HashMap;

use crate::fingerprint::Fingerprint;
use crate::invenio::{EventId, Kind, Month};

/// What the cluster answered to one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// Acknowledged: the document must stay.
    Acknowledged,
    /// Refused with a 4xx: not applied.
    Refused,
    /// The connection broke, or the server failed: applied or not.
    Unknown,
}

/// All that is known of one document id.
#[derive(Debug, Clone)]
enum Story {
    /// Written once and acknowledged, as nearly all documents are.
    Simple(Fingerprint),
    /// Everything else.
    Long(Box<Chapters>),
}

#[derive(Debug, Clone, Default)]
struct Chapters {
    /// The content acknowledged last.
    acknowledged: Option<Fingerprint>,
    /// Contents whose outcome is unknown.
    unknown: Vec<Fingerprint>,
    /// Contents that were refused.
    refused: Vec<Fingerprint>,
    /// Writes that wait for their answer.
    in_flight: u32,
}

/// How a document that was found stands to what is known of its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The content acknowledged last, or one of unknown outcome.
    Right,
    /// An older acknowledged content, or one that never was.
    Stale,
    /// No write of this id can have been applied.
    Unexpected,
}

/// The documents of one index name.
#[derive(Debug, Default)]
struct Book {
    stories: HashMap<EventId, Story>,
    acknowledged_writes: u64,
    /// Ids that may be visible: acknowledged, unknown or in flight.
    possible: u64,
}

/// The writers' own list of writes, by index name and document id.
#[derive(Debug, Default)]
pub struct Ledger {
    books: HashMap<(Kind, Month), Book>,
}

impl Story {
    fn possible(&self) -> bool {
        match self {
            Self::Simple(_) => true,
            Self::Long(c) => c.acknowledged.is_some() || !c.unknown.is_empty() || c.in_flight > 0,
        }
    }

    fn chapters(&mut self) -> &mut Chapters {
        if let Self::Simple(acknowledged) = *self {
            *self = Self::Long(Box::new(Chapters {
                acknowledged: Some(acknowledged),
                ..Chapters::default()
            }));
        }
        match self {
            Self::Long(chapters) => chapters,
            Self::Simple(_) => unreachable!("made long above"),
        }
    }

    fn acknowledged(&self) -> Option<Fingerprint> {
        match self {
            Self::Simple(content) => Some(*content),
            Self::Long(chapters) => chapters.acknowledged,
        }
    }

    fn judge(&self, found: Fingerprint) -> Verdict {
        match self {
            Self::Simple(content) if *content == found => Verdict::Right,
            Self::Simple(_) => Verdict::Stale,
            Self::Long(_) if !self.possible() => Verdict::Unexpected,
            Self::Long(c) if c.acknowledged == Some(found) => Verdict::Right,
            Self::Long(c) if c.unknown.contains(&found) || c.refused.contains(&found) => {
                Verdict::Right
            }
            Self::Long(_) => Verdict::Stale,
        }
    }
}

impl Ledger {
    /// Notes that a write is about to be sent. Must come before the request, so that the number of
    /// [`possible`](Self::possible) documents is never behind what a reader can see.
    pub fn sent(&mut self, kind: Kind, month: Month, id: EventId) {
        let book = self.books.entry((kind, month)).or_default();
        let story = book.stories.entry(id).or_insert_with(|| Story::Long(Box::default()));
        let before = story.possible();
        story.chapters().in_flight += 1;
        book.possible += u64::from(!before);
    }

    /// Notes the answer to a write that was noted as sent.
    pub fn answered(
        &mut self,
        kind: Kind,
        month: Month,
        id: EventId,
        content: Fingerprint,
        reply: Reply,
    ) {
        let book = self.books.entry((kind, month)).or_default();
        let story = book.stories.entry(id).or_insert_with(|| Story::Long(Box::default()));
        let before = story.possible();
        let chapters = story.chapters();
        chapters.in_flight = chapters.in_flight.saturating_sub(1);
        match reply {
            Reply::Acknowledged => {
                book.acknowledged_writes += 1;
                chapters.acknowledged = Some(content);
            }
            Reply::Unknown => chapters.unknown.push(content),
            Reply::Refused => chapters.refused.push(content),
        }
        let quiet =
            chapters.in_flight == 0 && chapters.unknown.is_empty() && chapters.refused.is_empty();
        if quiet && let Some(only) = chapters.acknowledged {
            *story = Story::Simple(only);
        }
        match (before, story.possible()) {
            (true, false) => book.possible -= 1,
            (false, true) => book.possible += 1,
            (true, true) | (false, false) => {}
        }
    }

    /// The most documents of one kind that a reader can see now: every id that was acknowledged, is in
    /// flight or has an unknown outcome.
    #[must_use]
    pub fn possible(&self, kind: Kind) -> u64 {
        self.books.iter().filter(|((of, _), _)| *of == kind).map(|(_, book)| book.possible).sum()
    }

    /// Documents of one index name that must be there.
    pub fn owed(&self, kind: Kind, month: Month) -> impl Iterator<Item = EventId> {
        let stories = self.books.get(&(kind, month)).into_iter().flat_map(|book| &book.stories);
        stories.filter(|(_, story)| story.acknowledged().is_some()).map(|(id, _)| *id)
    }

    /// Documents of all index names that must be there.
    #[must_use]
    pub fn owed_documents(&self) -> u64 {
        self.books.keys().map(|(kind, month)| self.owed(*kind, *month).count() as u64).sum()
    }

    /// Writes that were acknowledged, overwrites included.
    #[must_use]
    pub fn acknowledged_writes(&self) -> u64 {
        self.books.values().map(|book| book.acknowledged_writes).sum()
    }

    /// How a document found under an index name stands to what was written.
    #[must_use]
    pub fn judge(&self, kind: Kind, month: Month, id: EventId, found: Fingerprint) -> Verdict {
        let book = self.books.get(&(kind, month));
        book.and_then(|book| book.stories.get(&id))
            .map_or(Verdict::Unexpected, |story| story.judge(found))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Kind, Ledger, Month, Reply, Verdict};
    use crate::fingerprint::Fingerprint;
    use crate::invenio::{Click, EventId};

    const AT: i64 = 1_763_688_000;

    fn content(number: u32) -> Fingerprint {
        Fingerprint::of(json!({ "n": number }).as_object().unwrap(), |_| true)
    }

    fn id(month: Month) -> EventId {
        let click = Click {
            kind: Kind::View,
            month,
            record: 1,
            visitor: 2,
            at: AT,
            written_us: 0,
            tells_machines: true,
        };
        click.mint().unwrap().id
    }

    #[test]
    fn what_each_history_allows() {
        use Reply::{Acknowledged as A, Refused as R, Unknown as U};
        use Verdict::{Right, Stale, Unexpected};
        let month = Month::of(AT).unwrap();
        let id = id(month);
        let cases: [(&[Reply], [Verdict; 3], u64); 8] = [
            (&[A], [Right, Stale, Stale], 1),
            (&[A, A], [Stale, Right, Stale], 1),
            (&[A, U], [Right, Right, Stale], 1),
            (&[A, R], [Right, Right, Stale], 1),
            (&[U, A], [Right, Right, Stale], 1),
            (&[R], [Unexpected, Unexpected, Unexpected], 0),
            (&[U], [Right, Stale, Stale], 1),
            (&[A, U, A], [Stale, Right, Right], 1),
        ];
        for (replies, verdicts, possible) in cases {
            let mut ledger = Ledger::default();
            for (number, reply) in (0..).zip(replies) {
                ledger.sent(Kind::View, month, id);
                assert_eq!(ledger.possible(Kind::View), 1);
                ledger.answered(Kind::View, month, id, content(number), *reply);
            }
            let found = [0, 1, 2].map(|n| ledger.judge(Kind::View, month, id, content(n)));
            assert_eq!(found, verdicts, "{replies:?}");
            assert_eq!(ledger.possible(Kind::View), possible, "{replies:?}");
            let owed = u64::from(replies.contains(&A));
            assert_eq!(ledger.owed_documents(), owed, "{replies:?}");
        }
    }

    #[test]
    fn kinds_and_months_are_kept_apart() {
        let month = Month::of(AT).unwrap();
        let mut ledger = Ledger::default();
        ledger.sent(Kind::View, month, id(month));
        ledger.answered(Kind::View, month, id(month), content(1), Reply::Acknowledged);
        assert_eq!(ledger.possible(Kind::Download), 0);
        let elsewhere = ledger.judge(Kind::Download, month, id(month), content(1));
        assert_eq!(elsewhere, Verdict::Unexpected);
    }
}
