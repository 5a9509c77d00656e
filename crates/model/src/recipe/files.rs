//! Files as a source: which they are, how they are read, and what a document of them is called.

use std::collections::BTreeMap;
use std::fmt;

use super::Path;

/// Which files are loaded, and how they are read.
#[derive(Clone, Debug, PartialEq)]
pub struct FilesSpec {
    /// Paths with wildcards (`*`, `?`, `[…]`, `**`), relative to the recipe.
    pub files: Vec<String>,
    /// How they are written; none = as each name says.
    pub format: Option<FileFormat>,
    /// What separates the cells of a row; none = a comma, in `tsv` a tab.
    pub delimiter: Option<u8>,
    /// Types of columns that are not to be found out.
    pub columns: BTreeMap<String, ColumnType>,
    /// What an empty cell becomes.
    pub empty: EmptyCell,
    /// What a document is called.
    pub id: FileId,
    /// What happens to records of the same id.
    pub duplicates: Duplicates,
}

impl FilesSpec {
    /// Writes everything that decides what a record becomes, for the pipeline's fingerprint.
    pub(super) fn describe(&self, text: &mut String) {
        text.push_str(&format!(
            "files {:?} {:?} {:?} {:?} {:?} {:?}\n",
            self.format, self.delimiter, self.columns, self.empty, self.id, self.duplicates
        ));
    }
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileFormat {
    /// Rows of cells under a header, separated by commas.
    Csv,
    /// The same, separated by tabs.
    Tsv,
    /// One JSON object a line.
    Jsonl,
    /// A JSON array of objects, or objects one after the other.
    Json,
}

impl FileFormat {
    /// What a name says, with or without the ending of a compression.
    #[must_use]
    pub fn of_name(name: &str) -> Option<FileFormat> {
        let name = name.to_ascii_lowercase();
        let name = [".gz", ".zst"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
        let (_, ending) = name.rsplit_once('.')?;
        match ending {
            "csv" => Some(FileFormat::Csv),
            "tsv" | "tab" => Some(FileFormat::Tsv),
            "jsonl" | "ndjson" => Some(FileFormat::Jsonl),
            "json" => Some(FileFormat::Json),
            _ => None,
        }
    }

    /// Whether it has columns.
    #[must_use]
    pub fn has_columns(self) -> bool {
        matches!(self, FileFormat::Csv | FileFormat::Tsv)
    }
}

impl fmt::Display for FileFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FileFormat::Csv => "csv",
            FileFormat::Tsv => "tsv",
            FileFormat::Jsonl => "jsonl",
            FileFormat::Json => "json",
        })
    }
}

/// What the cells of a column become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// The text itself.
    String,
    /// A whole number of 64 bits, digit for digit.
    Long,
    /// A decimal number, digit for digit.
    Double,
    /// `true` or `false`.
    Boolean,
    /// A text that is a date or a time as ISO 8601 writes it; it stays as it is.
    Date,
}

impl ColumnType {
    /// Every type.
    pub(super) const ALL: [ColumnType; 5] = [
        ColumnType::String,
        ColumnType::Long,
        ColumnType::Double,
        ColumnType::Boolean,
        ColumnType::Date,
    ];

    /// Its name in recipes, which is also the engines' for a field of it (`string` aside).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ColumnType::String => "string",
            ColumnType::Long => "long",
            ColumnType::Double => "double",
            ColumnType::Boolean => "boolean",
            ColumnType::Date => "date",
        }
    }
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What an empty cell becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EmptyCell {
    /// The document lacks the field.
    #[default]
    Omit,
    /// `null`.
    Null,
    /// An empty text in a `string` column, `null` in the others.
    Text,
}

/// What a document of a file is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FileId {
    /// The file's name and the record's number in it.
    #[default]
    Position,
    /// A hash of the record's content: equal records are one document.
    Content,
    /// The values of fields.
    Fields(Vec<Path>),
}

/// What happens to records of the same id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Duplicates {
    /// The load fails, and names them.
    #[default]
    Refuse,
    /// The last one stands; in several files, any of them, but always the same.
    Last,
}

/// How a new generation takes the place of the one that serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SwapSpec {
    /// By how many percent the number of documents may differ from what is served.
    pub max_drift: u32,
    /// How many generations are kept besides the one that serves.
    pub keep_generations: u32,
    /// Whether what is served now may be empty.
    pub first_load: bool,
    /// Whether writes to what is served now may be lost.
    pub discard_writes: bool,
}

impl Default for SwapSpec {
    fn default() -> Self {
        SwapSpec { max_drift: 10, keep_generations: 1, first_load: false, discard_writes: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_how_a_file_is_written() {
        for (name, expected) in [
            ("a.csv", Some(FileFormat::Csv)),
            ("a.b/C.CSV.GZ", Some(FileFormat::Csv)),
            ("a.tsv.zst", Some(FileFormat::Tsv)),
            ("a.jsonl", Some(FileFormat::Jsonl)),
            ("a.ndjson.gz", Some(FileFormat::Jsonl)),
            ("a.json", Some(FileFormat::Json)),
            ("a.gz", None),
            ("csv", None),
            ("a.parquet", None),
        ] {
            assert_eq!(FileFormat::of_name(name), expected, "{name}");
        }
    }
}
