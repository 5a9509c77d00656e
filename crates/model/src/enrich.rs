//! Enriching in place: what becomes of a document that an application has written to the target in the
//! old shape.
//!
//! Whoever enriches reads what it has written itself once more, like any other operation of the shard, and
//! keeps no record of it. So the pipeline must give nothing new for what it has given before: what is
//! written has to be a **fixpoint**. A document for which it is none is left as it is, and listed
//! (`docs/concepts/protocol.md`, "keep enriching").

use std::fmt;

use serde::Serialize;

use crate::balance::Balance;

/// What the pipeline makes of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// Its new source.
    Written(Vec<u8>),
    /// It would be left out, for this reason.
    LeftOut(String),
    /// It can't be transformed.
    Refused(String),
}

/// How often the pipeline may meet a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Once: what is written is not read again.
    Once,
    /// Again and again: what is written has to be a fixpoint.
    Fixpoint,
}

/// What is to be done with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: it is as the pipeline leaves it.
    Settled,
    /// This is to stand in its place.
    Enrich(Vec<u8>),
    /// It stays as the application wrote it, and is listed.
    Leave {
        /// The kind, short and stable.
        kind: &'static str,
        /// Why.
        reason: String,
    },
}

/// The kind of documents that the pipeline refuses.
pub const REFUSED: &str = "refused_by_pipeline";
/// The kind of documents that the pipeline leaves out.
pub const LEFT_OUT: &str = "left_out_by_pipeline";
/// The kind of documents that come out otherwise each time.
pub const UNSTABLE: &str = "pipeline_not_stable";
/// The reason under which a balance counts documents that the application wrote anew meanwhile.
pub const OVERTAKEN: &str = "written anew meanwhile";

/// Decides about `document`, whose pipeline is `apply`.
///
/// # Errors
/// What `apply` fails with.
pub fn verdict<E>(
    document: &[u8],
    rule: Rule,
    apply: &mut dyn FnMut(&[u8]) -> Result<Applied, E>,
) -> Result<Verdict, E> {
    let out = match apply(document)? {
        Applied::Written(out) if is_same(document, &out) => return Ok(Verdict::Settled),
        Applied::Written(out) => out,
        Applied::LeftOut(reason) => return Ok(Verdict::Leave { kind: LEFT_OUT, reason }),
        Applied::Refused(reason) => return Ok(Verdict::Leave { kind: REFUSED, reason }),
    };
    if rule == Rule::Once {
        return Ok(Verdict::Enrich(out));
    }
    let again = match apply(&out)? {
        Applied::Written(again) if again == out => return Ok(Verdict::Enrich(out)),
        Applied::Written(_) => "makes another document of it".to_owned(),
        Applied::LeftOut(reason) => format!("leaves it out ({reason})"),
        Applied::Refused(reason) => format!("refuses it ({reason})"),
    };
    let reason = format!("the pipeline, applied to its own result, {again}");
    Ok(Verdict::Leave { kind: UNSTABLE, reason })
}

/// Whether both are the same document: line ends between tokens become spaces on the way.
fn is_same(document: &[u8], out: &[u8]) -> bool {
    let clean = |byte: &u8| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte };
    document.len() == out.len() && document.iter().map(clean).eq(out.iter().map(clean))
}

/// How far the enrichment of a part is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Enriched {
    /// Documents that were enriched, each time counted.
    pub enriched: u64,
    /// Documents that were as the pipeline leaves them, our own writes among them.
    pub settled: u64,
    /// Documents that the application wrote anew before they were enriched: left to the next pass.
    pub overtaken: u64,
    /// Documents left as the application wrote them, and listed.
    pub left: u64,
}

impl Enriched {
    /// What a balance of enriching says.
    #[must_use]
    pub fn of(balance: &Balance) -> Enriched {
        Enriched {
            enriched: balance.written,
            settled: balance.already_there,
            overtaken: balance.filtered(),
            left: balance.dead_lettered(),
        }
    }
}

impl fmt::Display for Enriched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} documents enriched", self.enriched)?;
        if self.overtaken > 0 {
            write!(f, ", {} written anew meanwhile", self.overtaken)?;
        }
        if self.left > 0 {
            write!(f, ", {} left as written", self.left)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    type Pipeline = fn(&[u8]) -> Applied;

    /// Adds a mark unless it is there.
    fn mark(document: &[u8]) -> Applied {
        let mut out = document.to_vec();
        if !out.ends_with(b"!") {
            out.push(b'!');
        }
        Applied::Written(out)
    }

    fn grow(document: &[u8]) -> Applied {
        Applied::Written([document, b"+".as_slice()].concat())
    }

    fn judge(document: &str, rule: Rule, pipeline: Pipeline) -> Verdict {
        let judged = verdict(document.as_bytes(), rule, &mut |d| Ok::<_, Infallible>(pipeline(d)));
        judged.unwrap_or(Verdict::Settled)
    }

    #[test]
    fn only_fixpoints_are_written() {
        let refuses_marked: Pipeline = |d| match d.ends_with(b"!") {
            true => Applied::Refused("`a` can't become `b`".to_owned()),
            false => mark(d),
        };
        let leaves_marked: Pipeline = |d| match d.ends_with(b"!") {
            true => Applied::LeftOut("robots".to_owned()),
            false => mark(d),
        };
        let same: Pipeline = |d| Applied::Written(d.to_vec());
        let cleans: Pipeline =
            |d| Applied::Written(d.iter().map(|b| if *b == b'\n' { b' ' } else { *b }).collect());
        let enrich = |out: &str| Verdict::Enrich(out.as_bytes().to_vec());
        let leave = |kind, reason: &str| Verdict::Leave { kind, reason: reason.to_owned() };
        let own = "the pipeline, applied to its own result, ";
        let table: [(&str, &str, Rule, Pipeline, Verdict); 10] = [
            ("nothing to do", "a", Rule::Fixpoint, same, Verdict::Settled),
            ("line ends are no difference", "a\nb", Rule::Fixpoint, cleans, Verdict::Settled),
            ("old shape", "a", Rule::Fixpoint, mark, enrich("a!")),
            ("ours, read again", "a!", Rule::Fixpoint, mark, Verdict::Settled),
            ("once", "a", Rule::Once, grow, enrich("a+")),
            (
                "never the same",
                "a",
                Rule::Fixpoint,
                grow,
                leave(UNSTABLE, &format!("{own}makes another document of it")),
            ),
            (
                "refuses its own result",
                "a",
                Rule::Fixpoint,
                refuses_marked,
                leave(UNSTABLE, &format!("{own}refuses it (`a` can't become `b`)")),
            ),
            (
                "leaves its own result out",
                "a",
                Rule::Fixpoint,
                leaves_marked,
                leave(UNSTABLE, &format!("{own}leaves it out (robots)")),
            ),
            (
                "refused",
                "a!",
                Rule::Fixpoint,
                refuses_marked,
                leave(REFUSED, "`a` can't become `b`"),
            ),
            ("left out", "a!", Rule::Once, leaves_marked, leave(LEFT_OUT, "robots")),
        ];
        for (what, document, rule, pipeline, expected) in table {
            assert_eq!(judge(document, rule, pipeline), expected, "{what}");
        }
    }

    #[test]
    fn what_was_done_is_said_in_words() {
        let mut balance = Balance { read: 9, written: 4, already_there: 2, ..Balance::default() };
        assert_eq!(Enriched::of(&balance).to_string(), "4 documents enriched");
        balance.filter(OVERTAKEN);
        balance.dead_letter(UNSTABLE);
        balance.dead_letter(REFUSED);
        let said = "4 documents enriched, 1 written anew meanwhile, 2 left as written";
        assert_eq!(Enriched::of(&balance).to_string(), said);
        assert!(balance.check().is_ok());
    }

    /// One shard of a target: who wrote a document last, under which number.
    #[derive(Default)]
    struct Shard {
        documents: BTreeMap<u8, (u64, Vec<u8>)>,
        number: u64,
    }

    impl Shard {
        fn put(&mut self, id: u8, document: Vec<u8>) {
            self.number += 1;
            self.documents.insert(id, (self.number, document));
        }

        /// Compare-and-set.
        fn replace(&mut self, id: u8, state: u64, document: Vec<u8>) -> bool {
            let holds = self.documents.get(&id).is_some_and(|(number, _)| *number == state);
            if holds {
                self.put(id, document);
            }
            holds
        }
    }

    /// Judged documents: id, the number they were read under, and what is to stand there.
    type Page = Vec<(u8, u64, Vec<u8>)>;

    #[derive(Clone, Debug)]
    enum Act {
        Write(u8),
        Delete(u8),
        /// A page is read and judged.
        Read,
        /// What was judged is written.
        Send,
        /// The process dies and begins at its checkpoint.
        Die,
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let act = prop_oneof![
            3 => (0u8..6).prop_map(Act::Write),
            1 => (0u8..6).prop_map(Act::Delete),
            2 => Just(Act::Read),
            2 => Just(Act::Send),
            1 => Just(Act::Die),
        ];
        proptest::collection::vec(act, 0..60)
    }

    proptest! {
        /// Whatever the order of the application's operations, ours and our deaths: at the end every document
        /// is enriched, has what the application wrote last, and none is back that was deleted.
        #[test]
        fn nothing_is_lost_outdated_or_brought_back(acts in acts()) {
            let mut shard = Shard::default();
            let mut told: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
            let mut position = 0;
            let mut in_flight: Option<(u64, Page)> = None;
            let mut writes = 0;
            let end = [Act::Send, Act::Read, Act::Send, Act::Read, Act::Send];
            for (serial, act) in acts.into_iter().chain(end).enumerate() {
                match act {
                    Act::Write(id) => {
                        let document = format!("{serial}").into_bytes();
                        shard.put(id, document.clone());
                        told.insert(id, document);
                    }
                    Act::Delete(id) => {
                        shard.number += 1;
                        shard.documents.remove(&id);
                        told.remove(&id);
                    }
                    Act::Read if in_flight.is_none() => {
                        let mut page = Page::new();
                        for (id, (number, document)) in &shard.documents {
                            let judged = judge(
                                std::str::from_utf8(document).unwrap_or(""), Rule::Fixpoint, mark);
                            if let (true, Verdict::Enrich(out)) = (*number > position, judged) {
                                page.push((*id, *number, out));
                            }
                        }
                        in_flight = Some((shard.number, page));
                    }
                    Act::Read => {}
                    Act::Send => {
                        let Some((to, page)) = in_flight.take() else { continue };
                        for (id, number, out) in page {
                            writes += u64::from(shard.replace(id, number, out));
                        }
                        position = to;
                    }
                    Act::Die => in_flight = None,
                }
            }
            let expected: BTreeMap<_, _> =
                told.into_iter().map(|(id, d)| (id, [d, b"!".to_vec()].concat())).collect();
            let found: BTreeMap<_, _> =
                shard.documents.into_iter().map(|(id, (_, d))| (id, d)).collect();
            prop_assert_eq!(found, expected);
            prop_assert!(writes <= 60);
        }
    }
}
