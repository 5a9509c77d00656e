//! Estimates as text.

use std::fmt;

use super::{Basis, Estimate, Room, Span, THUMB_BYTES, Whole};
use crate::plan::Size;

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let copies = if self.copies == 1 { "copy" } else { "copies" };
        write!(f, "about {} of disk in {} {copies}", Size(self.target_bytes), self.copies)?;
        match self.seconds {
            Some(seconds) => write!(f, ", {seconds} to copy"),
            None => write!(f, ", nothing left to copy"),
        }
    }
}

impl fmt::Display for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "In all about {} of disk", Size(self.target_bytes))?;
        if let Some(room) = &self.room {
            write!(f, " ({room})")?;
        }
        let Some(seconds) = self.seconds else { return writeln!(f, "; nothing is left to copy") };
        writeln!(f, ", {seconds} to copy.")?;
        let (least, most) = (self.rate.least, self.rate.most);
        match &self.rate.basis {
            Basis::Measured(measured) => write!(
                f,
                "From {} docs/s when {} was copied, give or take",
                measured.rate(),
                measured.part
            )?,
            Basis::RuleOfThumb => write!(
                f,
                "The time is unknown until something was copied; this is a rule of thumb: {least} to \
                 {most}\ndocuments and {} to {} a second",
                Size(THUMB_BYTES.0),
                Size(THUMB_BYTES.1)
            )?,
        }
        match self.rate.bound {
            Some(bound) => writeln!(f, ", limits.docs_per_second = {bound}."),
            None => writeln!(f, "."),
        }
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let below = if self.below_high_watermark { " below the high watermark" } else { "" };
        write!(f, "the data nodes have {} left{below}", Size(self.bytes))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most) = (Time(self.least).to_string(), Time(self.most).to_string());
        if least == most {
            return write!(f, "about {least}");
        }
        write!(f, "between {least} and {most}")
    }
}

/// Seconds, for people.
struct Time(u64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            seconds @ 0..=120 => write!(f, "{seconds} s"),
            seconds @ 121..=7_200 => write!(f, "{} min", seconds.div_ceil(60)),
            seconds => write!(f, "{} h", seconds.div_ceil(3600)),
        }
    }
}
