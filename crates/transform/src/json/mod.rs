//! JSON as bytes: finding values without changing one of them.
//!
//! Nothing here builds a value. A number stays the digits it came as, a text keeps its escapes, an
//! object its order and spacing; what isn't touched is copied as it stands.

mod scan;
mod select;
mod text;
mod write;

pub(crate) use scan::{Elements, Member, Members, skip_document, trim};
pub(crate) use select::{Found, find, spread};
pub(crate) use text::{decode, is_null, name_is, scalar_text};
pub(crate) use write::{push_clean, push_quoted};

pub(crate) mod number;
