//! Rolling up some neighbouring periods: read, written, settled.

use std::collections::BTreeSet;

use segue_model::rollup::work::Firsts;
use segue_model::rollup::{PeriodStart, Tally};

use super::Rollup;
use super::read::{Read, Reading};
use super::report::RollupReport;
use super::store::{Head, Kept};
use super::survey::Survey;
use super::write::{Kind, There, Writer};
use crate::error::Error;

impl Rollup {
    /// Rolls the periods up. Cut in halves where memory does not suffice.
    pub(super) async fn piece(
        &self,
        survey: &mut Survey,
        head: &mut Kept<Head>,
        writer: &mut Writer<'_>,
        periods: Vec<PeriodStart>,
        report: &mut RollupReport,
    ) -> Result<(), Error> {
        let mut open = vec![periods];
        while let Some(mut periods) = open.pop() {
            self.check_stop()?;
            let read = match self.read(survey, &periods).await? {
                Reading::Done(read) => read,
                Reading::TooMuch => {
                    let later = periods.split_off(periods.len() / 2);
                    open.extend([later, periods]);
                    continue;
                }
            };
            report.documents += read.documents;
            report.unknown += read.unknown;
            self.remember_keys(head, &read, &periods).await?;
            let documents = self.deltas(&head.value, &read, &periods);
            report.written.delta += writer.put(Kind::Delta, documents, There::Replace).await?;
            self.settle(survey, &read, &periods).await?;
            report.periods += periods.len() as u64;
        }
        Ok(())
    }

    /// Keys are kept before the periods count as done in which they were found, and with them from where
    /// on snapshots are wrong now.
    async fn remember_keys(
        &self,
        head: &mut Kept<Head>,
        read: &Read,
        periods: &[PeriodStart],
    ) -> Result<(), Error> {
        let before = head.value.clone();
        for (at, keys) in &read.tallies {
            for key in keys.keys() {
                let first = head.value.keys.entry(key.clone()).or_insert(*at);
                *first = (*first).min(*at);
            }
        }
        let first = periods.first().copied();
        let from = head.value.snapshots_from.into_iter().chain(first).min();
        head.value.snapshots_from = from;
        if head.value != before { self.put_head(head).await } else { Ok(()) }
    }

    /// A delta a period and key that has begun, zero where nothing was counted.
    fn deltas(
        &self,
        head: &Head,
        read: &Read,
        periods: &[PeriodStart],
    ) -> Vec<(PeriodStart, String, String)> {
        let nothing = Tally::default();
        let mut documents = Vec::new();
        for at in periods {
            let tallies = read.tallies.get(at);
            for key in head.keys.iter().filter(|(_, first)| *first <= at).map(|(key, _)| key) {
                let tally = tallies.and_then(|tallies| tallies.get(key)).unwrap_or(&nothing);
                let id = self.layout().id(*at, key);
                documents.push((*at, id, self.layout().delta(*at, key, tally).to_string()));
            }
        }
        documents
    }

    pub(super) async fn settle(
        &self,
        survey: &mut Survey,
        read: &Read,
        periods: &[PeriodStart],
    ) -> Result<(), Error> {
        for (number, seen) in survey.seen.iter_mut().enumerate() {
            let before = seen.ledger.value.clone();
            for at in periods {
                let documents = read.counted.get(&(number, *at)).copied().unwrap_or(0);
                seen.ledger.value.settle(*at, documents);
            }
            if seen.ledger.value != before {
                self.put_ledger(&mut seen.ledger).await?;
            }
        }
        Ok(())
    }

    /// Writes zeros where a key had begun by then, but was not `known` when the period was rolled up.
    /// Periods whose documents are gone get them only for such keys: what else they lack is not known to
    /// be zero. Returns how many were written.
    pub(super) async fn fill(
        &self,
        head: &Head,
        known: &Firsts,
        kept: &BTreeSet<PeriodStart>,
        writer: &mut Writer<'_>,
        missing: &BTreeSet<PeriodStart>,
    ) -> Result<u64, Error> {
        let mut written = 0;
        for at in missing {
            let was_known = |key: &str| known.get(key).is_some_and(|first| first <= at);
            let zero = |(key, first): (&String, &PeriodStart)| {
                let is_due = first <= at && !(kept.contains(at) && was_known(key));
                is_due.then(|| {
                    let zero = self.layout().delta(*at, key, &Tally::default());
                    (*at, self.layout().id(*at, key), zero.to_string())
                })
            };
            let zeros = head.keys.iter().filter_map(zero).collect();
            written += writer.put(Kind::Delta, zeros, There::Keep).await?;
        }
        Ok(written)
    }
}
