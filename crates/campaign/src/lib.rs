//! The fault campaign: random workloads under random faults against real engines, judged by a checker
//! that shares no code with segue.
//!
//! A *run* follows from one seed: an index of the application, writers that go on all the time, a
//! recipe, and what goes wrong while segue carries it out. A *finding* is what is not right
//! afterwards. A *campaign* is many runs on one cluster.

mod campaign;
mod conduct;
mod fan_out;
mod faults;
mod ground;
mod history;
mod install;
mod look;
mod oracle;
mod plant;
mod recipe;
mod request;
mod run;
mod scenario;
mod verdict;
mod watchdogs;
mod writer;

pub use campaign::{Options, Outcome, campaign};
pub use conduct::Struck;
pub use plant::Plant;
pub use scenario::Mode;
pub use segue_sandbox::Engine;
pub use verdict::Kind;
pub use writer::Tally;
