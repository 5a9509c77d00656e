//! Concrete indices: what there is, making, changing and deleting them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::alias::Acknowledged;
use crate::{AliasProps, Cluster, Colour, Error, Request, path};

/// A concrete index as it was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexState {
    /// Its name.
    pub name: String,
    /// Its unique id.
    pub uuid: String,
    /// Whether it is open.
    pub open: bool,
    /// Whether wildcards leave it out.
    pub hidden: bool,
    /// Whether the engine or one of its parts owns it: flagged so, or named with a leading dot
    /// (backing indices of data streams aside).
    pub system: bool,
    /// The data stream it backs.
    pub data_stream: Option<String>,
    /// Its aliases.
    pub aliases: BTreeMap<String, AliasProps>,
    /// Its settings, flat: `index.number_of_shards` and so on, values as texts.
    pub settings: Value,
    /// Its mappings.
    pub mappings: Value,
    /// Live Lucene documents of the primaries; each nested object counts too. 0 where closed.
    pub docs: u64,
    /// Bytes of the primaries on disk. May be 0 where closed.
    pub bytes: u64,
    /// Primary shards.
    pub shards: u32,
    /// Replicas of each shard.
    pub replicas: u32,
}

#[derive(Deserialize)]
struct Described {
    #[serde(default)]
    aliases: BTreeMap<String, AliasProps>,
    #[serde(default)]
    mappings: Value,
    #[serde(default)]
    settings: Map<String, Value>,
    #[serde(default)]
    data_stream: Option<String>,
}

#[derive(Default, Deserialize)]
struct State {
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    indices: BTreeMap<String, Flags>,
}

#[derive(Default, Deserialize)]
struct Flags {
    #[serde(default)]
    state: String,
    #[serde(default)]
    system: bool,
}

#[derive(Deserialize)]
struct Sizes {
    #[serde(default)]
    indices: BTreeMap<String, SizeEntry>,
}

#[derive(Deserialize)]
struct SizeEntry {
    #[serde(default)]
    primaries: Primaries,
}

#[derive(Clone, Copy, Default, Deserialize)]
struct Primaries {
    #[serde(default)]
    docs: Docs,
    #[serde(default)]
    store: Store,
}

#[derive(Clone, Copy, Default, Deserialize)]
struct Docs {
    #[serde(default)]
    count: u64,
}

#[derive(Clone, Copy, Default, Deserialize)]
struct Store {
    #[serde(default)]
    size_in_bytes: u64,
}

/// Mappings of thousands of indices make long answers.
const LISTING: usize = 1 << 30;

/// Making shards can take a while in a busy cluster.
const CHANGE: Duration = Duration::from_secs(120);

impl Cluster {
    /// The concrete indices that `pattern` matches (wildcards and commas allowed; an alias stands
    /// for its indices), open, closed and hidden. No match is an empty list.
    ///
    /// # Errors
    /// Failures of the requests.
    pub async fn indices(&self, pattern: &str) -> Result<Vec<IndexState>, Error> {
        let (described, flags, sizes) = tokio::try_join!(
            self.described(pattern),
            self.listing::<State>(
                path(&["_cluster", "state", "metadata", pattern]),
                &[("filter_path", "metadata.indices.*.state,metadata.indices.*.system")],
            ),
            self.listing::<Sizes>(
                path(&[pattern, "_stats", "docs,store"]),
                &[("forbid_closed_indices", "false"), ("level", "indices")],
            ),
        )?;
        let mut flags = flags.map(|state| state.metadata.indices).unwrap_or_default();
        let sizes = sizes.map(|sizes| sizes.indices).unwrap_or_default();
        Ok(described
            .into_iter()
            .map(|(name, index)| {
                let flags = flags.remove(&name).unwrap_or_default();
                let size = sizes.get(&name).map(|entry| entry.primaries).unwrap_or_default();
                state(name, index, &flags, size)
            })
            .collect())
    }

    async fn described(&self, pattern: &str) -> Result<BTreeMap<String, Described>, Error> {
        let found = self.listing(path(&[pattern]), &[("flat_settings", "true")]).await?;
        Ok(found.unwrap_or_default())
    }

    /// A listing over all matching indices; `None` when there is none.
    async fn listing<T: serde::de::DeserializeOwned>(
        &self,
        path: String,
        query: &[(&str, &str)],
    ) -> Result<Option<T>, Error> {
        let mut request = Request::get(path)
            .query("expand_wildcards", "all")
            .query("ignore_unavailable", "true")
            .query("allow_no_indices", "true")
            .allow(404)
            .max_response(LISTING);
        for (key, value) in query {
            request = request.query(key, value);
        }
        let call = request.call();
        let answer = self.call(request).await?;
        if answer.status == 404 {
            return Ok(None);
        }
        serde_json::from_slice(&answer.body)
            .map(Some)
            .map_err(|e| Error::Malformed { call, what: e.to_string() })
    }

    /// The concrete index of exactly this name. An alias of that name is not one.
    ///
    /// # Errors
    /// Failures of the requests.
    pub async fn index(&self, name: &str) -> Result<Option<IndexState>, Error> {
        if exact(name).is_err() {
            return Ok(None);
        }
        Ok(self.indices(name).await?.into_iter().find(|index| index.name == name))
    }

    /// Makes an index and waits until its primaries are started, or up to the engine's own limit.
    ///
    /// # Errors
    /// 400 `resource_already_exists_exception` or `invalid_index_name_exception`;
    /// [`Error::Unacknowledged`]; failures of the request.
    pub async fn create_index(&self, name: &str, body: &Value) -> Result<(), Error> {
        self.change(Request::put(path(&[name])).json(body)).await
    }

    /// Deletes the concrete index of exactly this name.
    ///
    /// # Errors
    /// [`Error::Guard`] for a wildcard, list or exclusion; 400 for an alias; 404 when there is no
    /// such index; failures of the request.
    pub async fn delete_index(&self, name: &str) -> Result<(), Error> {
        exact(name)?;
        self.change(Request::delete(path(&[name])).query("ignore_unavailable", "false")).await
    }

    /// Changes dynamic settings.
    ///
    /// # Errors
    /// [`Error::Unacknowledged`]; failures of the request.
    pub async fn put_settings(&self, index: &str, settings: &Value) -> Result<(), Error> {
        self.change(Request::put(path(&[index, "_settings"])).json(settings).idempotent(true)).await
    }

    /// Adds to the mappings.
    ///
    /// # Errors
    /// [`Error::Unacknowledged`]; failures of the request.
    pub async fn put_mapping(&self, index: &str, mapping: &Value) -> Result<(), Error> {
        self.change(Request::put(path(&[index, "_mapping"])).json(mapping).idempotent(true)).await
    }

    /// Makes `target` out of the segments of `source`, which must be write-blocked, and waits until
    /// its primaries are started. The block is copied, aliases are not.
    ///
    /// # Errors
    /// 400 when the source is not blocked or the target exists; [`Error::Incomplete`] when it is
    /// not started in time; failures of the requests.
    pub async fn clone_index(&self, source: &str, target: &str, body: &Value) -> Result<(), Error> {
        exact(source)?;
        exact(target)?;
        self.change(Request::put(path(&[source, "_clone", target])).json(body)).await?;
        self.wait_for_index(target, Colour::Yellow, CHANGE).await.map(drop)
    }

    pub(crate) async fn change(&self, request: Request) -> Result<(), Error> {
        let request = request.timeout(CHANGE);
        let call = request.call();
        self.json::<Acknowledged>(request).await?.check(call)
    }
}

/// Refuses what the engines would read as more than one name.
pub(crate) fn exact(name: &str) -> Result<(), Error> {
    let odd = name.is_empty()
        || name == "_all"
        || name.starts_with(['-', '+', '_', '<'])
        || name.contains(['*', '?', ',', ':', '/', '\\', '"', '>', '|', ' ', '#']);
    if odd {
        return Err(Error::Guard { what: format!("not the name of one index: {name:?}") });
    }
    Ok(())
}

fn state(name: String, index: Described, flags: &Flags, size: Primaries) -> IndexState {
    let text = |key: &str| index.settings.get(key).and_then(Value::as_str).map(str::to_owned);
    let number = |key: &str, default| text(key).and_then(|n| n.parse().ok()).unwrap_or(default);
    IndexState {
        uuid: text("index.uuid").unwrap_or_default(),
        open: flags.state != "close",
        hidden: text("index.hidden").as_deref() == Some("true"),
        system: flags.system || (name.starts_with('.') && index.data_stream.is_none()),
        shards: number("index.number_of_shards", 1),
        replicas: number("index.number_of_replicas", 1),
        docs: size.docs.count,
        bytes: size.store.size_in_bytes,
        name,
        data_stream: index.data_stream,
        aliases: index.aliases,
        settings: Value::Object(index.settings),
        mappings: index.mappings,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_names_are_deleted() {
        for name in ["a", "events-2025-06-v2.0.0", ".hidden", "ünï"] {
            assert!(exact(name).is_ok(), "{name}");
        }
        for name in
            ["", "*", "a*", "a,b", "_all", "-a", "+a", "<a-{now/d}>", "a?", "c:a", "a b", "../a"]
        {
            assert!(matches!(exact(name), Err(Error::Guard { .. })), "{name}");
        }
    }

    #[test]
    fn states_are_read() {
        let described: Described = serde_json::from_str(
            r#"{"aliases":{"a":{"is_write_index":true}},"mappings":{"_meta":{}},
                "settings":{"index.uuid":"u","index.number_of_shards":"3","index.number_of_replicas":"0","index.hidden":"true"}}"#,
        )
        .unwrap();
        let flags = Flags { state: "close".into(), system: false };
        let size = Primaries { docs: Docs { count: 5 }, store: Store { size_in_bytes: 7 } };
        let index = state(".x".into(), described, &flags, size);
        assert!(!index.open && index.hidden && index.system);
        assert_eq!((index.shards, index.replicas, index.docs, index.bytes), (3, 0, 5, 7));
        assert_eq!((index.uuid.as_str(), index.data_stream), ("u", None));
        assert_eq!(index.aliases["a"].is_write_index, Some(true));
        assert_eq!(index.settings["index.number_of_shards"], "3");
    }
}
