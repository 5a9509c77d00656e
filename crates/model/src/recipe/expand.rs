//! Environment variables in a recipe's texts.

use std::borrow::Cow;

/// Why a text can't be expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ExpandError {
    /// `${` without `}`.
    Unclosed,
    /// Not the name of an environment variable.
    BadName(String),
    /// The variable isn't set and there is no default.
    Unset(String),
}

/// Fills `${NAME}` and `${NAME:-default}`; `$${` stands for `${`. An empty variable takes the
/// default too, as in a shell. Values aren't expanded again.
pub(super) fn expand<'a>(
    text: &'a str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Cow<'a, str>, ExpandError> {
    if !text.contains("${") {
        return Ok(Cow::Borrowed(text));
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            out.push_str(&rest[..at]);
            out.push('{');
            rest = &rest[at + 2..];
            continue;
        }
        out.push_str(&rest[..at]);
        let end = rest[at..].find('}').ok_or(ExpandError::Unclosed)? + at;
        out.push_str(&value(&rest[at + 2..end], env)?);
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    Ok(Cow::Owned(out))
}

fn value(inner: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, ExpandError> {
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(word)
    {
        return Err(ExpandError::BadName(name.to_owned()));
    }
    match (env(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(ExpandError::Unset(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expansion() {
        let env = |name: &str| match name {
            "A" => Some("x".to_owned()),
            "EMPTY" => Some(String::new()),
            "LOOP" => Some("${A}".to_owned()),
            _ => None,
        };
        for (text, expected) in [
            ("plain $5 {a}", Ok("plain $5 {a}")),
            ("${A}", Ok("x")),
            ("-${A}-${A}-", Ok("-x-x-")),
            ("${NO:-}", Ok("")),
            ("${NO:-http://h:1}", Ok("http://h:1")),
            ("${EMPTY}", Ok("")),
            ("${EMPTY:-d}", Ok("d")),
            ("${LOOP}", Ok("${A}")),
            ("$${A}", Ok("${A}")),
            ("a$${A}${A}", Ok("a${A}x")),
            ("${NO}", Err(ExpandError::Unset("NO".to_owned()))),
            ("${A", Err(ExpandError::Unclosed)),
            ("${}", Err(ExpandError::BadName(String::new()))),
            ("${1A}", Err(ExpandError::BadName("1A".to_owned()))),
            ("${A-B}", Err(ExpandError::BadName("A-B".to_owned()))),
        ] {
            assert_eq!(
                expand(text, &env).map(Cow::into_owned),
                expected.map(str::to_owned),
                "{text}"
            );
        }
    }
}
