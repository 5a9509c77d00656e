//! Walks through every order of events of a small world and checks the protocol's promises.
//!
//! The world is one engine with a source and a target, an application, two processes of ours and
//! their watchdogs. What the processes decide, they decide by the functions of `segue_model`: phases
//! and their table, versions, conflicts, windows and positions, checkpoints, passes, back-outs. What is
//! modelled here is the engine, the network, and the order of requests.
//!
//! `docs/concepts/model.md` says what is in it, what is not, and what was found.

pub mod action;
pub mod begin;
pub mod explore;
pub mod journals;
pub mod model;
pub mod report;
pub mod run;
pub mod sabotage;
pub mod scenario;
pub mod world;

#[cfg(test)]
mod tests;
