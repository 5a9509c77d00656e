//! Damage done on purpose to what a run left: the checker has to find it.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, ensure};
use segue_demo::http::Http;
use serde_json::{Value, json};

/// What is planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// A document is taken away.
    Lost,
    /// A document gets an earlier content.
    Stale,
    /// A document is added that was never written.
    Extra,
    /// The index is write-blocked.
    Block,
}

impl Plant {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Lost, Self::Stale, Self::Extra, Self::Block];

    const fn word(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Stale => "stale",
            Self::Extra => "extra",
            Self::Block => "block",
        }
    }

    /// Damages what stands behind `name`; a document is damaged only if what it must be is known for
    /// `sure`.
    pub(crate) async fn carry_out(
        self,
        http: &Http,
        name: &str,
        sure: &dyn Fn(&str) -> bool,
    ) -> anyhow::Result<()> {
        let answer = match self {
            Self::Lost | Self::Stale => return self.damage(http, name, sure).await,
            Self::Extra => http.put(&format!("/{name}/_doc/d99999999"), &json!({ "n": 1 })).await?,
            Self::Block => http.put(&format!("/{name}/_block/write"), &Value::Null).await?,
        };
        answer.success().with_context(|| format!("cannot plant {self}"))?;
        Ok(())
    }

    async fn damage(
        self,
        http: &Http,
        name: &str,
        sure: &dyn Fn(&str) -> bool,
    ) -> anyhow::Result<()> {
        http.post(&format!("/{name}/_refresh"), &Value::Null).await?.success()?;
        // One with an id of the writer's choice.
        let query = json!({ "size": 1000, "sort": ["n"], "query": {
            "bool": { "must_not": { "exists": { "field": "unnamed" } } } } });
        let first = http.post(&format!("/{name}/_search"), &query).await?.success()?;
        let hits = first["hits"]["hits"].as_array().map_or(&[][..], Vec::as_slice);
        let mut ids = hits.iter().filter_map(|hit| hit["_id"].as_str());
        let id = ids.find(|id| sure(id)).context("no document to damage")?;
        let by_id = json!({ "query": { "ids": { "values": [id] } },
            "script": { "source": "ctx._source.n = -1" } });
        let (verb, body) = match self {
            Self::Stale => ("_update_by_query", by_id),
            _ => ("_delete_by_query", json!({ "query": by_id["query"] })),
        };
        let path = format!("/{name}/{verb}?refresh=true");
        let answer = http.post(&path, &body).await?.success()?;
        ensure!(answer["total"] == 1, "{self} was not planted: {answer}");
        Ok(())
    }
}

impl fmt::Display for Plant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Plant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|plant| plant.word() == text);
        found.ok_or_else(|| format!("{text:?} is none of lost, stale, extra, block"))
    }
}
