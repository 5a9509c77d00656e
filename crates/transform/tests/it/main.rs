//! Pipelines from recipe text to document bytes.

#![allow(clippy::unwrap_used, reason = "what can't fail in a test needs no message")]

mod bytes;
mod invenio;
mod keys;
mod lookups;
mod ops;
mod properties;
mod scripts;
mod stage;
mod values;
mod views;
