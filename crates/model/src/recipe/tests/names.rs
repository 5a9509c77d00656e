//! Names with holes: what they match and what they make.

use std::collections::BTreeMap;

use super::vars;
use crate::recipe::{NameError, NamePattern, NameTemplate};

const EVENTS: &[(&str, &str)] =
    &[("event", "record-view|file-download"), ("month", r"\d{4}-\d{2}")];

/// What the holes hold, joined by a blank.
fn matched(pattern: &str, matches: &[(&str, &str)], name: &str) -> Option<String> {
    let captures = NamePattern::new(pattern, &vars(matches)).unwrap().matches(name)?;
    Some(captures.into_values().collect::<Vec<_>>().join(" "))
}

#[test]
fn names_match_as_a_whole() {
    let pattern = "p-events-stats-{event}-{month}";
    for (name, expected) in [
        ("p-events-stats-record-view-2025-06", Some("record-view 2025-06")),
        ("p-events-stats-file-download-2024-12", Some("file-download 2024-12")),
        // A target of an earlier run isn't a source.
        ("p-events-stats-record-view-2025-06-v2.0.0", None),
        ("backup-p-events-stats-record-view-2025-06", None),
        ("xp-events-stats-record-view-2025-06", None),
        ("p-events-stats-record-view-2025-061", None),
        ("p-events-stats-record-view-2025-6", None),
        ("p-events-stats-record-view-2025-06\n", None),
        ("p-events-stats-other-2025-06", None),
        ("", None),
    ] {
        assert_eq!(matched(pattern, EVENTS, name).as_deref(), expected, "{name}");
    }
}

#[test]
fn what_is_not_in_braces_is_compared_letter_by_letter() {
    for (pattern, name, expected) in [
        ("a.b-{m}", "a.b-1", Some("1")),
        ("a.b-{m}", "axb-1", None),
        ("a+b(c)-{m}", "a+b(c)-1", Some("1")),
        ("a+b(c)-{m}", "aab(c)-1", None),
        ("a$-{m}^", "a$-1^", Some("1")),
        ("[ab]-{m}", "[ab]-1", Some("1")),
        ("[ab]-{m}", "a-1", None),
    ] {
        assert_eq!(
            matched(pattern, &[("m", r"\d")], name).as_deref(),
            expected,
            "{pattern} {name}"
        );
    }
}

#[test]
fn alternatives_and_greed_stay_inside_their_hole() {
    for (pattern, matches, name, expected) in [
        ("x-{a}-y", vec![("a", "p|q")], "x-p-y", Some("p")),
        ("x-{a}-y", vec![("a", "p|q")], "x-p", None),
        // The same text can be cut in several ways; each hole takes as much as it can, from the left.
        ("{a}-{b}", vec![("a", ".+"), ("b", ".+")], "1-2-3", Some("1-2 3")),
        ("{a}-{b}", vec![("a", "[^-]+"), ("b", ".+")], "1-2-3", Some("1 2-3")),
        ("x-{a}", vec![("a", ".*")], "x-", Some("")),
        ("x-{a}", vec![("a", "^1$")], "x-1", None),
    ] {
        assert_eq!(matched(pattern, &matches, name).as_deref(), expected, "{pattern} {name}");
    }
}

#[test]
fn patterns_that_overlap_agree_on_what_both_claim() {
    let months = NamePattern::new("stats-{m}", &vars(&[("m", r"\d{4}-\d{2}")])).unwrap();
    let years = NamePattern::new("stats-{y}", &vars(&[("y", r"\d{4}(-\d{2})?")])).unwrap();
    for (name, month, year) in
        [("stats-2025-06", true, true), ("stats-2025", false, true), ("stats-x", false, false)]
    {
        assert_eq!((months.matches(name).is_some(), years.matches(name).is_some()), (month, year));
    }
    assert_eq!(months.wildcard(), years.wildcard());
}

#[test]
fn wildcards_cover_every_name() {
    let pattern = NamePattern::new("p-{event}-{month}", &vars(EVENTS)).unwrap();
    assert_eq!(pattern.wildcard(), "p-*-*");
    assert_eq!(pattern.captures(), ["event", "month"]);
    assert_eq!(NamePattern::new("plain", &BTreeMap::new()).unwrap().wildcard(), "plain");
}

#[test]
fn templates_make_names() {
    let captures = vars(&[("event", "view"), ("month", "2025-06")]);
    for (template, expected) in [
        ("{source}-v2", Ok("the-source-v2")),
        ("x-{event}.{month}", Ok("x-view.2025-06")),
        ("plain", Ok("plain")),
        ("{nothing}", Err(NameError::Unfilled("nothing".to_owned()))),
    ] {
        let made = NameTemplate::new(template).unwrap().render(&captures, "the-source");
        assert_eq!(made.as_deref().map_err(Clone::clone), expected, "{template}");
    }
    let path = |value: &str| {
        let template = NameTemplate::new("t/{event}.json").unwrap();
        template.render_path(&vars(&[("event", value)]), "s")
    };
    assert_eq!(path("View X").as_deref(), Ok("t/View X.json"));
    assert!(matches!(path("../x"), Err(NameError::Outside(_))));
}

#[test]
fn names_the_engines_refuse_are_refused_here() {
    let long = "x".repeat(256);
    for value in
        ["A", "a b", "a,b", "a*", "a?", "a/b", "a\\b", "a\"", "<a", "a|b", "a#b", "a:b", &long]
    {
        let made = NameTemplate::new("i-{v}").unwrap().render(&vars(&[("v", value)]), "s");
        assert!(matches!(made, Err(NameError::Illegal { .. })), "{value}");
    }
    for value in ["", "-a", "_a", "+a", ".", ".."] {
        let made = NameTemplate::new("{v}").unwrap().render(&vars(&[("v", value)]), "s");
        assert!(matches!(made, Err(NameError::Illegal { .. })), "{value}");
    }
    let made = NameTemplate::new("{v}").unwrap().render(&vars(&[("v", ".hidden-é")]), "s");
    assert_eq!(made.as_deref(), Ok(".hidden-é"));
}

#[test]
fn wrong_patterns_say_why() {
    let error = |text: &str, matches: &[(&str, &str)]| {
        NamePattern::new(text, &vars(matches)).err().map(|error| error.to_string())
    };
    for (text, matches, expected) in [
        ("a-{m", vec![], "`{` isn't closed"),
        ("a-}", vec![], "`}` without `{`"),
        ("a-{M}", vec![], "`{M}` isn't a name"),
        ("a-{}", vec![], "`{}` isn't a name"),
        ("{m}-{m}", vec![("m", ".")], "`{m}` is used twice"),
        ("{a}{b}", vec![("a", "."), ("b", ".")], "nothing separates `{a}` from `{b}`"),
        ("{m}", vec![], "`{m}` is neither a variable nor has it a `match`"),
        ("{m}", vec![("m", "(")], "the regular expression of `m` is wrong"),
        ("{m}", vec![("m", ")(")], "the regular expression of `m` is wrong"),
        ("{m}", vec![("m", "(?P<x>a)")], "named groups aren't allowed"),
        ("{m}", vec![("m", r"\w{1,5000}\w{1,5000}")], "it is too big"),
        ("Stats-{m}", vec![("m", ".")], "it has capital letters"),
        ("-a-{m}", vec![("m", ".")], "it starts with `-`"),
        ("a*-{m}", vec![("m", ".")], "can't be the name of an index"),
    ] {
        let message = error(text, &matches).unwrap_or_default();
        assert!(message.contains(expected), "{text}: {message}");
    }
}
