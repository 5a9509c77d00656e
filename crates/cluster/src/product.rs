//! Which product answers, and what it calls things.

use serde::Deserialize;
use serde_json::Value;

use crate::{Cluster, Error, Request};

/// The two families of engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Distribution {
    /// OpenSearch.
    OpenSearch,
    /// Elasticsearch.
    Elasticsearch,
}

/// What a cluster says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Family.
    pub distribution: Distribution,
    /// Version text, e.g. `3.8.0`.
    pub version: String,
    /// The cluster's name.
    pub cluster_name: String,
    /// The cluster's unique id.
    pub cluster_uuid: String,
}

/// The `preference` under which a search reads shard `shard`, from its primary where the product
/// can say so. Elasticsearch has no word for the primary; its copies all hold everything up to the
/// global checkpoint once refreshed.
#[must_use]
pub fn shard_preference(distribution: Distribution, shard: u32) -> String {
    match distribution {
        Distribution::OpenSearch => format!("_shards:{shard}|_primary"),
        Distribution::Elasticsearch => format!("_shards:{shard}"),
    }
}

#[derive(Deserialize)]
struct Root {
    cluster_name: String,
    cluster_uuid: String,
    version: RootVersion,
    #[serde(default)]
    tagline: String,
}

#[derive(Deserialize)]
struct RootVersion {
    number: String,
    #[serde(default)]
    distribution: String,
}

impl Root {
    fn product(self) -> Product {
        // The compatibility setting of OpenSearch hides the distribution and the version number,
        // but not the tagline.
        let opensearch =
            self.version.distribution == "opensearch" || self.tagline.contains("OpenSearch");
        Product {
            distribution: if opensearch {
                Distribution::OpenSearch
            } else {
                Distribution::Elasticsearch
            },
            version: self.version.number,
            cluster_name: self.cluster_name,
            cluster_uuid: self.cluster_uuid,
        }
    }
}

impl Cluster {
    /// What the cluster says of itself: `GET /`, or the node's own description where a minimal
    /// build has no such page (Elasticsearch without its root module answers 405).
    ///
    /// # Errors
    /// Failures of the requests.
    pub async fn product(&self) -> Result<Product, Error> {
        let request = Request::get("/").allow(405);
        let call = request.call();
        let answer = self.call(request).await?;
        if answer.status == 405 {
            return self.product_of_node().await;
        }
        match serde_json::from_slice::<Root>(&answer.body) {
            Ok(root) => Ok(root.product()),
            Err(e) => Err(Error::Malformed { call, what: e.to_string() }),
        }
    }

    async fn product_of_node(&self) -> Result<Product, Error> {
        let request = Request::get("/_nodes/_local");
        let call = request.call();
        let node: Value = self.json(request).await?;
        let state: Value = self.json(Request::get("/_cluster/state/master_node")).await?;
        let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
        let first = node["nodes"].as_object().and_then(|nodes| nodes.values().next());
        let version = text(first.and_then(|node| node.get("version")));
        match (version, text(node.get("cluster_name")), text(state.get("cluster_uuid"))) {
            (Some(version), Some(cluster_name), Some(cluster_uuid)) => Ok(Product {
                distribution: Distribution::Elasticsearch,
                version,
                cluster_name,
                cluster_uuid,
            }),
            _ => Err(Error::Malformed { call, what: "no version, name or uuid".to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(body: &str) -> Product {
        serde_json::from_str::<Root>(body).unwrap().product()
    }

    #[test]
    fn products_are_told_apart() {
        let three = product(
            r#"{"name":"Node 1","cluster_name":"c","cluster_uuid":"u","version":{"distribution":"opensearch","number":"3.8.0","build_type":"tar"},"tagline":"The OpenSearch Project: https://opensearch.org/"}"#,
        );
        assert_eq!(
            (three.distribution, three.version.as_str()),
            (Distribution::OpenSearch, "3.8.0")
        );
        let hidden = product(
            r#"{"cluster_name":"c","cluster_uuid":"u","version":{"number":"7.10.2","build_type":"tar"},"tagline":"The OpenSearch Project: https://opensearch.org/"}"#,
        );
        assert_eq!(hidden.distribution, Distribution::OpenSearch);
        let elastic = product(
            r#"{"name":"n","cluster_name":"c","cluster_uuid":"u","version":{"number":"9.5.3","build_flavor":"default"},"tagline":"You Know, for Search"}"#,
        );
        assert_eq!(elastic.distribution, Distribution::Elasticsearch);
    }

    #[test]
    fn preferences_name_one_shard() {
        assert_eq!(shard_preference(Distribution::OpenSearch, 2), "_shards:2|_primary");
        assert_eq!(shard_preference(Distribution::Elasticsearch, 2), "_shards:2");
    }
}
