//! Roll-ups: documents of many sources counted by period and key, and added up from period to period.
//!
//! A **delta** is what one period adds for one key; a **snapshot** is the sum of all deltas up to and with
//! a period. Everything here is a function of the documents: rolled twice, the same documents give the same
//! bytes, in whatever order they were read.
//!
//! | noun | type |
//! | --- | --- |
//! | period | [`Period`], [`PeriodStart`] |
//! | what the documents of some periods add up to, while they are read | [`Fold`] |
//! | when something came and went | [`Life`], [`Change`], [`Turn`] |
//! | the numbers of one key | [`Tally`], [`Amount`] |
//! | what is known of a source index | [`Ledger`], [`Look`] |
//! | what is to be done, and what cannot be | [`work`](fn@work::work) |
//! | completeness over time | [`Coverage`] |

mod amount;
mod coverage;
mod document;
mod fold;
mod ledger;
mod mapping;
mod period;
mod shape;
mod tally;
mod turn;
pub mod work;

#[cfg(test)]
mod tests;

pub use amount::Amount;
pub use coverage::{Coverage, Gap};
pub use document::{FLAT_DATE, FLAT_UPDATED, Layout, OddDelta, is_flat_ours};
pub use fold::{Fold, OddDocument, Share};
pub use ledger::{Ledger, Look, ShardMark};
pub use mapping::{flat_mapping, mapping};
pub use period::{Period, PeriodStart, iso};
pub use tally::{Label, Tally};
pub use turn::{Cause, Change, Life, Turn};
