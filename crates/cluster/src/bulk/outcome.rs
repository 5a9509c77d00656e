//! What became of the writes of a bulk.

use serde::Deserialize;

/// What became of a bulk as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BulkAnswer {
    /// Every write was applied.
    AllApplied,
    /// What became of each write, in the order they were sent.
    Mixed(Vec<ItemOutcome>),
}

/// What became of one write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemOutcome {
    /// It is done. So is a delete of a document that was not there.
    Applied,
    /// The target has this version or a higher one.
    Conflict {
        /// The version in the target, where the reason tells it.
        current: Option<u64>,
    },
    /// The cluster asks for less; try again later. Also a disk at the flood stage.
    Throttled {
        /// The engine's reason.
        reason: String,
    },
    /// This document will never be accepted as it is.
    Rejected {
        /// HTTP status of the item.
        status: u16,
        /// The engine's name of the failure.
        kind: String,
        /// The engine's reason.
        reason: String,
    },
    /// The alias is gone, or no index behind it takes writes.
    Fenced {
        /// The engine's reason.
        reason: String,
    },
    /// Writes to the index are blocked, or it is closed.
    Blocked {
        /// The engine's reason.
        reason: String,
    },
    /// A shard could not be reached, or an engine's failure (5xx): the write may or may not be
    /// done.
    Unavailable {
        /// The engine's reason.
        reason: String,
    },
}

/// The flag stands before the list of items in both products, after a few numbers at most.
const HEAD: usize = 256;

impl BulkAnswer {
    /// Reads the body of the answer to a bulk of `items` writes.
    ///
    /// # Errors
    /// What is odd about it, in words.
    pub fn parse(body: &[u8], items: usize) -> Result<BulkAnswer, String> {
        parse(body, items)
    }
}

fn parse(body: &[u8], items: usize) -> Result<BulkAnswer, String> {
    if flagged_clean(body) {
        let counted = count_statuses(body);
        return if counted == items {
            Ok(BulkAnswer::AllApplied)
        } else {
            Err(format!("{counted} outcomes for {items} writes"))
        };
    }
    let answer: Answer = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    if answer.items.len() != items {
        return Err(format!("{} outcomes for {items} writes", answer.items.len()));
    }
    let outcomes: Option<Vec<ItemOutcome>> =
        answer.items.into_iter().map(|item| item.result().map(classify)).collect();
    let outcomes = outcomes.ok_or("an item without an operation")?;
    if outcomes.iter().all(|outcome| *outcome == ItemOutcome::Applied) {
        return Ok(BulkAnswer::AllApplied);
    }
    Ok(BulkAnswer::Mixed(outcomes))
}

/// Whether the head of the answer says that no write failed.
fn flagged_clean(body: &[u8]) -> bool {
    let head = &body[..body.len().min(HEAD)];
    let Some(flag) = memchr::memmem::find(head, b"\"errors\":false") else { return false };
    memchr::memmem::find(head, b"\"items\"").is_none_or(|items| flag < items)
}

/// Counts the items without reading them. Every item has one `status` key, and a text can't hold
/// these bytes: its quotes are escaped.
fn count_statuses(body: &[u8]) -> usize {
    memchr::memmem::find_iter(body, b"\"status\":").count()
}

#[derive(Deserialize)]
struct Answer {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    index: Option<ItemResult>,
    delete: Option<ItemResult>,
    create: Option<ItemResult>,
    update: Option<ItemResult>,
}

impl Item {
    fn result(self) -> Option<ItemResult> {
        self.index.or(self.delete).or(self.create).or(self.update)
    }
}

#[derive(Deserialize)]
struct ItemResult {
    status: u16,
    error: Option<ItemError>,
}

#[derive(Deserialize)]
struct ItemError {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    caused_by: Option<Box<ItemError>>,
}

impl ItemError {
    /// The reason with its innermost cause, which names the field and the value.
    fn text(&self) -> String {
        let mut text = self.reason.clone().unwrap_or_default();
        let mut cause = self.caused_by.as_deref();
        while let Some(inner) = cause.and_then(|cause| cause.caused_by.as_deref()) {
            cause = Some(inner);
        }
        if let Some(reason) = cause.and_then(|cause| cause.reason.as_deref()) {
            text.push_str(": ");
            text.push_str(reason);
        }
        text
    }
}

fn classify(result: ItemResult) -> ItemOutcome {
    let status = result.status;
    let Some(error) = result.error else { return ItemOutcome::Applied };
    let reason = error.text();
    match (status, error.kind.as_str()) {
        (409, "version_conflict_engine_exception") => {
            ItemOutcome::Conflict { current: current_version(&reason) }
        }
        (429, _) => ItemOutcome::Throttled { reason },
        (403, "cluster_block_exception") | (_, "index_closed_exception") => {
            ItemOutcome::Blocked { reason }
        }
        (404, "index_not_found_exception") => ItemOutcome::Fenced { reason },
        (400, _) if reason.starts_with("no write index is defined for alias") => {
            ItemOutcome::Fenced { reason }
        }
        (404, "shard_not_found_exception") | (500.., _) => ItemOutcome::Unavailable { reason },
        _ => ItemOutcome::Rejected { status, kind: error.kind, reason },
    }
}

/// The target's version in `… current version [N] is higher or equal to the one provided [M]`, or
/// `is higher than`, which is said of writes that an equal version would not refuse. Read
/// from the end, because the text begins with the document's id, which can hold anything.
fn current_version(reason: &str) -> Option<u64> {
    let end = reason
        .rfind("] is higher or equal to the one provided [")
        .max(reason.rfind("] is higher than the one provided ["))?;
    let start = reason[..end].rfind('[')? + 1;
    reason[start..end].parse().ok()
}

#[cfg(test)]
#[path = "outcome_tests.rs"]
mod tests;
