//! The demo: a real engine, an application's data, writers that go on writing, a whole migration by
//! the real binary, and a checker of its own that says whether anything was lost.
//!
//! Nothing here shares code with the migration: data, ledger, oracle and checker are written a
//! second time, plainly, so that a mistake would have to be made twice.

pub mod check;
pub mod fingerprint;
pub mod http;
pub mod install;
pub mod invenio;
pub mod ledger;
pub mod migration;
pub mod oracle;
pub mod outcome;
pub mod pen;
mod stage;
pub mod watch;
pub mod writers;

pub use outcome::Outcome;
pub use stage::{Options, PREFIX, run};
