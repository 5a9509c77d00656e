//! What a lookup needs from the index it reads.

use segue_model::recipe::{
    CopyPath, Lookup, Multiple, NameTemplate, OnMissing, Path, Root, Segment, Step,
};
use xxhash_rust::xxh3::xxh3_64;

use crate::script::mentions;

/// A lookup, and what the steps after it need of its rows.
#[derive(Clone, Debug, PartialEq)]
pub struct LookupSpec {
    /// Index or alias to read rows from.
    pub index: NameTemplate,
    /// Field of the document that holds the key.
    pub key: Path,
    /// Field of the row that must be equal to it.
    pub matching: Path,
    /// The name that later steps call the row by.
    pub name: String,
    /// What happens to a document without a row.
    pub on_missing: OnMissing,
    /// None: one row per key. Some: a sorted list of rows.
    pub multiple: Option<Multiple>,
    includes: Vec<String>,
}

impl LookupSpec {
    /// Reads off a pipeline what this lookup needs.
    pub(crate) fn new(lookup: &Lookup, steps: &[Step]) -> Self {
        Self {
            index: lookup.index.clone(),
            key: lookup.key.clone(),
            matching: lookup.matching.clone(),
            name: lookup.name.clone(),
            on_missing: lookup.on_missing,
            multiple: lookup.multiple.clone(),
            includes: includes(lookup, steps),
        }
    }

    /// What to ask of each row, as `_source` includes: the fields that later steps copy, the
    /// matching field and the sort field. Empty: the whole row is needed.
    #[must_use]
    pub fn includes(&self) -> &[String] {
        &self.includes
    }

    /// Tells apart views that can't stand in for each other. The index's name doesn't count.
    pub(crate) fn fingerprint(&self) -> u64 {
        let text = format!("{} {:?} {:?}", self.matching, self.multiple, self.includes);
        xxh3_64(text.as_bytes())
    }
}

fn includes(lookup: &Lookup, steps: &[Step]) -> Vec<String> {
    let scripted =
        |step: &Step| matches!(step, Step::Script(script) if mentions(&script.code, &lookup.name));
    if steps.iter().any(scripted) {
        return Vec::new();
    }
    let mut fields = vec![lookup.matching.dotted()];
    fields.extend(lookup.multiple.iter().map(|multiple| multiple.sort.dotted()));
    let copied = steps.iter().filter_map(|step| match step {
        Step::Copy(copy) => Some(&copy.fields),
        _ => None,
    });
    for field in copied.flatten() {
        for source in field.sources().iter().filter(|source| reads(source, &lookup.name)) {
            let base = dotted(&source.path.segments()[1..]);
            match (base.is_empty(), field.pick.as_slice()) {
                (true, []) => return Vec::new(),
                (true, pick) => fields.extend(pick.iter().map(Path::dotted)),
                (false, []) => fields.push(base),
                (false, pick) => {
                    fields.extend(pick.iter().map(|pick| format!("{base}.{}", pick.dotted())));
                }
            }
        }
    }
    broadest(fields)
}

fn reads(source: &CopyPath, name: &str) -> bool {
    matches!(&source.root, Root::Lookup(root) if root == name)
}

fn dotted(segments: &[Segment]) -> String {
    let names: Vec<&str> = segments.iter().map(|segment| segment.name.as_str()).collect();
    names.join(".")
}

/// Sorted, without those that another one covers.
fn broadest(mut fields: Vec<String>) -> Vec<String> {
    fields.sort();
    fields.dedup();
    let all = fields.clone();
    fields.retain(|field| {
        let within = |other: &String| {
            field.strip_prefix(other.as_str()).is_some_and(|rest| rest.starts_with('.'))
        };
        !all.iter().any(within)
    });
    fields
}
