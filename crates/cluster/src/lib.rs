//! Everything that speaks OpenSearch or Elasticsearch: requests and their failures, bulk writes, reads
//! in `_seq_no` order, aliases, blocks and statistics.
//!
//! The crate knows the wire and nothing of what a migration is. A [`Cluster`] is one cluster reached
//! by one URL. It makes one attempt ([`Cluster::send`]) or a bounded number of attempts that cannot
//! do harm ([`Cluster::call`]); whatever goes wrong is an [`Error`] whose [`Class`] says what a
//! caller may do about it.

mod alias;
mod answer;
mod block;
mod bulk;
mod cluster;
mod config;
mod document;
mod error;
mod health;
mod index;
mod ingest;
mod pressure;
mod product;
mod read;
mod search;
mod stats;
mod task;
mod transport;

pub use alias::{AliasAction, AliasProps};
pub use answer::EngineError;
pub use block::BlockAnswer;
pub use bulk::{BulkAnswer, BulkBody, ItemOutcome};
pub use cluster::Cluster;
pub use config::ClusterConfig;
pub use document::{Creation, DocVersion, Document};
pub use error::{Call, Class, Error};
pub use health::{Colour, Health};
pub use index::IndexState;
pub use pressure::{NodePressure, Watermark, Watermarks};
pub use product::{Distribution, Product, shard_preference};
pub use read::{CountRequest, Fetch, Hit, Page, PageFault, PageRequest};
pub use search::{SearchHit, SearchPage};
pub use stats::{IndexShards, ShardStats};
pub use task::Task;
pub use transport::auth::Auth;
pub use transport::gzip::GzipProbe;
pub use transport::request::{Request, Response, path};
pub use transport::tls::TlsConfig;
