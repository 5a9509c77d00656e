//! Documents of which each was made of a part of another one, put together again.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::look::Found;
use crate::recipe::MADE;
use crate::verdict::{Finding, Kind};

/// The documents that were made of others, put together, and those that were not; and what is wrong with
/// some, whatever they were made of.
pub(crate) fn gather(found: &[Found]) -> (Vec<Found>, Vec<Found>, Vec<Finding>) {
    let (mut made, mut own, mut findings) = (BTreeMap::<&str, Vec<&Found>>::new(), vec![], vec![]);
    for document in found {
        match document.id.split_once(MADE) {
            None => own.push(document.clone()),
            Some((of, part)) if document.fields.get("part") == Some(&json!(part)) => {
                made.entry(of).or_default().push(document);
            }
            Some(_) => findings.push(wrong(document, "is not made of the part in its id")),
        }
    }
    let mut whole = Vec::new();
    for (of, documents) in made {
        let rest = |document: &Found| {
            let mut fields = document.fields.clone();
            fields.remove("part");
            fields
        };
        let mut one =
            Found { id: of.to_owned(), fields: rest(documents[0]), ..documents[0].clone() };
        let unlike = |other: &&&Found| rest(other) != one.fields || other.routing != one.routing;
        findings.extend(
            documents.iter().find(unlike).map(|other| wrong(other, "differs from its siblings")),
        );
        let mut parts: Vec<&Value> = documents.iter().map(|one| &one.fields["part"]).collect();
        parts.sort_by_key(ToString::to_string);
        one.fields.insert("parts".to_owned(), json!(parts));
        whole.push(one);
    }
    (whole, own, findings)
}

fn wrong(document: &Found, what: &str) -> Finding {
    Finding {
        found: Some(format!("{document:?}")),
        ..Finding::new(Kind::Wrong, format!("{} {what}", document.id))
    }
}
