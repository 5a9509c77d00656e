//! Compression of bodies, and whether it pays.

use std::io::{Read, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

/// Bodies from this size on are compressed off the runtime's own threads.
pub(crate) const OFFLOAD: usize = 256 << 10;

/// Batches of each kind that are measured before deciding.
const SAMPLES: usize = 8;

/// How much better compression must be, in percent of the plain time, to be worth its CPU.
const WORTH_PERCENT: f64 = 90.0;

/// Compresses at level 1: higher levels cost far more time than they save bytes on JSON.
pub(crate) fn compress(plain: &[u8]) -> std::io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4 + 64), Compression::new(1));
    encoder.write_all(plain)?;
    encoder.finish().map(Bytes::from)
}

/// Decompresses; `None` when the text is longer than `limit`.
pub(crate) fn decompress(packed: &[u8], limit: usize) -> std::io::Result<Option<Bytes>> {
    let mut plain = Vec::with_capacity(packed.len().saturating_mul(4).min(limit));
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(packed).take(bound).read_to_end(&mut plain)?;
    Ok((plain.len() <= limit).then(|| Bytes::from(plain)))
}

/// Decides whether bulk bodies are sent compressed: it must work there (some releases fail on
/// compressed bulks), and be faster than plain over the first batches.
#[derive(Debug)]
pub struct GzipProbe {
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Measuring(Measured),
    Decided(bool),
}

/// Nanoseconds per plain byte of the batches so far, by kind.
#[derive(Debug, Default)]
struct Measured {
    plain: Vec<f64>,
    packed: Vec<f64>,
    handed_out: usize,
}

impl GzipProbe {
    /// Never compresses.
    #[must_use]
    pub fn off() -> GzipProbe {
        GzipProbe { state: Mutex::new(State::Decided(false)) }
    }

    /// Compression works here; whether it pays is found out with the first batches.
    pub(crate) fn measuring() -> GzipProbe {
        GzipProbe { state: Mutex::new(State::Measuring(Measured::default())) }
    }

    /// Whether the next batch is to be sent compressed.
    #[must_use]
    pub fn choose(&self) -> bool {
        match &mut *self.lock() {
            State::Decided(gzip) => *gzip,
            State::Measuring(measured) => {
                measured.handed_out += 1;
                measured.handed_out.is_multiple_of(2)
            }
        }
    }

    /// Notes how long a batch of `bytes` (before compression) took from sending to answer. Record
    /// only batches that were answered without failures.
    pub fn record(&self, gzip: bool, bytes: usize, took: Duration) {
        let mut state = self.lock();
        let State::Measuring(measured) = &mut *state else { return };
        if bytes == 0 {
            return;
        }
        let cost = took.as_secs_f64() * 1e9 / bytes as f64;
        if gzip { &mut measured.packed } else { &mut measured.plain }.push(cost);
        if let Some(decision) = measured.decision() {
            tracing::info!(gzip = decision, "request compression decided");
            *state = State::Decided(decision);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Measured {
    fn decision(&mut self) -> Option<bool> {
        if self.plain.len() < SAMPLES || self.packed.len() < SAMPLES {
            return None;
        }
        Some(median(&mut self.packed) * 100.0 < median(&mut self.plain) * WORTH_PERCENT)
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_survive_and_limits_hold() {
        let plain = b"{\"a\":1}\n".repeat(5000);
        let packed = compress(&plain).unwrap();
        assert!(packed.len() < plain.len() / 10);
        assert_eq!(decompress(&packed, plain.len()).unwrap().unwrap(), plain);
        assert_eq!(decompress(&packed, plain.len() - 1).unwrap(), None);
        assert!(decompress(&packed[..packed.len() - 4], plain.len()).is_err());
    }

    fn decide(plain_us: u64, packed_us: u64) -> bool {
        let probe = GzipProbe::measuring();
        let mut kinds = [0, 0];
        for _ in 0..2 * SAMPLES {
            let gzip = probe.choose();
            kinds[usize::from(gzip)] += 1;
            let took = if gzip { packed_us } else { plain_us };
            probe.record(gzip, 1000, Duration::from_micros(took));
        }
        assert_eq!(kinds, [SAMPLES, SAMPLES]);
        let first = probe.choose();
        assert_eq!(first, probe.choose(), "decided");
        first
    }

    #[test]
    fn compression_must_pay() {
        assert!(decide(1000, 500));
        assert!(!decide(1000, 950));
        assert!(!decide(500, 1000));
        assert!(!GzipProbe::off().choose());
    }
}
