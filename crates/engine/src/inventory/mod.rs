//! The inventory: what was read of one source shard, and may therefore stand in the target.
//!
//! For every document read it holds the source's number, the document's id, routing and class
//! (written, filtered, refused) and its keys in the target where the pipeline makes them. It is noted **before**
//! the document is sent, so that it holds all that the target may hold, also after a crash; that it
//! may hold more does no harm. The delete audit needs it, because a deleted document shows itself
//! only by the absence of its number. It is kept as **runs** in a local file per shard, in the order
//! in which they were read; the numbers alone are in memory too, one bit each.

mod file;
mod made;
mod run;

pub use file::{Inventory, Place, Relied};
pub use run::{Class, Content, Entry, Run, RunError};
