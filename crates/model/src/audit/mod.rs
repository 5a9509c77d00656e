//! The delete audit: which documents of a target have to go, because the source does not hold them
//! any more.
//!
//! No query shows a delete. But a live document below a checkpoint cannot appear there unseen: it can
//! only *disappear* from its number. So the numbers that were read (the inventory, less what is
//! settled) are compared with the numbers that are live: first one count a shard, then buckets, then
//! the numbers of short buckets ([`Hunt`]). A number that is gone makes its document a **candidate**;
//! what the source says about it at that moment decides its [`Fate`]. A number is **settled** once
//! it needs no further look. Source of the rules: `docs/concepts/protocol.md`, "deletes".

mod fate;
mod hunt;
mod numbers;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod simulation_preserved;

pub use fate::{Fate, Now, fate, gone_at, left_out};
pub use hunt::{Found, Hunt, Probe, first_shift};
pub use numbers::Numbers;
