//! Records as the repository's record index holds them, made from their number alone.

use fastrand::Rng;
use serde_json::{Map, Value, json};

use super::vocabulary as words;

/// Folds numbers into one seed (splitmix64 steps), so that each thing has its own random stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mix(u64);

impl Mix {
    pub(super) fn new(stream: u64) -> Self {
        Self(0x5e67_7565).with(stream)
    }

    pub(super) fn with(self, number: u64) -> Self {
        let mut z = self.0.wrapping_add(number).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self(z ^ (z >> 31))
    }

    pub(super) fn value(self) -> u64 {
        self.0
    }
}

/// Lower-case hexadecimal text.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// A random UUID's text.
pub(super) fn uuid(rng: &mut Rng) -> String {
    let mut bytes = [0; 16];
    rng.fill(&mut bytes);
    let text = hex(&bytes);
    format!("{}-{}-4{}-a{}-{}", &text[..8], &text[8..12], &text[13..16], &text[17..20], &text[20..])
}

fn pid(mix: Mix) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let mut rng = Rng::with_seed(mix.value());
    let mut text: String = (0..10).map(|_| char::from(ALPHABET[rng.usize(..32)])).collect();
    text.insert(5, '-');
    text
}

/// The identifier of record `number`, such as `jthhs-g4b38`.
#[must_use]
pub fn recid(number: u32) -> String {
    pid(Mix::new(10).with(u64::from(number)))
}

/// The identifier that all versions of record `number` share. Three records in a row are versions
/// of one work.
pub(super) fn parent_recid(number: u32) -> String {
    pid(Mix::new(11).with(u64::from(number / 3)))
}

/// Whether record `number` has files. One in ten is metadata only.
pub(super) fn has_files(number: u32) -> bool {
    number % 10 != 9
}

/// Record `number` as the record index holds it.
///
/// Many records lack something: affiliations, journal, funding, languages, rights, publisher,
/// subjects, communities. A missing thing is sometimes an absent key and sometimes an empty list.
#[must_use]
pub fn record(number: u32) -> Value {
    let mut rng = Rng::with_seed(Mix::new(12).with(u64::from(number)).value());
    let rng = &mut rng;
    let created = format!(
        "202{}-0{}-1{}T08:30:00.{:06}+00:00",
        2 + rng.u8(..3),
        1 + rng.u8(..9),
        rng.u8(..10),
        rng.u32(..1_000_000)
    );
    let open = has_files(number);
    let mut record = json!({
        "id": recid(number),
        "uuid": uuid(rng),
        "created": created,
        "updated": created,
        "version_id": 1 + rng.u8(..9),
        "is_published": true,
        "access": { "record": "public", "files": "public", "status": access_status(rng, open) },
        "files": files(rng, open),
        "metadata": metadata(rng, number),
        "parent": parent(rng, number),
        "pids": { "doi": { "identifier": format!("10.5072/{}", recid(number)), "provider": "datacite" } },
        "versions": { "index": 1 + number % 3, "is_latest": number % 3 == 2 },
    });
    if rng.u8(..) < 120 {
        record["custom_fields"] = custom_fields(rng);
    }
    record
}

fn access_status(rng: &mut Rng, open: bool) -> &'static str {
    match (open, rng.u8(..20)) {
        (false, _) => "metadata-only",
        (true, 0) => "embargoed",
        (true, 1 | 2) => "restricted",
        (true, _) => "open",
    }
}

fn files(rng: &mut Rng, open: bool) -> Value {
    if !open {
        return json!({ "enabled": false });
    }
    let types = some(rng, 1..4, &["pdf", "csv", "zip", "png", "xml", "mp4"]);
    json!({ "enabled": true, "types": types, "count": types.len(), "totalbytes": rng.u64(..1 << 33) })
}

fn custom_fields(rng: &mut Rng) -> Value {
    if rng.u8(..10) == 0 {
        return json!({ "journal:journal": { "issn": "1234-5678" } });
    }
    let title = choose(rng, &words::JOURNALS);
    json!({ "journal:journal": { "title": title, "volume": rng.u8(1..60).to_string(), "pages": "1–17" } })
}

fn parent(rng: &mut Rng, number: u32) -> Value {
    let mut parent =
        json!({ "id": parent_recid(number), "access": { "owned_by": { "user": rng.u16(..) } } });
    let ids: Vec<String> = (0..rng.usize(..4))
        .map(|_| uuid(&mut Rng::with_seed(Mix::new(13).with(rng.u64(..40)).value())))
        .collect();
    if !ids.is_empty() {
        parent["communities"] = json!({ "ids": ids, "default": ids[0] });
    } else if rng.bool() {
        parent["communities"] = json!({});
    }
    parent
}

fn metadata(rng: &mut Rng, number: u32) -> Value {
    let mut metadata = json!({
        "title": format!("Study no. {number} of «{}»", choose(rng, &words::JOURNALS)),
        "publication_date": "2024-05",
        "resource_type": resource_type(rng),
        "creators": people(rng, 1..5),
    });
    let Value::Object(fields) = &mut metadata else { return metadata };
    maybe(fields, rng, "publisher", |rng| choose(rng, &words::PUBLISHERS).into());
    maybe(fields, rng, "languages", |rng| {
        some(rng, 1..3, &words::LANGUAGES)
            .into_iter()
            .map(|(id, title)| json!({
                "@v": version(rng), "id": id, "title": { "en": title }, "props": { "alpha_2": "xx" },
            }))
            .collect()
    });
    maybe(fields, rng, "subjects", subjects);
    maybe(fields, rng, "rights", rights);
    maybe(fields, rng, "contributors", |rng| people(rng, 0..3));
    maybe(fields, rng, "funding", funding);
    metadata
}

fn resource_type(rng: &mut Rng) -> Value {
    let (kind, subtype, title) = choose(rng, &words::RESOURCE_TYPES);
    json!({
        "@v": version(rng),
        "id": format!("{kind}-{subtype}"),
        "title": { "en": title, "de": format!("{title} (de)") },
        "props": { "type": kind, "subtype": subtype, "csl": "article" },
    })
}

fn people(rng: &mut Rng, count: std::ops::Range<usize>) -> Value {
    (0..rng.usize(count))
        .map(|_| {
            let name = choose(rng, &words::FAMILY_NAMES);
            let mut person =
                json!({ "person_or_org": { "family_name": name, "type": "personal" } });
            match rng.u8(..4) {
                0 => {}
                1 => person["affiliations"] = json!([]),
                _ => person["affiliations"] = affiliations(rng),
            }
            person
        })
        .collect()
}

fn affiliations(rng: &mut Rng) -> Value {
    some(rng, 1..3, &words::AFFILIATIONS)
        .into_iter()
        .map(|(id, name)| match id {
            "" => json!({ "name": name }),
            id => json!({
                "@v": version(rng), "id": id, "name": name, "acronym": "ABC",
                "identifiers": [{ "identifier": id, "scheme": "ror", "preferred": true }],
            }),
        })
        .collect()
}

fn subjects(rng: &mut Rng) -> Value {
    some(rng, 0..5, &words::SUBJECTS)
        .into_iter()
        .map(|(id, subject)| match id {
            "" => json!({ "subject": subject }),
            id => json!({
                "@v": version(rng), "id": id, "subject": subject, "scheme": "FAST",
                "props": { "kind": "topical" },
                "identifiers": [{ "identifier": id, "scheme": "url" }],
            }),
        })
        .collect()
}

fn rights(rng: &mut Rng) -> Value {
    let (id, title, url) = choose(rng, &words::RIGHTS);
    json!([{
        "@v": version(rng), "id": id, "title": { "en": title },
        "description": { "en": format!("{title}: \"as is\",\nno warranty\t— \\o/") },
        "props": { "url": url, "scheme": "spdx" }, "icon": format!("{id}-icon"),
    }])
}

fn funding(rng: &mut Rng) -> Value {
    some(rng, 0..3, &words::FUNDERS)
        .into_iter()
        .map(|(id, name)| {
            let award = json!({ "title": { "en": "Award" }, "number": rng.u32(..).to_string() });
            match rng.u8(..6) {
                0 => json!({ "award": award }),
                _ => json!({ "funder": { "@v": version(rng), "id": id, "name": name, "country": "CH" }, "award": award }),
            }
        })
        .collect()
}

fn version(rng: &mut Rng) -> String {
    format!("{}::{}", uuid(rng), 1 + rng.u8(..4))
}

fn maybe(
    fields: &mut Map<String, Value>,
    rng: &mut Rng,
    name: &str,
    make: impl FnOnce(&mut Rng) -> Value,
) {
    if rng.u8(..10) < 7 {
        fields.insert(name.to_owned(), make(rng));
    }
}

fn choose<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(..from.len())]
}

fn some<T: Copy>(rng: &mut Rng, count: std::ops::Range<usize>, from: &[T]) -> Vec<T> {
    let count = rng.usize(count);
    (0..count).map(|_| choose(rng, from)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{recid, record};

    #[test]
    fn records_are_the_same_every_time_and_their_identifiers_differ() {
        assert_eq!(record(17), record(17));
        let identifiers: HashSet<String> = (0..6_000).map(recid).collect();
        assert_eq!(identifiers.len(), 6_000);
    }

    #[test]
    fn every_promised_thing_is_there_sometimes_and_missing_sometimes() {
        let all: Vec<_> = (0..300).map(record).collect();
        for path in [
            "/metadata/languages/0",
            "/metadata/subjects/0",
            "/metadata/publisher",
            "/metadata/rights/0",
            "/metadata/creators/0/affiliations/0",
            "/metadata/contributors/0/affiliations/0",
            "/metadata/funding/0/funder",
            "/custom_fields/journal:journal/title",
            "/files/types/0",
            "/parent/communities/ids/0",
        ] {
            let with = all.iter().filter(|record| record.pointer(path).is_some()).count();
            assert!(with > 20 && with < 290, "{path}: {with} of 300");
        }
    }
}
