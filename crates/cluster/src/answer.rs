//! What an engine says when it refuses.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

/// An engine's refusal, in its own words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineError {
    /// The engine's name of the failure, e.g. `cluster_block_exception`; empty when the answer was
    /// not an engine's (a proxy's page).
    pub kind: String,
    /// The reason as the engine words it.
    pub reason: String,
    /// Name and reason of the innermost cause where it says more.
    pub root_cause: Option<String>,
}

/// How much of an answer that is not JSON is repeated.
const EXCERPT: usize = 200;

impl EngineError {
    /// Reads the body of a refusal; whatever can't be read is kept as a short excerpt.
    pub(crate) fn parse(body: &[u8]) -> EngineError {
        let Ok(value) = serde_json::from_slice::<Value>(body) else {
            return EngineError { reason: excerpt(body), ..EngineError::default() };
        };
        match value.get("error") {
            Some(error) => EngineError::from_value(error),
            None => EngineError { reason: excerpt(body), ..EngineError::default() },
        }
    }

    /// Reads the object under `error`, which very old paths answer as a plain text.
    fn from_value(error: &Value) -> EngineError {
        if let Value::String(text) = error {
            return EngineError { reason: text.clone(), ..EngineError::default() };
        }
        let outer = Named::deserialize(error).unwrap_or_default();
        let inner = innermost(error).filter(|inner| *inner != outer);
        EngineError {
            kind: outer.kind,
            reason: outer.reason.unwrap_or_default(),
            root_cause: inner.map(|inner| inner.to_string()),
        }
    }

    /// Whether the engine says so because of a write block (and not for want of a privilege).
    pub(crate) fn is_block(&self) -> bool {
        self.mentions("cluster_block_exception")
    }

    /// Whether this kind of failure stands anywhere in the answer.
    fn mentions(&self, kind: &str) -> bool {
        self.kind == kind || self.root_cause.as_deref().is_some_and(|cause| cause.starts_with(kind))
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind.is_empty(), self.reason.is_empty()) {
            (true, true) => f.write_str("no reason given")?,
            (true, false) => f.write_str(&self.reason)?,
            (false, true) => f.write_str(&self.kind)?,
            (false, false) => write!(f, "{}: {}", self.kind, self.reason)?,
        }
        match &self.root_cause {
            Some(cause) => write!(f, " ({cause})"),
            None => Ok(()),
        }
    }
}

#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
struct Named {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    reason: Option<String>,
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.reason.as_deref().unwrap_or("no reason given"))
    }
}

/// The end of the `caused_by` chain, else the first root cause.
fn innermost(error: &Value) -> Option<Named> {
    let mut cause = error.get("caused_by");
    while let Some(next) = cause.and_then(|c| c.get("caused_by")) {
        cause = Some(next);
    }
    let root = || error.get("root_cause").and_then(|causes| causes.get(0));
    Named::deserialize(cause.or_else(root)?).ok().filter(|named| !named.kind.is_empty())
}

fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let words: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(EXCERPT) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_become_one_sentence() {
        for (body, text) in [
            (
                r#"{"error":{"root_cause":[{"type":"index_not_found_exception","reason":"no such index [x]","index":"x"}],"type":"index_not_found_exception","reason":"no such index [x]"},"status":404}"#,
                "index_not_found_exception: no such index [x]",
            ),
            (
                r#"{"error":{"root_cause":[{"type":"mapper_parsing_exception","reason":"failed to parse"}],"type":"mapper_parsing_exception","reason":"failed to parse","caused_by":{"type":"a","reason":"b","caused_by":{"type":"number_format_exception","reason":"For input string: \"x\""}}},"status":400}"#,
                "mapper_parsing_exception: failed to parse (number_format_exception: For input string: \"x\")",
            ),
            (
                r#"{"error":"Incorrect HTTP method for uri [/] and method [GET]","status":405}"#,
                "Incorrect HTTP method for uri [/] and method [GET]",
            ),
            (r#"{"error":{"type":"x_exception","reason":null},"status":500}"#, "x_exception"),
            ("<html>\n<b>502</b>  Bad Gateway</html>", "<html> <b>502</b> Bad Gateway</html>"),
            ("", "no reason given"),
            (
                r#"{"message":"The security token is expired"}"#,
                r#"{"message":"The security token is expired"}"#,
            ),
        ] {
            assert_eq!(EngineError::parse(body.as_bytes()).to_string(), text);
        }
    }

    #[test]
    fn long_pages_are_cut_between_characters() {
        let page = "é".repeat(1000);
        let shown = EngineError::parse(page.as_bytes()).to_string();
        assert_eq!(shown.chars().count(), EXCERPT + 1);
    }
}
