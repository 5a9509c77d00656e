//! The demo's application: what an InvenioRDM repository keeps in its search cluster about usage.
//!
//! Names, fields, document ids and write habits follow the public software (invenio-stats,
//! invenio-rdm-records), so that the demo migrates what a site really has.

mod click;
mod month;
mod record;
mod site;
mod vocabulary;

pub use click::{Click, EventId, Kind, Minted};
pub use month::Month;
pub use record::{recid, record};
pub use site::{Site, Volume};
