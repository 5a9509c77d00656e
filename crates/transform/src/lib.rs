//! The pipeline: what happens to a document between source and target.
//!
//! A [`Program`] is a recipe's pipeline, compiled once. Bound to the [`View`]s of its lookups it
//! makes a [`Worker`] per lane, and a worker turns one document's source into another. It is a
//! function: the same document and the same views give the same bytes, on every worker, today
//! and at verification.
//!
//! Documents are never parsed into values. What the pipeline doesn't touch stays byte for byte
//! (digits of numbers, order of keys, spacing, escapes), except that raw line breaks, which can only
//! stand between tokens, become blanks: a bulk request has one document per line.
//!
//! | noun | type |
//! | --- | --- |
//! | program | [`Program`], [`Bound`], [`Worker`] |
//! | what became of a document | [`Outcome`] |
//! | id and routing that it gets | [`DocumentKey`], [`Made`] |
//! | what a lookup needs | [`LookupSpec`] |
//! | pinned rows of a lookup | [`View`], [`ViewBuilder`] |

mod cache;
mod convert;
mod copy;
mod draft;
mod edit;
mod error;
mod filter;
mod json;
mod keyed;
mod lookup;
mod program;
mod required;
mod rewrite;
mod script;
mod view;
mod worker;

pub use error::Error;
pub use keyed::{DocumentKey, Made};
pub use lookup::LookupSpec;
pub use program::{Bound, Program};
pub use required::{field_text, has_fields};
pub use view::{View, ViewBuilder};
pub use worker::{Document, Outcome, Worker};
