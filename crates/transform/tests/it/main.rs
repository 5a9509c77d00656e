//! Pipelines from recipe text to document bytes.

mod bytes;
mod invenio;
mod lookups;
mod ops;
mod properties;
mod stage;
mod views;
