//! How much a run of a script may use.
//!
//! What an operation costs grows with the values it copies, so the larger values may be, the fewer
//! operations there are: a run ends within a second or so, whatever the script is.

/// How much a run may use.
#[derive(Debug)]
pub(super) struct Bounds {
    /// Most values in a list and all lists within it, and most members in an object and all within it.
    /// It bounds also how deep values can be nested.
    pub(super) values: usize,
    /// Longest text, and all texts of a value together, bytes.
    pub(super) text: usize,
    /// Most operations.
    pub(super) operations: u64,
}

/// A bound that a value passed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bound {
    /// Of values in lists, or of members in objects.
    Values,
    /// Of text.
    Text,
}

impl Bound {
    /// The next bounds in which this one is wider; none if these are the widest.
    pub(super) fn wider(self, level: usize) -> Option<usize> {
        let of = |bounds: &Bounds| match self {
            Self::Values => bounds.values,
            Self::Text => bounds.text,
        };
        (level + 1..BOUNDS.len()).find(|next| of(&BOUNDS[*next]) > of(&BOUNDS[level]))
    }
}

/// From narrow to wide. What keeps to the first ones fits the stack of any thread.
pub(super) const BOUNDS: [Bounds; 4] = [
    Bounds { values: 400, text: 256 << 10, operations: 100_000 },
    Bounds { values: 1_200, text: 1 << 20, operations: 50_000 },
    Bounds { values: 5_000, text: 1 << 20, operations: 10_000 },
    Bounds { values: 5_000, text: 16 << 20, operations: 2_000 },
];

/// The first bounds that hold what a run begins with. Values are counted by what is in front of each,
/// which may be too many.
pub(super) fn first<'a>(given: impl Iterator<Item = &'a [u8]>) -> usize {
    let (mut values, mut bytes) = (0, 0);
    for raw in given {
        values += memchr::memchr3_iter(b',', b'[', b'{', raw).count();
        bytes += raw.len();
    }
    let holds = |bounds: &Bounds| values <= bounds.values && bytes <= bounds.text;
    BOUNDS.iter().position(holds).unwrap_or(BOUNDS.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_documents_begin_with_wide_bounds() {
        let list = |n: usize| format!("[{}1]", "1,".repeat(n));
        let text = |n: usize| format!("\"{}\"", "x".repeat(n));
        for (given, expected) in [
            (vec!["{}".to_owned()], 0),
            (vec![list(399)], 0),
            (vec![list(400)], 1),
            (vec![list(200), list(200)], 1),
            (vec!["[".repeat(401)], 1),
            (vec!["{".repeat(401)], 1),
            (vec![text(256 << 10)], 1),
            (vec![list(1_201)], 2),
            (vec![text(1 << 20)], 3),
            (vec![list(6_000)], 3),
        ] {
            let raw = given.iter().map(String::as_bytes);
            assert_eq!(first(raw), expected, "{} bytes", given[0].len());
        }
    }
}
