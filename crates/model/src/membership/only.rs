//! Which members are meant.

use crate::rollup::Period;

/// Which members are meant; all, where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Only {
    /// Their ids; none = any.
    pub ids: Vec<String>,
    /// Groups whose events are written; none = any.
    pub groups: Vec<String>,
    /// From when on they have been there, milliseconds since 1970.
    pub from: Option<i64>,
    /// And before when, exclusive.
    pub before: Option<i64>,
}

/// What is wrong with a selection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OnlyError {
    /// No such key.
    #[error("`{0}` is nothing to choose by: id, group or created")]
    Key(String),
    /// No range of days.
    #[error("`{0}` isn't a range of days such as 2024-01-01..2024-06-30, 2024-01.., ..2024")]
    Range(String),
    /// Two ranges.
    #[error("`created` is given twice")]
    Twice,
    /// Nothing after the sign.
    #[error("`{0}` is empty")]
    Empty(String),
}

impl Only {
    /// Reads the pairs of `--only`: `id` and `group`, any number of each, and one range `created`, of whole
    /// days, months or years, the last one included.
    ///
    /// # Errors
    /// [`OnlyError`].
    pub fn read(pairs: &[(String, String)]) -> Result<Self, OnlyError> {
        let mut only = Self::default();
        for (key, value) in pairs {
            if value.is_empty() {
                return Err(OnlyError::Empty(key.clone()));
            }
            match key.as_str() {
                "id" => only.ids.push(value.clone()),
                "group" => only.groups.push(value.clone()),
                "created" if only.from.is_some() || only.before.is_some() => {
                    return Err(OnlyError::Twice);
                }
                "created" => {
                    let range = range(value).ok_or_else(|| OnlyError::Range(value.clone()))?;
                    (only.from, only.before) = range;
                }
                other => return Err(OnlyError::Key(other.to_owned())),
            }
        }
        Ok(only)
    }

    /// Whether events of this group are meant.
    #[must_use]
    pub fn has_group(&self, group: &str) -> bool {
        self.groups.is_empty() || self.groups.iter().any(|one| one == group)
    }
}

type Range = (Option<i64>, Option<i64>);

fn range(text: &str) -> Option<Range> {
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    if from.is_empty() && to.is_empty() {
        return None;
    }
    let from = (!from.is_empty()).then(|| span(from)).map_or(Some(None), |span| span.map(Some))?;
    let to = (!to.is_empty()).then(|| span(to)).map_or(Some(None), |span| span.map(Some))?;
    let range = (from.map(|span| span.0), to.map(|span| span.1));
    match range {
        (Some(from), Some(before)) if from >= before => None,
        range => Some(range),
    }
}

/// Beginning and end of a day, month or year.
fn span(text: &str) -> Option<(i64, i64)> {
    match text.len() {
        10 => Period::Day.parse(text).map(|at| (at.0, Period::Day.next(at).0)),
        7 => Period::Month.parse(text).map(|at| (at.0, Period::Month.next(at).0)),
        4 => {
            let year: u32 = text.parse().ok()?;
            let first = |year: u32| Period::Day.parse(&format!("{year:04}-01-01")).map(|at| at.0);
            first(year).zip(first(year + 1))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn created(text: &str) -> Result<Only, OnlyError> {
        Only::read(&[("created".to_owned(), text.to_owned())])
    }

    #[test]
    fn ranges_are_of_whole_days() {
        let ms = |day: &str| Some(Period::Day.parse(day).unwrap().0);
        for (text, from, before) in [
            ("2024-01-01..2024-01-02", ms("2024-01-01"), ms("2024-01-03")),
            ("2024-02", ms("2024-02-01"), ms("2024-03-01")),
            ("2024..", ms("2024-01-01"), None),
            ("..2023-12", None, ms("2024-01-01")),
            ("2023..2024", ms("2023-01-01"), ms("2025-01-01")),
        ] {
            let only = created(text).unwrap();
            assert_eq!((only.from, only.before), (from, before), "{text}");
        }
        for wrong in ["..", "x", "2024-01-02..2024-01-01", "2024-02-30", "20-24", "2024-1"] {
            assert_eq!(created(wrong), Err(OnlyError::Range(wrong.to_owned())));
        }
    }

    #[test]
    fn strangers_are_refused() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(Only::read(&[pair("month", "1")]), Err(OnlyError::Key("month".to_owned())));
        assert_eq!(Only::read(&[pair("id", "")]), Err(OnlyError::Empty("id".to_owned())));
        let twice = [pair("created", "2024"), pair("created", "2025")];
        assert_eq!(Only::read(&twice), Err(OnlyError::Twice));
        let only = Only::read(&[pair("id", "a"), pair("id", "b"), pair("group", "g")]).unwrap();
        assert_eq!(only.ids, ["a", "b"]);
        assert!(only.has_group("g") && !only.has_group("h") && Only::default().has_group("h"));
    }
}
