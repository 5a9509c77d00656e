//! The inventory: what was copied from one source shard.
//!
//! For every document read it holds the source's number, the document's id, routing and class
//! (written, filtered, refused) and the target ids where they are not the same. Copying never reads
//! it; the delete audit does, because a deleted document shows itself only by the absence of its
//! number. It is kept as sorted **runs** in a local file per shard: each run covers one window, runs
//! follow each other without gaps, and a run is synced to disk before a checkpoint relies on it.

mod run;
mod writer;

pub use run::{Class, Entry, Run, RunError, read_run};
pub use writer::{Inventory, read_all};
