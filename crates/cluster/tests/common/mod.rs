//! A place of its own for each test, on a shared engine.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a failure here fails the test")]

use std::future::Future;
use std::time::{SystemTime, UNIX_EPOCH};

use segue_cluster::{AliasAction, AliasProps, Cluster, ClusterConfig, Distribution};
use serde_json::{Value, json};

/// Names that begin alike and belong to one test.
#[derive(Clone)]
pub struct Scratch {
    pub cluster: Cluster,
    pub prefix: String,
}

/// The engine under test. Without one the test fails: a pass would prove nothing.
pub fn cluster() -> Cluster {
    let Ok(url) = std::env::var("SEGUE_CLUSTER") else {
        panic!(
            "SEGUE_CLUSTER is not set: these tests need a running engine, e.g. SEGUE_CLUSTER=http://127.0.0.1:9201"
        );
    };
    Cluster::new(&ClusterConfig::new(&url)).unwrap()
}

/// Runs `test` and removes its indices afterwards, also when it fails.
pub async fn scratch<F>(name: &str, test: impl FnOnce(Scratch) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let cluster = cluster();
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let scratch = Scratch { cluster, prefix: format!("t-{name}-{nanos:x}") };
    let outcome = tokio::spawn(test(scratch.clone())).await;
    for index in scratch.cluster.indices(&format!("{}*", scratch.prefix)).await.unwrap() {
        scratch.cluster.delete_index(&index.name).await.unwrap();
    }
    if let Err(failure) = outcome {
        std::panic::resume_unwind(failure.into_panic());
    }
}

impl Scratch {
    pub fn name(&self, end: &str) -> String {
        format!("{}-{end}", self.prefix)
    }

    /// An index with `shards` shards, no replicas, and an alias to write through.
    pub async fn index(&self, end: &str, shards: u32) -> (String, String) {
        self.index_with(end, json!({ "index.number_of_shards": shards }), json!({})).await
    }

    pub async fn index_with(
        &self,
        end: &str,
        mut settings: Value,
        mappings: Value,
    ) -> (String, String) {
        let name = self.name(end);
        settings["index.number_of_replicas"] = json!(0);
        let body = json!({ "settings": settings, "mappings": mappings });
        self.cluster.create_index(&name, &body).await.unwrap();
        let alias = format!("{name}-write");
        let add = AliasAction::Add {
            index: name.clone(),
            alias: alias.clone(),
            props: AliasProps::default(),
        };
        self.cluster.update_aliases(&[add]).await.unwrap();
        (name, alias)
    }

    pub async fn distribution(&self) -> Distribution {
        self.cluster.distribution().await.unwrap()
    }
}
