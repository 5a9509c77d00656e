//! The files of a load, and the records that are taken from them.

use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use segue_files::{Body, Record, Shape};
use segue_model::id::{SeqNo, Shard};
use segue_model::observe::files::SeenFile;
use segue_model::plan::PlannedFiles;
use segue_model::recipe::{FileId, FilesSpec};
use segue_transform::field_text;
use xxhash_rust::xxh3::xxh3_128;

use crate::error::Error;

/// The kind of a dead letter that is no record at all.
pub(super) const MALFORMED: &str = "malformed_record";
/// The kind of a dead letter whose id no engine takes.
pub(super) const ID_TOO_LONG: &str = "id_too_long";
/// The longest id that the engines take, in bytes; with a longer one they refuse the whole request.
const ID_BYTES: usize = 512;
/// The kind of a dead letter that has no id.
pub(super) const NO_ID: &str = "no_id";

/// One file.
#[derive(Clone, Debug)]
pub(super) struct SourceFile {
    /// Its place among the files, which stands in the versions of its documents.
    pub number: Shard,
    /// What it was when it was planned.
    pub seen: SeenFile,
    path: PathBuf,
    shape: Shape,
    id: FileId,
}

/// A record as it is to be loaded.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    /// Its number in its file.
    pub number: SeqNo,
    /// The line it begins in.
    pub line: u64,
    /// Its id and where its document stands in the chunk's text, or why it has none.
    pub what: Result<(String, Range<usize>), Unfit>,
}

/// A record that cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unfit {
    pub kind: &'static str,
    pub reason: String,
}

/// Sees each record: its number, its line, and its id and document, or why it has none.
pub(super) type See<'v> =
    dyn FnMut(SeqNo, u64, Result<(String, &[u8]), Unfit>) -> ControlFlow<()> + 'v;

/// Every file of a plan.
pub(super) fn files(spec: &FilesSpec, planned: &PlannedFiles, folder: &Path) -> Vec<SourceFile> {
    let file = |(number, seen): (u32, &SeenFile)| SourceFile {
        number: Shard(number),
        path: folder.join(&seen.path),
        shape: Shape {
            columns: planned.columns.clone(),
            empty: spec.empty,
            ..Shape::new(seen.format, spec.delimiter)
        },
        id: spec.id.clone(),
        seen: seen.clone(),
    };
    (0u32..).zip(&planned.files).map(file).collect()
}

impl SourceFile {
    /// Shows every record, and what a document of it is called.
    ///
    /// # Errors
    /// [`Error::File`] where nothing more can be read.
    pub(super) fn read(&self, visit: &mut See<'_>) -> Result<(), Error> {
        let see = &mut |record: Record<'_>| {
            let number = SeqNo(i64::try_from(record.number).unwrap_or(i64::MAX));
            let what = match record.body {
                Body::Document(document) => {
                    self.id_of(record.number, document).map(|id| (id, document))
                }
                Body::Malformed(reason) => Err(Unfit { kind: MALFORMED, reason }),
            };
            visit(number, record.line, what)
        };
        Ok(segue_files::read(&self.path, &self.shape, see)?)
    }

    /// What a record is called that has no id of its own.
    pub(super) fn place(&self, number: SeqNo) -> String {
        format!("{}:{number}", self.seen.path)
    }

    /// Where a record stands, for people.
    pub(super) fn at_line(&self, line: u64) -> String {
        format!("{}:{line}", self.seen.path)
    }

    fn id_of(&self, number: u64, document: &[u8]) -> Result<String, Unfit> {
        let id = self.any_id_of(number, document)?;
        if id.len() <= ID_BYTES {
            return Ok(id);
        }
        let start: String = id.chars().take(60).collect();
        let reason = format!("its id {start}… has {} bytes, {ID_BYTES} are allowed", id.len());
        Err(Unfit { kind: ID_TOO_LONG, reason })
    }

    fn any_id_of(&self, number: u64, document: &[u8]) -> Result<String, Unfit> {
        match &self.id {
            FileId::Position => Ok(format!("{}:{number}", self.seen.path)),
            FileId::Content => Ok(format!("{:032x}", xxh3_128(document))),
            FileId::Fields(paths) => {
                let mut id = String::new();
                for path in paths {
                    let text = field_text(document, path).filter(|text| !text.is_empty());
                    let Some(text) = text else {
                        let reason = format!("the field `{path}`, which is its id, is empty");
                        return Err(Unfit { kind: NO_ID, reason });
                    };
                    if !id.is_empty() {
                        id.push('/');
                    }
                    push_part(&text, paths.len() > 1, &mut id);
                }
                Ok(id)
            }
        }
    }

    /// Whether the file is still what it was when it was planned; else what changed.
    pub(super) fn check(&self) -> Result<(), String> {
        let path = &self.seen.path;
        let now = std::fs::metadata(&self.path).map_err(|error| format!("{path}: {error}"))?;
        let modified = now.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified_ms = modified.map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(0));
        if now.len() != self.seen.bytes {
            return Err(format!("{path} has {} bytes now, not {}", now.len(), self.seen.bytes));
        }
        if modified_ms != self.seen.modified_ms {
            return Err(format!("{path} was changed since the load began"));
        }
        Ok(())
    }
}

/// Where an id is made of several values, what separates them stands in none of them.
fn push_part(text: &str, several: bool, id: &mut String) {
    for c in text.chars() {
        match c {
            '%' if several => id.push_str("%25"),
            '/' if several => id.push_str("%2F"),
            c => id.push(c),
        }
    }
}
