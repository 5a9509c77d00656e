//! The shell of segue: it performs what the model decides.

pub mod checkpoint_store;
pub mod error;
pub mod health;
pub mod inventory;
pub mod journal_store;
mod moment;
mod page;
pub mod pass;
pub mod progress;
mod scan;
pub mod session;
pub mod verify;

pub use error::{Ending, Error, Stop};
