//! What people see.

pub mod dry_run;
pub mod errors;
pub mod invenio;
pub mod membership;
pub mod progress;
pub mod report;
pub mod rollback;
pub mod rollup;
pub mod status;
pub mod trial;
