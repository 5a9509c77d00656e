//! The gate of a swap: what must hold before the alias may stand for a new generation.

use super::drift;
use crate::gate::Predicate;
use crate::recipe::SwapSpec;

/// What was seen just before a swap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Records that were read.
    pub read: u64,
    /// Whether the balance adds up.
    pub balanced: bool,
    /// Whether every record was compared with the generation.
    pub verified: bool,
    /// Dead letters that remain.
    pub dead_letters: u64,
    /// How many dead letters the recipe allows.
    pub dead_letters_allowed: u64,
    /// Documents of the new generation.
    pub documents: u64,
    /// Documents that the comparison says it is to hold.
    pub expected: u64,
    /// What the alias stands for now; none = nothing.
    pub live: Option<Live>,
    /// Whether every primary of the new generation is started.
    pub serves: bool,
    /// Whether the alias stands as it was planned.
    pub names_as_planned: Result<(), String>,
}

/// The generation that serves now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Live {
    /// Its documents.
    pub documents: u64,
    /// Operations on it since it took over, which nobody but an application can have made.
    pub writes: u64,
    /// Its started copies of each primary, and those of the new one.
    pub copies: (u32, u32),
}

/// Every predicate of the gate, in a fixed order.
#[must_use]
pub fn judge(seen: &Seen, spec: &SwapSpec) -> Vec<Predicate> {
    let predicate = |name, holds, shows| Predicate { name, holds, shows };
    let (documents, allowed) = (seen.documents, seen.dead_letters_allowed);
    let mut predicates = vec![
        predicate("balanced", seen.balanced, format!("{} records read", seen.read)),
        predicate(
            "verified",
            seen.verified,
            "content of every record and every document compared".to_owned(),
        ),
        predicate(
            "dead_letters",
            seen.dead_letters <= allowed,
            format!("{} dead letters, {allowed} allowed", seen.dead_letters),
        ),
        predicate("not_empty", documents > 0, format!("the new generation holds {documents}")),
        predicate(
            "counts",
            documents == seen.expected,
            format!("the new generation holds {documents}, expected {}", seen.expected),
        ),
        predicate("serves", seen.serves, "every primary of the new generation".to_owned()),
        predicate(
            "names",
            seen.names_as_planned.is_ok(),
            seen.names_as_planned.clone().err().unwrap_or_else(|| "as planned".to_owned()),
        ),
    ];
    if let Some(live) = seen.live {
        let (holds, shows) = drifts(live.documents, documents, spec);
        predicates.push(predicate("drift", holds, shows));
        predicates.push(predicate(
            "untouched",
            live.writes == 0 || spec.discard_writes,
            format!(
                "{} operations on what serves now since it took over, which the files do not hold",
                live.writes
            ),
        ));
        let (old, new) = live.copies;
        let shows =
            format!("the new generation has {new} copies started, the one that serves {old}");
        predicates.push(predicate("copies", new >= old, shows));
    }
    predicates
}

fn drifts(live: u64, new: u64, spec: &SwapSpec) -> (bool, String) {
    match drift(live, new) {
        Some(percent) => (
            percent <= u64::from(spec.max_drift),
            format!("{new} documents instead of {live}: {percent} %, {} % allowed", spec.max_drift),
        ),
        None => (
            spec.first_load,
            format!("what serves now is empty, the new generation holds {new} (first_load)"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::refusals;

    fn good() -> Seen {
        Seen {
            read: 105,
            balanced: true,
            verified: true,
            dead_letters: 0,
            dead_letters_allowed: 0,
            documents: 105,
            expected: 105,
            live: Some(Live { documents: 100, writes: 0, copies: (1, 1) }),
            serves: true,
            names_as_planned: Ok(()),
        }
    }

    fn refused(seen: &Seen, spec: &SwapSpec) -> Vec<&'static str> {
        refusals(&judge(seen, spec)).iter().map(|predicate| predicate.name).collect()
    }

    #[test]
    fn each_predicate_refuses_what_it_is_there_for() {
        type Spoil = fn(&mut Seen);
        let live = |documents, writes, copies| Some(Live { documents, writes, copies });
        let table: [(&[&str], Spoil); 12] = [
            (&[], |_| ()),
            (&[], |s| s.live = None),
            (&["balanced"], |s| s.balanced = false),
            (&["verified"], |s| s.verified = false),
            (&["dead_letters"], |s| s.dead_letters = 1),
            (&["not_empty", "drift"], |s| (s.documents, s.expected) = (0, 0)),
            (&["counts"], |s| s.expected = 104),
            (&["serves"], |s| s.serves = false),
            (&["names"], |s| s.names_as_planned = Err("moved".to_owned())),
            (&["drift"], |s| (s.documents, s.expected) = (111, 111)),
            (&["drift"], |s| (s.documents, s.expected) = (89, 89)),
            (&[], |s| (s.documents, s.expected) = (110, 110)),
        ];
        for (names, spoil) in table {
            let mut seen = good();
            spoil(&mut seen);
            assert_eq!(refused(&seen, &SwapSpec::default()), names);
        }
        for (names, of_live) in [
            (&["drift"][..], live(0, 0, (1, 1))),
            (&["untouched"], live(100, 1, (1, 1))),
            (&["copies"], live(100, 0, (2, 1))),
        ] {
            let seen = Seen { live: of_live, ..good() };
            assert_eq!(refused(&seen, &SwapSpec::default()), names);
        }
    }

    #[test]
    fn what_the_recipe_says_in_words_is_let_through() {
        let empty = Seen { live: Some(Live { documents: 0, writes: 0, copies: (1, 1) }), ..good() };
        assert!(refused(&empty, &SwapSpec { first_load: true, ..SwapSpec::default() }).is_empty());
        let written = Live { documents: 100, writes: 9, copies: (1, 1) };
        let written = Seen { live: Some(written), ..good() };
        let spec = SwapSpec { discard_writes: true, ..SwapSpec::default() };
        assert!(refused(&written, &spec).is_empty());
    }
}
