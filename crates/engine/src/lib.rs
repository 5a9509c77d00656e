//! The shell of segue: it performs what the model decides.

pub mod abandon;
pub mod audit;
pub mod checkpoint_store;
pub mod cleanup;
pub mod cutover;
pub mod doctor;
pub mod enrich;
pub mod error;
mod fetch;
pub mod follow;
mod forecast;
pub mod health;
pub mod inventory;
pub mod journal_store;
pub mod lease_store;
pub mod load;
pub mod lookup;
pub mod migrate;
mod moment;
pub mod observe;
mod page;
pub mod part_run;
pub mod pass;
pub mod prepare;
mod probe;
mod process;
pub mod progress;
pub mod report;
pub mod rollback;
pub mod sabotage;
mod scan;
pub mod session;
mod turn;
pub mod verify;
pub mod watch;

pub use error::{Ending, Error, Stop};
