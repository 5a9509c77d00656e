//! The words that records are made of. Scripts, quotes and signs vary on purpose.

pub(super) const JOURNALS: [&str; 6] = [
    "Journal of Open Humanities",
    "N/A",
    "Zeitschrift für Überlieferung",
    "Revue d'études «transversales»",
    "開かれた科学",
    "Annals of \"Quoted\" Results \\ Part B",
];

pub(super) const PUBLISHERS: [&str; 5] = [
    "Knowledge Commons",
    "Apocryphile Press",
    "UBC",
    "Éditions de l’École",
    "Universität Zürich 🏔",
];

pub(super) const LANGUAGES: [(&str, &str); 5] = [
    ("eng", "English"),
    ("deu", "German"),
    ("fra", "French"),
    ("jpn", "Japanese"),
    ("por", "Portuguese"),
];

pub(super) const RESOURCE_TYPES: [(&str, &str, &str); 5] = [
    ("textDocument", "journalArticle", "Journal article"),
    ("textDocument", "book", "Book"),
    ("textDocument", "bookSection", "Book section"),
    ("dataset", "tabular", "Tabular data"),
    ("image", "photograph", "Photograph"),
];

pub(super) const FAMILY_NAMES: [&str; 6] =
    ["Okafor", "Müller", "García", "山田", "O'Neill", "Łukasiewicz"];

/// Identifier (empty: a name only) and name.
pub(super) const AFFILIATIONS: [(&str, &str); 6] = [
    ("03rmrcq20", "University of British Columbia"),
    ("013v4ng57", "San Francisco Public Library"),
    ("01ggx4157", "CERN"),
    ("", "Henry Ford College"),
    ("", "Independent \"scholar\""),
    ("02crff812", "Universität Zürich"),
];

/// Identifier (empty: free text) and subject.
pub(super) const SUBJECTS: [(&str, &str); 6] = [
    ("http://id.worldcat.org/fast/958235", "History"),
    ("http://id.worldcat.org/fast/997916", "Library science"),
    ("http://id.worldcat.org/fast/1108387", "Science—Study and teaching"),
    ("http://id.worldcat.org/fast/973589", "Inklings (Group of writers)"),
    ("", "open access"),
    ("", "naïve Bayes"),
];

pub(super) const RIGHTS: [(&str, &str, &str); 3] = [
    (
        "cc-by-sa-4.0",
        "Attribution-ShareAlike 4.0",
        "https://creativecommons.org/licenses/by-sa/4.0/legalcode",
    ),
    ("cc0-1.0", "Zero v1.0 Universal", "https://creativecommons.org/publicdomain/zero/1.0/"),
    ("mit", "MIT License", "https://opensource.org/licenses/MIT"),
];

pub(super) const FUNDERS: [(&str, &str); 4] = [
    ("00k4n6c32", "European Commission"),
    ("021nxhr62", "U.S. National Science Foundation"),
    ("02vkbxd49", "National Endowment for the Humanities"),
    ("00yjd3n13", "Schweizerischer Nationalfonds"),
];
