//! Real search engines on this machine, for the demo and for the tests.
//!
//! A *sandbox* is a named cluster of one or more OpenSearch nodes, each a process of its own,
//! bound to loopback, with its data, logs and process ids in one *home* folder. Nothing needs to
//! be installed by hand: the engine's jars come from Maven Central, pinned and cached, and a
//! small launcher of our own starts one node per process, so that a single node can be killed.
//!
//! [`up`], [`down`] and [`status`] are what a command line needs; [`Running::kill_node`] and
//! [`Running::start_node`] are for tests that injure a cluster.
#![cfg(unix)]

mod engine;
mod error;
mod home;
mod http;
mod jars;
mod java;
mod lock;
mod node;
mod options;
mod ports;
mod process;
mod provision;
mod running;
mod starting;
mod up;

pub use engine::{Engine, UnknownEngine};
pub use error::Error;
pub use java::{JavaVersion, Jdk, find_jdks};
pub use options::{Heap, HeapError, Options};
pub use provision::{program, provision};
pub use running::{Node, NodeState, Running, Status, Stopped, down, remove, status};
pub use up::up;

/// Where progress is told, one line a call; a command line prints it to stderr.
pub type Talk<'a> = dyn FnMut(&str) + 'a;
