//! Texts that are no YAML, or more than a recipe may be.

use super::{Mistake, Refused, Unseen, mistake, with};

pub(super) fn mistakes() -> Vec<Mistake> {
    let bomb: String = (1..12)
        .map(|level| {
            format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 10].join(", "))
        })
        .collect();
    vec![
        mistake("an empty file", Refused, ""),
        mistake("only comments", Refused, "# segue: 1\n"),
        mistake("a text", Refused, "just text\n"),
        mistake("a list", Refused, "- segue: 1\n"),
        mistake("a bracket that isn't closed", Unseen, "segue: [1\nname: r\n"),
        mistake("a quote that isn't closed", Unseen, "segue: 1\nname: \"r\n"),
        mistake(
            "a tab in front of a key",
            Unseen,
            "segue: 1\nname: r\ncluster:\n\turl: http://h:9200\n",
        ),
        mistake(
            "a key that isn't below its section",
            Unseen,
            "segue: 1\nname: r\ncluster:\n  url: http://h\n tls: {}\n",
        ),
        mistake("a colon without a blank", Unseen, "segue: 1\nname:r\ncluster: {}\n"),
        mistake(
            "braces without quotes",
            Unseen,
            "segue: 1\nname: r\nsource:\n  index: {prefix}-a\n",
        ),
        mistake("a name that begins with braces", Refused, with("cutover: { alias: {prefix} }")),
        mistake("a percent sign without quotes", Unseen, "segue: 1\nname: %r\n"),
        mistake("a key that stands twice", Unseen, "segue: 1\nname: r\nname: s\n"),
        mistake("a merge key", Unseen, "a: &a [x]\nb: { <<: *a }\n"),
        mistake("an anchor that nothing defines", Unseen, "segue: 1\nname: *r\n"),
        mistake("aliases that grow without end", Unseen, format!("a0: &a0 [x, x, x, x]\n{bomb}")),
        mistake("a tag", Unseen, with("").replace("segue: 1", "segue: !int64 1")),
        mistake("two documents", Unseen, "segue: 1\nname: r\n---\nsegue: 1\nname: s\n"),
        mistake(
            "too deep",
            Unseen,
            with(&format!("target: {}{}", "[".repeat(60), "]".repeat(60)))
                .replace("target: {", "vars: { x: {")
                .replace("-v2\" }", "-v2\" } }"),
        ),
        mistake("too large", Unseen, with(&format!("# {}", "x".repeat(1 << 20)))),
        mistake("another language", Refused, "segue: 2\nname: r\n"),
        mistake("a language as text", Refused, "segue: \"1\"\nname: r\n"),
    ]
}
