//! How many documents of the target were made of each number.

use std::collections::{BTreeMap, HashMap};

use segue_model::id::SeqNo;

use super::run::Class;

const PAGE: u64 = 512;
/// The mark of a refused document; the other bits are the number of documents.
const REFUSED: u8 = 0x80;
/// So many or more: the number itself stands elsewhere.
const MANY: u8 = 0x7f;

/// How many documents were made of each number that is held, with their sums. A byte a number where they
/// are dense.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pages: BTreeMap<u64, Box<[u8]>>,
    many: HashMap<i64, u64>,
    written: u64,
    refused: u64,
}

impl Counts {
    /// Notes what was made of `number`, in place of what was noted of it before.
    pub(super) fn note(&mut self, number: SeqNo, class: Class, documents: u64) {
        self.forget(number);
        let Some((page, at)) = place(number) else { return };
        let few = u8::try_from(documents).ok().filter(|few| *few < MANY).unwrap_or(MANY);
        let mark = match class {
            Class::Written => {
                self.written += documents;
                0
            }
            Class::Refused => {
                self.refused += documents;
                REFUSED
            }
            Class::Filtered => return,
        };
        if few == MANY {
            self.many.insert(number.0, documents);
        }
        let empty = || vec![0; usize::try_from(PAGE).unwrap_or(0)].into_boxed_slice();
        self.pages.entry(page).or_insert_with(empty)[at] = few | mark;
    }

    /// Forgets what was made of `number`.
    pub(super) fn forget(&mut self, number: SeqNo) {
        let Some((page, at)) = place(number) else { return };
        let Some(noted) = self.pages.get_mut(&page).map(|page| std::mem::take(&mut page[at]))
        else {
            return;
        };
        let documents = match noted & !REFUSED {
            MANY => self.many.remove(&number.0).unwrap_or(0),
            few => u64::from(few),
        };
        match noted & REFUSED {
            0 => self.written -= documents,
            _ => self.refused -= documents,
        }
    }

    /// Documents that were made of written numbers, and of refused ones.
    pub(super) fn sums(&self) -> (u64, u64) {
        (self.written, self.refused)
    }
}

fn place(number: SeqNo) -> Option<(u64, usize)> {
    let number = u64::try_from(number.0).ok()?;
    Some((number / PAGE, usize::try_from(number % PAGE).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_sums_are_those_of_a_plain_map(
            steps in prop::collection::vec((0i64..2000, 0u8..4, prop_oneof![0u64..4, 120u64..400]), 0..200)
        ) {
            let (mut counts, mut plain) = (Counts::default(), HashMap::new());
            for (number, what, documents) in steps {
                let class = match what {
                    0 => Class::Written,
                    1 => Class::Refused,
                    2 => Class::Filtered,
                    _ => {
                        counts.forget(SeqNo(number));
                        plain.remove(&number);
                        continue;
                    }
                };
                counts.note(SeqNo(number), class, documents);
                plain.insert(number, (class, documents));
            }
            let sum = |wanted| plain.values().filter(|(c, _)| *c == wanted).map(|(_, n)| n).sum::<u64>();
            prop_assert_eq!(counts.sums(), (sum(Class::Written), sum(Class::Refused)));
        }
    }
}
