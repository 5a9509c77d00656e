//! Replacing values by those of a table.

use std::borrow::Cow;

use segue_model::recipe::{Otherwise, ValueTable};

use super::Rewritten;
use crate::error::shown;
use crate::json::scalar_text;

/// What the table has for a scalar. A number and a text with the same digits are equal.
pub(super) fn look_up(raw: &[u8], table: &ValueTable) -> Rewritten<'static> {
    let text = scalar_text(raw).unwrap_or_default();
    let found = table.values.iter().find(|(value, _)| value.as_bytes() == text.as_ref());
    let new = match (found, &table.otherwise) {
        (Some((_, new)), _) | (None, Otherwise::Put(new)) => new.as_str().as_bytes().to_vec(),
        (None, Otherwise::Keep) => raw.to_vec(),
        (None, Otherwise::DeadLetter) => {
            return Err(format!("{} isn't in the table", shown(raw)));
        }
    };
    Ok(Cow::Owned(new))
}
