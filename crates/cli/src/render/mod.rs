//! What people see.

pub mod errors;
pub mod progress;
pub mod report;
pub mod rollback;
pub mod trial;
