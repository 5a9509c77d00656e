//! A click: one view of a record or one download of a file, and the event document made of it.

use std::fmt;

use anyhow::Context;
use fastrand::Rng;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use super::Month;
use super::record::{Mix, hex, parent_recid, recid, uuid};

/// Width of the double-click window in seconds: clicks of one visitor on one thing within a window
/// share a document id, and the later one overwrites the earlier.
const WINDOW: i64 = 10;

/// The two kinds of usage events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A record's page was looked at.
    View,
    /// A record's file was downloaded.
    Download,
}

impl Kind {
    /// Both kinds, in the order of their names in reports.
    pub const ALL: [Self; 2] = [Self::View, Self::Download];

    /// The kind's part of index, alias and template names.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::View => "record-view",
            Self::Download => "file-download",
        }
    }
}

/// An event's document id, `{start of the window}-{sha1 of what and who}`, kept small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    window: u32,
    digest: [u8; 20],
}

impl EventId {
    /// Reads an id back from its text; `None` if it is no event id.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (window, digest) = text.split_at_checked(19)?;
        let digest = digest.strip_prefix('-')?;
        if digest.len() != 40 || !digest.is_ascii() {
            return None;
        }
        let moment: Timestamp = format!("{window}Z").parse().ok()?;
        let mut bytes = [0; 20];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(digest.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        Some(Self { window: u32::try_from(moment.as_second()).ok()?, digest: bytes })
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let window = moment(i64::from(self.window)).map_err(|_| fmt::Error)?;
        write!(f, "{window}-{}", hex(&self.digest))
    }
}

/// One click. Everything that its event document holds follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Click {
    /// What was done.
    pub kind: Kind,
    /// The month whose index takes the event.
    pub month: Month,
    /// Number of the record.
    pub record: u32,
    /// Number of the visitor.
    pub visitor: u64,
    /// When, in seconds since 1970.
    pub at: i64,
    /// When the event was written, in microseconds since 1970.
    pub written_us: i64,
    /// Whether the writing application was recent enough to say if a machine did it.
    pub tells_machines: bool,
}

/// An event ready to be written.
#[derive(Debug, Clone)]
pub struct Minted {
    /// Its document id.
    pub id: EventId,
    /// Its document.
    pub source: Value,
}

impl Click {
    /// The second at which this click's window starts.
    #[must_use]
    pub fn window(&self) -> i64 {
        self.at.div_euclid(WINDOW) * WINDOW
    }

    /// The same visitor's click on the same thing `seconds` later, held inside the window, so that
    /// its event has the same id.
    #[must_use]
    pub fn again(self, seconds: i64, written_us: i64) -> Self {
        let last = self.window() + WINDOW - 1;
        Self { at: (self.at + seconds).min(last), written_us, ..self }
    }

    /// The event document and its id.
    ///
    /// # Errors
    /// A moment before 1970 or outside the calendar.
    pub fn mint(&self) -> anyhow::Result<Minted> {
        let thing = Rng::with_seed(Mix::new(1).with(u64::from(self.record)).value());
        let (bucket, file) = file_of(thing);
        let recid = recid(self.record);
        let unique_id = match self.kind {
            Kind::View => format!("ui_{recid}"),
            Kind::Download => format!("{bucket}_{file}"),
        };
        let visitor_id = pseudonym(Mix::new(2).with(self.visitor));
        let mut sha = Sha1::new();
        sha.update(unique_id.as_bytes());
        sha.update(visitor_id.as_bytes());
        let window = u32::try_from(self.window()).context("click before 1970")?;
        let id = EventId { window, digest: sha.finalize().into() };
        let source = self.document(&recid, &unique_id, &visitor_id, &bucket, &file)?;
        Ok(Minted { id, source })
    }

    fn document(
        &self,
        recid: &str,
        unique_id: &str,
        visitor_id: &str,
        bucket: &str,
        file: &str,
    ) -> anyhow::Result<Value> {
        let mut of_visitor = Rng::with_seed(Mix::new(3).with(self.visitor).value());
        let hour = u64::try_from(self.at / 3600).unwrap_or_default();
        let mut document = json!({
            "timestamp": moment(self.at)?,
            "recid": recid,
            "parent_recid": parent_recid(self.record),
            "unique_id": unique_id,
            "visitor_id": visitor_id,
            "unique_session_id": pseudonym(Mix::new(4).with(self.visitor).with(hour)),
            "country": pick(&mut of_visitor, &COUNTRIES),
            "referrer": pick(&mut of_visitor, &REFERRERS),
            "via_api": of_visitor.u8(..) < 20,
            "is_robot": of_visitor.u8(..) < 8,
            "updated_timestamp": micros(self.written_us)?,
        });
        if self.tells_machines {
            document["is_machine"] = Value::Bool(of_visitor.u8(..) < 12);
        }
        if self.kind == Kind::Download {
            let mut of_file = Rng::with_seed(Mix::new(5).with(u64::from(self.record)).value());
            document["bucket_id"] = bucket.into();
            document["file_id"] = file.into();
            document["file_key"] = pick(&mut of_file, &FILES);
            document["size"] = of_file.u64(900..90_000_000).into();
        }
        Ok(document)
    }
}

const COUNTRIES: [Option<&str>; 12] = [
    Some("US"),
    Some("DE"),
    Some("CH"),
    Some("BR"),
    Some("IN"),
    Some("JP"),
    Some("NG"),
    Some("FR"),
    Some("CA"),
    Some("US"),
    Some("GB"),
    None,
];

const REFERRERS: [Option<&str>; 5] = [
    None,
    None,
    Some("https://scholar.example.org/search?q=open+access&page=2"),
    Some("https://example.org/"),
    Some("https://répertoire.example.net/notices/«été»"),
];

const FILES: [Option<&str>; 5] = [
    Some("1955 in 1947.pdf"),
    Some("données brutes (v2).csv"),
    Some("論文.pdf"),
    Some("figure \"3\"\\final.png"),
    Some("thesis.pdf"),
];

fn pick(rng: &mut Rng, from: &[Option<&str>]) -> Value {
    rng.choice(from).copied().flatten().map_or(Value::Null, Value::from)
}

fn file_of(mut thing: Rng) -> (String, String) {
    (uuid(&mut thing), uuid(&mut thing))
}

fn pseudonym(mix: Mix) -> String {
    let mut rng = Rng::with_seed(mix.value());
    let mut bytes = [0; 28];
    rng.fill(&mut bytes);
    hex(&bytes)
}

/// `YYYY-MM-DDTHH:MM:SS` of a moment in seconds since 1970.
fn moment(epoch: i64) -> anyhow::Result<String> {
    let moment = Timestamp::from_second(epoch).context("moment outside the calendar")?;
    Ok(moment.strftime("%Y-%m-%dT%H:%M:%S").to_string())
}

/// The same with six digits of fraction, of microseconds since 1970.
fn micros(epoch_us: i64) -> anyhow::Result<String> {
    let moment = Timestamp::from_microsecond(epoch_us).context("moment outside the calendar")?;
    Ok(moment.strftime("%Y-%m-%dT%H:%M:%S%.6f").to_string())
}

#[cfg(test)]
mod tests {
    use super::{Click, EventId, Kind, Month};

    fn click(at: i64) -> Click {
        Click {
            kind: Kind::Download,
            month: Month::of(at).unwrap(),
            record: 7,
            visitor: 99,
            at,
            written_us: at * 1_000_000 + 123_456,
            tells_machines: true,
        }
    }

    #[test]
    fn a_double_click_keeps_the_id_and_changes_the_document() {
        let first = click(1_788_221_723); // …:23, so the window is …:20 to …:29
        let second = first.again(4, first.written_us + 1);
        let capped = first.again(60, first.written_us + 2);
        let next = click(1_788_221_730);
        let (a, b) = (first.mint().unwrap(), second.mint().unwrap());
        assert_eq!(a.id, b.id);
        assert_ne!(a.source, b.source);
        assert_eq!(capped.mint().unwrap().id, a.id);
        assert_ne!(next.mint().unwrap().id, a.id);
    }

    #[test]
    fn ids_survive_their_text() {
        let id = click(1_788_221_723).mint().unwrap().id;
        let text = id.to_string();
        assert!(text.starts_with("2026-09-01T00:15:20-"), "{text}");
        assert_eq!(text.len(), 60);
        assert_eq!(EventId::parse(&text), Some(id));
        for wrong in ["", "x", "2026-09-01T00:15:20-", "2026-09-01T00:15:2é-0", &text[1..]] {
            assert_eq!(EventId::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_download_names_its_file_and_its_window() {
        let minted = click(1_788_221_723).mint().unwrap();
        assert_eq!(minted.source["timestamp"], "2026-09-01T00:15:23");
        assert_eq!(minted.source["updated_timestamp"], "2026-09-01T00:15:23.123456");
        assert_eq!(minted.source["visitor_id"].as_str().unwrap().len(), 56);
        assert!(minted.source["size"].is_u64());
        let unique = minted.source["unique_id"].as_str().unwrap();
        let bucket = minted.source["bucket_id"].as_str().unwrap();
        assert!(unique.starts_with(bucket), "{unique}");
    }
}
