//! Membership: which members belong to which groups, and since when, as **events** of two kinds.
//!
//! An event says that a member joined a group or left it, and when. Whoever belongs to a group at a time is
//! read from the **history** of the pair: the last event that is not later. Events of the same instant are
//! taken in the order in which they were written; written in the same millisecond, what was left was left last.
//!
//! | noun | type |
//! | --- | --- |
//! | point in time, as it is spelled | [`Instant`] |
//! | kind of an event | [`Kind`] |
//! | all events of a pair | [`History`] |
//! | line of a file of changes | [`Change`] |
//! | what a document says of a member | [`Member`] |
//! | event as a document | [`EventOf`] |

mod change;
mod document;
mod history;
mod instant;
mod member;
mod only;

pub use change::{Action, Change, Deletion, LineFault};
pub use document::{EventOf, TooLong, event_id};
pub use history::{History, Kind, Written};
pub use instant::{Instant, day_of_publication};
pub use member::{Member, MemberFault};
pub use only::{Only, OnlyError};
