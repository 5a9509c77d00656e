//! One index, or several whose names differ in one place only.

/// What a drafted recipe takes for its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// What the user named.
    pub what: String,
    /// The names, with a hole where they differ.
    pub pattern: String,
    /// The hole's name and expression.
    pub capture: Option<(String, String)>,
}

/// A hole's name, its expression, and whether a text fits it.
type Kind = (&'static str, &'static str, fn(&str) -> bool);

/// What a hole may hold, the most particular first.
const KINDS: [Kind; 5] = [
    ("day", r"\d{4}[-.]\d{2}[-.]\d{2}", |text| is_shaped(text, "dddd-dd-dd")),
    ("month", r"\d{4}[-.]\d{2}", |text| is_shaped(text, "dddd-dd")),
    ("number", r"\d+", |text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())),
    ("part", "[a-z0-9]+", |text| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    }),
    ("part", "[a-z0-9_.-]+", |text| !text.is_empty() && text.bytes().all(is_of_name)),
];

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.' | b'-')
}

fn is_shaped(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(byte, wanted)| match wanted {
            b'd' => byte.is_ascii_digit(),
            _ => matches!(byte, b'-' | b'.'),
        })
}

impl Series {
    /// One index.
    #[must_use]
    pub fn one(index: &str) -> Series {
        Series { what: index.to_owned(), pattern: index.to_owned(), capture: None }
    }

    /// Several indices that the user named as `what`; none where their names differ in other than one
    /// place.
    #[must_use]
    pub fn of(what: &str, names: &[&str]) -> Option<Series> {
        let (first, rest) = names.split_first()?;
        if rest.is_empty() {
            return Some(Series { what: what.to_owned(), ..Series::one(first) });
        }
        let head = rest.iter().map(|name| alike(first.bytes(), name.bytes())).min()?;
        let tail = rest.iter().map(|name| alike(first.bytes().rev(), name.bytes().rev())).min()?;
        let shortest = names.iter().map(|name| name.len()).min()?;
        // A number or a word that begins or ends alike belongs to the hole as a whole.
        let heads = (0..=head).rev().filter(|at| *at == 0 || is_border(first, at - 1));
        let places: Vec<_> = heads
            .flat_map(|head| {
                let tails = (0..=tail.min(shortest - head)).rev();
                let tails = tails.filter(|at| *at == 0 || is_border(first, first.len() - at));
                tails.map(move |tail| (head, tail))
            })
            .filter(|(head, tail)| head + tail > 0)
            .collect();
        let holes = |(head, tail): (usize, usize)| {
            names.iter().map(move |name| &name[head..name.len() - tail])
        };
        let (place, (capture, expression, _)) = KINDS.iter().find_map(|kind| {
            let fits = |place: &&(usize, usize)| holes(**place).all(kind.2);
            Some((*places.iter().find(fits)?, kind))
        })?;
        let (head, tail) = place;
        let pattern = format!("{}{{{capture}}}{}", &first[..head], &first[first.len() - tail..]);
        let capture = Some(((*capture).to_owned(), (*expression).to_owned()));
        Some(Series { what: what.to_owned(), pattern, capture })
    }

    /// A name for the recipe: what a recipe may be called, of the indices' name.
    pub(super) fn recipe_name(&self) -> String {
        let plain: String = self
            .pattern
            .replace(['{', '}'], "")
            .chars()
            .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' { c } else { '-' })
            .collect();
        let name: String = plain.trim_matches(['-', '_']).chars().take(60).collect();
        format!("{name}-v2")
    }
}

fn is_border(name: &str, at: usize) -> bool {
    matches!(name.as_bytes()[at], b'-' | b'_' | b'.')
}

fn alike(one: impl Iterator<Item = u8>, other: impl Iterator<Item = u8>) -> usize {
    one.zip(other).take_while(|(one, other)| one == other).count()
}
