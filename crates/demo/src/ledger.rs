//! The ledger: the writers' own list of what they wrote and what the cluster answered.
//!
//! It is the truth that the checker compares the final documents with.

use std::collections::HashMap;

use crate::fingerprint::Fingerprint;
use crate::invenio::{EventId, Kind, Month};

/// What a document must look like in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// It was written to the old index, so the migration must have enriched it.
    Enriched,
    /// It was written when the name led to the new index already: it stays as the application sent it.
    AsWritten,
    /// Which of the two is not known.
    Either,
}

/// What the cluster answered to one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// Acknowledged: the document must stay, in the end with this shape.
    Acknowledged(Shape),
    /// Refused with a 4xx: not applied.
    Refused,
    /// The connection broke, or the server failed: applied or not.
    Unknown,
}

/// All that is known of one document id.
#[derive(Debug, Clone)]
enum Story {
    /// Only acknowledged by the old index, as nearly all documents are; the last content counts.
    Simple(Fingerprint),
    /// Everything else.
    Long(Box<Chapters>),
}

#[derive(Debug, Clone, Default)]
struct Chapters {
    /// The content acknowledged last.
    acknowledged: Option<(Fingerprint, Shape)>,
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
    /// The content acknowledged last, or one of unknown outcome; with the shape it must have.
    Right(Shape),
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
                acknowledged: Some((acknowledged, Shape::Enriched)),
                ..Chapters::default()
            }));
        }
        match self {
            Self::Long(chapters) => chapters,
            Self::Simple(_) => unreachable!("made long above"),
        }
    }

    fn acknowledged(&self) -> bool {
        match self {
            Self::Simple(_) => true,
            Self::Long(chapters) => chapters.acknowledged.is_some(),
        }
    }

    fn judge(&self, found: Fingerprint) -> Verdict {
        match self {
            Self::Simple(content) if *content == found => Verdict::Right(Shape::Enriched),
            Self::Simple(_) => Verdict::Stale,
            Self::Long(_) if !self.possible() => Verdict::Unexpected,
            Self::Long(chapters) => chapters.judge(found),
        }
    }
}

impl Chapters {
    fn judge(&self, found: Fingerprint) -> Verdict {
        match self.acknowledged {
            Some((content, shape)) if content == found => Verdict::Right(shape),
            _ if self.unknown.contains(&found) || self.refused.contains(&found) => {
                Verdict::Right(Shape::Either)
            }
            _ => Verdict::Stale,
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
            Reply::Acknowledged(shape) => {
                book.acknowledged_writes += 1;
                chapters.acknowledged = Some((content, shape));
            }
            Reply::Unknown => chapters.unknown.push(content),
            Reply::Refused => chapters.refused.push(content),
        }
        let quiet =
            chapters.in_flight == 0 && chapters.unknown.is_empty() && chapters.refused.is_empty();
        if quiet && let Some((only, Shape::Enriched)) = chapters.acknowledged {
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
        stories.filter(|(_, story)| story.acknowledged()).map(|(id, _)| *id)
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

    use super::{Kind, Ledger, Month, Reply, Shape, Verdict};
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
        use Reply::{Refused as R, Unknown as U};
        use Shape::{AsWritten, Either, Enriched};
        use Verdict::{Right, Stale, Unexpected};
        const A: Reply = Reply::Acknowledged(Enriched);
        const N: Reply = Reply::Acknowledged(AsWritten);
        let month = Month::of(AT).unwrap();
        let id = id(month);
        let cases: [(&[Reply], [Verdict; 3], u64); 10] = [
            (&[A], [Right(Enriched), Stale, Stale], 1),
            (&[A, A], [Stale, Right(Enriched), Stale], 1),
            (&[A, U], [Right(Enriched), Right(Either), Stale], 1),
            (&[A, R], [Right(Enriched), Right(Either), Stale], 1),
            (&[U, A], [Right(Either), Right(Enriched), Stale], 1),
            (&[R], [Unexpected, Unexpected, Unexpected], 0),
            (&[U], [Right(Either), Stale, Stale], 1),
            (&[A, U, A], [Stale, Right(Either), Right(Enriched)], 1),
            (&[N], [Right(AsWritten), Stale, Stale], 1),
            (&[A, N], [Stale, Right(AsWritten), Stale], 1),
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
            let owed = u64::from(replies.contains(&A) || replies.contains(&N));
            assert_eq!(ledger.owed_documents(), owed, "{replies:?}");
        }
    }

    #[test]
    fn kinds_and_months_are_kept_apart() {
        let month = Month::of(AT).unwrap();
        let mut ledger = Ledger::default();
        ledger.sent(Kind::View, month, id(month));
        ledger.answered(
            Kind::View,
            month,
            id(month),
            content(1),
            Reply::Acknowledged(Shape::Enriched),
        );
        assert_eq!(ledger.possible(Kind::Download), 0);
        let elsewhere = ledger.judge(Kind::Download, month, id(month), content(1));
        assert_eq!(elsewhere, Verdict::Unexpected);
    }
}
