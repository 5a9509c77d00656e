//! The pure core of segue: what is wanted, what was seen, what will be done, and how far it is.
//!
//! Nothing in this crate awaits, reads a clock, an environment variable or a file. Every decision
//! that could lose a document is made here, by a function that a test or a model checker can call.
//!
//! | noun | module |
//! | --- | --- |
//! | recipe | [`recipe`] |
//! | provenance, version, incarnation | [`version`] |
//! | window, position, checkpoint | [`position`], [`checkpoint`] |
//! | candidate, fate, settled number | [`audit`] |
//! | balance | [`balance`] |
//! | event, phase, part state | [`journal`], [`phase`], [`part`] |
//! | digest, divergence | [`digest`] |
//! | observation, plan, lint note | [`observe`], [`plan`], [`lint`] |
//! | gate | [`gate`] |
//! | evidence, finding | [`doctor`] |
//! | mark, back-out | [`cutover`] |
//! | fixpoint, verdict on a document | [`enrich`] |
//! | invariant | [`invariants`] |
//! | governor | [`governor`] |
//! | pause | [`pause`] |
//! | lease, holder | [`lease`] |
//! | reverse pipeline | [`reverse`] |
//! | period, delta, snapshot, ledger | [`rollup`] |
//! | member, group, history, change | [`membership`] |
//! | stamp, removal, versioning | [`stamp`] |

pub mod audit;
pub mod balance;
pub mod checkpoint;
pub mod cleanup;
pub mod conflict;
pub mod cutover;
pub mod digest;
pub mod doctor;
pub mod draft;
pub mod enrich;
pub mod estimate;
pub mod gate;
pub mod generation;
pub mod governor;
pub mod id;
pub mod invariants;
pub mod journal;
pub mod lease;
pub mod letter;
pub mod lint;
pub mod lull;
pub mod membership;
pub mod observe;
pub mod own_index;
pub mod part;
pub mod pass;
pub mod pause;
pub mod phase;
pub mod plan;
pub mod position;
pub mod recipe;
pub mod redirect;
pub mod reverse;
pub mod rollup;
pub mod sample;
pub mod selection;
pub mod stamp;
mod value;
pub mod version;
