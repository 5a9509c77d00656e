//! Documents of a target whose keys the pipeline makes, and that the source does not expect: are they
//! left for the next audit, or made of nothing?

use segue_model::id::SeqNo;
use segue_model::version::Origin;

use super::DivergenceClass;
use super::classify::{Found, LOOK_UP, Look};
use super::compare::Suspect;
use crate::error::Error;
use crate::inventory::Entry;

/// A document of the target with the document of the source that it was made of.
type OfEntry<'a> = (&'a Suspect, Entry);

impl Look<'_> {
    /// Classes documents of the target that the source does not expect.
    pub(super) async fn not_made(&self, extra: &[Suspect], found: &mut Found) -> Result<(), Error> {
        let mut of_entries = Vec::new();
        for suspect in extra {
            let id = &suspect.id;
            let lineage = self.carrier.lineage();
            let stands = match suspect.version.origin() {
                Origin::Ours(stands) if stands.incarnation <= lineage.incarnation => stands,
                _ => {
                    let detail = format!("version {}", suspect.version);
                    found.divergences.push(DivergenceClass::Foreign, id, detail);
                    continue;
                }
            };
            let present = (lineage.incarnation, lineage.rewrite);
            let entry = match (stands.incarnation, stands.rewrite) == present {
                true => tokio::task::block_in_place(|| self.carrier.entry_of(stands.op))?,
                false => None,
            };
            match entry {
                Some(entry) => of_entries.push((suspect, entry)),
                None => {
                    let detail = format!("made of nothing that was read ({})", suspect.version);
                    found.divergences.push(DivergenceClass::Extra, id, detail);
                }
            }
        }
        for some in of_entries.chunks(LOOK_UP) {
            self.not_made_any_more(some, found).await?;
        }
        Ok(())
    }

    async fn not_made_any_more(
        &self,
        some: &[OfEntry<'_>],
        found: &mut Found,
    ) -> Result<(), Error> {
        let keys: Vec<_> =
            some.iter().map(|(_, entry)| (entry.id.as_str(), entry.routing.as_deref())).collect();
        let documents = self.look_up(self.carrier.source(), &keys, false).await?;
        for ((suspect, entry), document) in some.iter().zip(documents) {
            let live = document.is_some_and(|now| SeqNo(now.seq_no) == entry.seq_no);
            if !live && self.will_audit(suspect.version) {
                // It changed, or was deleted, after the pass: the next audit takes it away.
                found.lagging += 1;
                continue;
            }
            let detail =
                format!("made of {:?} at {}, which makes it no more", entry.id, entry.seq_no);
            found.divergences.push(DivergenceClass::Extra, &suspect.id, detail);
        }
        Ok(())
    }
}
