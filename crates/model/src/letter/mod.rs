//! Dead letters: which of them are one cause, and what each is by now.
//!
//! A **dead letter** is a document that was refused, by the target or by the pipeline. Letters of one
//! cause are a **group**: their reasons differ in nothing but ids, numbers, positions and values.

mod group;
mod standing;

pub use group::group;
pub use standing::{Facts, Projection, Standing, standing};
