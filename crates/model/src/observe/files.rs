//! Files as they were seen, before anything is planned.

use std::collections::BTreeMap;

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_128;

use crate::recipe::{ColumnType, FileFormat};

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeenFile {
    /// Its path as the recipe finds it, relative to the recipe's folder.
    pub path: String,
    /// Its size as it lies there, compressed or not.
    pub bytes: u64,
    /// When it was last changed, in milliseconds since 1970.
    pub modified_ms: u64,
    /// How it is written.
    pub format: FileFormat,
}

impl SeenFile {
    /// What changes with the file's path, size or time of change, as hex.
    #[must_use]
    pub fn identity(&self) -> String {
        let text = format!("{}\0{}\0{}\0{}", self.path, self.bytes, self.modified_ms, self.format);
        format!("{:032x}", xxh3_128(text.as_bytes()))
    }
}

/// Every file of a recipe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenFiles {
    /// By path.
    pub files: Vec<SeenFile>,
    /// The types of their columns, stated or found out.
    pub columns: BTreeMap<String, ColumnType>,
    /// What could not be read, and why.
    pub faults: Vec<String>,
}
