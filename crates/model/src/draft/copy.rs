//! The recipe of `segue copy`, which is the same wherever and whenever it is made: by it the copy is found
//! again, gone on with, switched to, or given up.

use xxhash_rust::xxh3::xxh3_64;

use super::{Draft, quoted};

/// How much of the source's name stands in the recipe's.
const NAME: usize = 24;

/// The name of the recipe that copies `source` into `target`.
#[must_use]
pub fn copy_name(source: &str, target: &str) -> String {
    let plain: String = source
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' { c } else { '-' })
        .take(NAME)
        .collect();
    let hash = xxh3_64(format!("{source}\0{target}").as_bytes());
    format!("copy-{}-{hash:016x}", plain.trim_matches('-'))
}

/// The recipe that copies `source` into `target`, on a cluster given by lines below `cluster`.
#[must_use]
pub fn copy(source: &str, target: &str, cluster: &[String], template: Option<&str>) -> Draft {
    let mut lines = vec![
        format!(
            "# Made by `segue copy {source} {target}`; every command that takes a recipe takes this one."
        ),
        "segue: 1".to_owned(),
        format!("name: {}", copy_name(source, target)),
        "cluster:".to_owned(),
    ];
    lines.extend(cluster.iter().map(|line| format!("  {line}")));
    lines.push(format!("source: {{ index: {} }}", quoted(source)));
    let template =
        template.map_or_else(String::new, |file| format!(", template: {}", quoted(file)));
    lines.push(format!("target: {{ index: {}{template} }}", quoted(target)));
    lines.push("cutover: { mode: block, start: manual }".to_owned());
    let mut recipe = lines.join("\n");
    recipe.push('\n');
    Draft { recipe, template: None }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::recipe::Recipe;

    #[test]
    fn a_copy_is_a_recipe_of_a_name_of_its_own() {
        let cluster = ["url: \"http://localhost:9200\"".to_owned()];
        let long = "x.".repeat(120);
        for (source, target) in [("a", "b"), ("a", "c"), ("logs.2024-01", "l2"), (&long, "y")] {
            let text = copy(source, target, &cluster, None).recipe;
            let recipe = Recipe::parse(&text, "r", &BTreeMap::new(), &|_| None);
            let recipe = recipe.unwrap_or_else(|error| panic!("{}", error.render()));
            assert_eq!(recipe.name, copy_name(source, target));
            assert!(recipe.source.matches(source).is_some());
        }
        assert_ne!(copy_name("a", "b"), copy_name("a", "c"));
    }
}
