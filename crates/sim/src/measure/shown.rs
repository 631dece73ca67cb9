//! What a metric measures, in words.

use std::fmt;

use gradatim_core::measurement::Reading;

use super::{Measure, Of, What};

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = match self.of {
            Of::Canary => "the canary",
            Of::Stable => "stable",
            Of::All => "both sides",
        };
        match &self.what {
            What::SuccessRate => write!(f, "success rate of {of}")?,
            What::ErrorRate => write!(f, "error rate of {of}")?,
            What::Latency(share) => write!(f, "p{} latency of {of}", share * 100.0)?,
            What::RequestRate => write!(f, "requests a second of {of}")?,
            What::Requests => write!(f, "requests of {of}")?,
            What::Errors => write!(f, "failed requests of {of}")?,
            What::Sequence(values) if values.is_empty() => f.write_str("no data")?,
            What::Sequence(_) => f.write_str("given values")?,
            What::Counters => f.write_str("raw counters")?,
            What::Trial => f.write_str("a job that tries the canary out")?,
            What::Reading(Reading::Gate(state)) => write!(f, "a gate: {state:?}")?,
            What::Reading(_) => f.write_str("a given reading")?,
            What::Error(kind, _) => write!(f, "an error: {kind:?}")?,
            What::Answer(_) => f.write_str("a function's answer")?,
            What::Guessed => f.write_str("what its name makes likely")?,
        }
        match self.times {
            1000.0 => f.write_str(" in milliseconds"),
            100.0 => f.write_str(" in percent"),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Measure({self})")
    }
}
