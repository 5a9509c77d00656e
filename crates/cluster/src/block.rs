//! Stopping writes to an index, with the certainty that none is still under way.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::index::exact;
use crate::{Cluster, Error, Request, path};

/// What the engine says after it was asked to block writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockAnswer {
    /// Every shard refuses writes, and every write that was accepted before has ended.
    Drained,
    /// Writes are refused from now on, but some accepted before may still land. Ask again, or
    /// unblock.
    NotDrained {
        /// What is missing.
        detail: String,
    },
}

#[derive(Deserialize)]
struct Answer {
    acknowledged: bool,
    #[serde(default)]
    shards_acknowledged: bool,
    #[serde(default)]
    indices: Vec<Blocked>,
}

#[derive(Deserialize)]
struct Blocked {
    name: String,
    #[serde(default)]
    blocked: bool,
}

impl Answer {
    fn names(&self, index: &str) -> bool {
        self.indices.iter().any(|entry| entry.name == index)
    }

    /// Whether the engine found one of the indices blocked and did nothing about it.
    fn passed_over(&self, indices: &[&str]) -> bool {
        self.acknowledged && !indices.iter().all(|index| self.names(index))
    }

    /// The status alone proves nothing: a block that timed out is answered with 200 too.
    fn judge(&self, indices: &[&str]) -> BlockAnswer {
        let blocked = indices.iter().all(|index| self.names(index))
            && self.indices.iter().all(|entry| entry.blocked);
        if self.acknowledged && self.shards_acknowledged && blocked {
            return BlockAnswer::Drained;
        }
        let detail = format!(
            "acknowledged: {}, shards acknowledged: {}, index blocked: {blocked}",
            self.acknowledged, self.shards_acknowledged
        );
        BlockAnswer::NotDrained { detail }
    }
}

impl Cluster {
    /// Blocks writes to the concrete index `index` and waits up to `timeout` until all that are
    /// under way have ended. Sent once; sending it again does no harm.
    ///
    /// This is the engine's block interface. Its settings form answers before writes have ended and
    /// must not be used in its place. An index that is blocked already is passed over by the engine,
    /// which then does not wait for anything; so its block is lifted and set anew, and for a moment
    /// writes go through. They too have ended when the answer is [`BlockAnswer::Drained`]: read
    /// checkpoints after it, never before.
    ///
    /// # Errors
    /// [`Error::Guard`] for a name that is not one index; failures of the requests, after which the
    /// index may or may not be blocked.
    pub async fn block_writes(&self, index: &str, timeout: Duration) -> Result<BlockAnswer, Error> {
        self.block_writes_by(index, index, timeout).await
    }

    /// As [`Cluster::block_writes`], by the alias `mark` of the index: once somebody has taken that away,
    /// a request that comes late closes nothing.
    ///
    /// # Errors
    /// [`Class::NotFound`](crate::Class::NotFound) without the mark; as for [`Cluster::block_writes`].
    pub async fn block_writes_by(
        &self,
        index: &str,
        mark: &str,
        timeout: Duration,
    ) -> Result<BlockAnswer, Error> {
        self.block_writes_of(&[index], mark, timeout).await
    }

    /// As [`Cluster::block_writes_by`], of all the indices that bear the mark, which have to be these.
    ///
    /// # Errors
    /// As for [`Cluster::block_writes_by`].
    pub async fn block_writes_of(
        &self,
        indices: &[&str],
        mark: &str,
        timeout: Duration,
    ) -> Result<BlockAnswer, Error> {
        indices.iter().try_for_each(|index| exact(index))?;
        exact(mark)?;
        let mut answer = self.put_block(mark, timeout).await?;
        if answer.passed_over(indices) {
            self.put_settings(mark, &json!({ "index.blocks.write": null })).await?;
            answer = self.put_block(mark, timeout).await?;
        }
        Ok(answer.judge(indices))
    }

    async fn put_block(&self, index: &str, timeout: Duration) -> Result<Answer, Error> {
        let request = Request::put(path(&[index, "_block", "write"]))
            .query("timeout", &format!("{}ms", timeout.as_millis().max(1)))
            .timeout(timeout + Duration::from_secs(5));
        let call = request.call();
        let answer = self.send(request).await?;
        serde_json::from_slice(&answer.body)
            .map_err(|e| Error::Malformed { call, what: e.to_string() })
    }

    /// Lets writes to `index` through again, and looks whether they are.
    ///
    /// # Errors
    /// [`Error::Incomplete`] when writes are still refused, as by another kind of block; failures of
    /// the requests.
    pub async fn unblock_writes(&self, index: &str) -> Result<(), Error> {
        self.put_settings(index, &json!({ "index.blocks.write": null })).await?;
        self.must_take_writes(index).await
    }

    /// As [`Cluster::unblock_writes`], if the alias `mark` exists: the engine refuses a request that
    /// names an index it does not know, so nothing is lifted once somebody has removed the mark.
    /// Writes to the index of the mark are let through as well.
    ///
    /// # Errors
    /// [`Class::NotFound`](crate::Class::NotFound) without the mark; as for
    /// [`Cluster::unblock_writes`].
    pub async fn unblock_writes_by(&self, index: &str, mark: &str) -> Result<(), Error> {
        exact(index)?;
        exact(mark)?;
        let both = format!("{index},{mark}");
        self.put_settings(&both, &json!({ "index.blocks.write": null })).await?;
        self.must_take_writes(index).await
    }

    async fn must_take_writes(&self, index: &str) -> Result<(), Error> {
        if self.write_blocked(index).await? {
            let call = Request::get(path(&["_cluster", "state", "blocks", index])).call();
            let what = format!("{index} still refuses writes");
            return Err(Error::Incomplete { call, what });
        }
        Ok(())
    }

    /// Whether `index` refuses writes: by a block of any kind in the cluster's state (also one that
    /// is being added, and one over the whole cluster), or by its settings.
    ///
    /// # Errors
    /// Failures of the requests.
    pub async fn write_blocked(&self, index: &str) -> Result<bool, Error> {
        exact(index)?;
        let blocks = Request::get(path(&["_cluster", "state", "blocks", index]));
        let settings = Request::get(path(&[index, "_settings"])).query("flat_settings", "true");
        let (state, settings) =
            tokio::try_join!(self.json::<Value>(blocks), self.json::<Value>(settings))?;
        Ok(state_blocks(&state["blocks"], index) || settings_block(&settings))
    }
}

/// The engines list the blocks of all indices, whichever one is asked for.
fn state_blocks(blocks: &Value, index: &str) -> bool {
    [&blocks["indices"][index], &blocks["global"]]
        .into_iter()
        .filter_map(Value::as_object)
        .flat_map(|blocks| blocks.values())
        .filter_map(|block| block["levels"].as_array())
        .any(|levels| levels.iter().any(|level| level == "write"))
}

fn settings_block(settings: &Value) -> bool {
    const KEYS: [&str; 3] =
        ["index.blocks.write", "index.blocks.read_only", "index.blocks.read_only_allow_delete"];
    let indices = settings.as_object().into_iter().flat_map(|all| all.values());
    indices
        .flat_map(|index| KEYS.map(|key| &index["settings"][key]))
        .any(|value| value == "true" || *value == Value::Bool(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(body: &str) -> BlockAnswer {
        serde_json::from_str::<Answer>(body).unwrap().judge(&["a"])
    }

    #[test]
    fn only_three_true_fields_are_drained() {
        let full = r#"{"acknowledged":true,"shards_acknowledged":true,"indices":[{"name":"a","blocked":true}]}"#;
        assert_eq!(judge(full), BlockAnswer::Drained);
        for body in [
            r#"{"acknowledged":false,"shards_acknowledged":false,"indices":[{"name":"a","failed_shards":[{"id":"0","failures":[{"shard":0,"index":"a","status":"INTERNAL_SERVER_ERROR"}]}]}]}"#,
            r#"{"acknowledged":false,"shards_acknowledged":false,"indices":[]}"#,
            r#"{"acknowledged":true,"shards_acknowledged":true,"indices":[]}"#,
            r#"{"acknowledged":true,"shards_acknowledged":false,"indices":[{"name":"a","blocked":true}]}"#,
            r#"{"acknowledged":true,"shards_acknowledged":true,"indices":[{"name":"a","blocked":false}]}"#,
            r#"{"acknowledged":true,"shards_acknowledged":true,"indices":[{"name":"b","blocked":true}]}"#,
            r#"{"acknowledged":true}"#,
        ] {
            assert!(matches!(judge(body), BlockAnswer::NotDrained { .. }), "{body}");
        }
    }

    #[test]
    fn of_several_each_has_to_be_named() {
        let answer = |body: &str| serde_json::from_str::<Answer>(body).unwrap();
        let both = answer(
            r#"{"acknowledged":true,"shards_acknowledged":true,"indices":[{"name":"b","blocked":true},{"name":"a","blocked":true}]}"#,
        );
        assert_eq!(both.judge(&["a", "b"]), BlockAnswer::Drained);
        assert!(!both.passed_over(&["a", "b"]));
        // One was blocked already: the engine has not waited for its writes.
        let one = answer(
            r#"{"acknowledged":true,"shards_acknowledged":true,"indices":[{"name":"a","blocked":true}]}"#,
        );
        assert!(one.passed_over(&["a", "b"]));
        assert!(matches!(one.judge(&["a", "b"]), BlockAnswer::NotDrained { .. }));
    }

    #[test]
    fn blocks_of_every_kind_are_seen() {
        for (state, blocked) in [
            (json!({}), false),
            (json!({ "indices": { "a": { "8": { "levels": ["write"] } } } }), true),
            (
                json!({ "indices": { "a": { "12": { "uuid": "x", "levels": ["metadata_write", "write"] } } } }),
                true,
            ),
            (json!({ "indices": { "b": { "8": { "levels": ["write"] } } } }), false),
            (json!({ "indices": { "a": { "7": { "levels": ["read"] } } } }), false),
            (json!({ "global": { "6": { "levels": ["write", "metadata_write"] } } }), true),
        ] {
            assert_eq!(state_blocks(&state, "a"), blocked, "{state}");
        }
        assert!(settings_block(&json!({ "a": { "settings": { "index.blocks.write": "true" } } })));
        assert!(!settings_block(
            &json!({ "a": { "settings": { "index.blocks.write": "false" } } })
        ));
    }
}
