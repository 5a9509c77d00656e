//! What segue's tests need: a real engine, names of their own in it, an application's data and its
//! writers, the binary under test, and a proxy that makes the network go wrong.
//!
//! Every call blocks, and may be made from a plain test as well as from an asynchronous one: the
//! work is done on a runtime in the background. What goes wrong panics with the reason, as a test
//! wants it.

mod background;
mod binary;
mod content;
mod engine;
mod invenio;
mod proxy;
mod vega;

pub use background::wait;
pub use binary::{Ended, Running, Segue};
pub use content::{Kept, content};
pub use engine::{Engine, Json, Prefix};
pub use http::Method;
pub use invenio::{Installation, Writing};
pub use nix::sys::signal::Signal;
pub use proxy::{Fault, Faults, Proxy};
pub use segue_demo::invenio::{Click, Kind, Month, Site, Volume, recid, record};
pub use segue_demo::ledger::Reply;
pub use vega::vega;
