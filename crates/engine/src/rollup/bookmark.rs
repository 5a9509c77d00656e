//! Bookmarks as another application reads them: up to which period everything of a key is complete.

use segue_model::recipe::Output;
use segue_model::rollup::{PeriodStart, iso};
use serde_json::{Value, json};

use super::Rollup;
use super::store::Head;
use super::write::{There, Writer};
use crate::error::{Doing, Error};

/// Bookmarks of one request.
const MANY: usize = 1000;

impl Rollup {
    /// Moves the bookmarks of an output, where it has any, to `done`; never back.
    pub(super) async fn move_bookmarks(
        &self,
        output: &Output,
        head: &Head,
        writer: &Writer<'_>,
        done: PeriodStart,
    ) -> Result<(), Error> {
        let Some(bookmark) = &output.bookmark else { return Ok(()) };
        self.ensure_bookmarks(&bookmark.index).await?;
        let keys: Vec<_> =
            head.keys.iter().filter(|(_, first)| **first <= done).map(|(key, _)| key).collect();
        for some in keys.chunks(MANY) {
            let dates = self.bookmarks(output, some).await?;
            let behind = some.iter().zip(dates).filter(|(_, date)| date.is_none_or(|at| at < done));
            let documents: Vec<_> = behind
                .map(|(key, _)| {
                    let body = json!({
                        "date": iso(done.0), "aggregation_type": bookmark.name,
                        self.spec().key.name.as_str(): key
                    });
                    (format!("{}_{key}", bookmark.name), body.to_string())
                })
                .collect();
            writer.put_into(&bookmark.index, documents, There::Replace).await?;
        }
        Ok(())
    }

    /// The bookmarks of keys, where the output has any.
    pub(super) async fn bookmarks(
        &self,
        output: &Output,
        keys: &[&String],
    ) -> Result<Vec<Option<PeriodStart>>, Error> {
        let Some(bookmark) = &output.bookmark else { return Ok(vec![None; keys.len()]) };
        let ids: Vec<_> = keys.iter().map(|key| format!("{}_{key}", bookmark.name)).collect();
        let asked: Vec<_> = ids.iter().map(|id| (id.as_str(), None)).collect();
        let reading = || format!("reading the bookmarks in {}", bookmark.index);
        if self.ask(3).index(&bookmark.index).await.doing(reading)?.is_none() {
            return Ok(vec![None; keys.len()]);
        }
        let found = self.ask(1).get_many(&bookmark.index, &asked, true).await.doing(reading)?;
        let date = |source: &str| {
            let body: Value = serde_json::from_str(source).ok()?;
            self.spec().period.parse(body["date"].as_str()?)
        };
        let read = found.into_iter().map(|document| {
            let source = document.and_then(|document| document.source);
            source.and_then(|source| date(source.get()))
        });
        Ok(read.collect())
    }
}
