//! The demo: a real engine, an application's data, writers that go on writing, a whole migration by
//! the real binary, and a checker of its own that says whether anything was lost.

pub mod check;
pub mod fingerprint;
pub mod http;
pub mod install;
pub mod invenio;
pub mod ledger;
pub mod oracle;
pub mod pen;
pub mod watch;
pub mod writers;
