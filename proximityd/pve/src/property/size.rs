//! Disk sizes: a number with `K`, `M`, `G` or `T`, powers of 1024.
//!
//! Whether a size fits a storage is left to Proxmox VE.

use std::fmt;
use std::str::FromStr;

use super::{PropertyError, error};
use crate::lenient::Lenient;
use crate::params::param_by_display;

/// A size in bytes, printed in the largest unit that divides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DiskSize(u64);

const UNITS: [(char, u64); 4] = [('T', 1 << 40), ('G', 1 << 30), ('M', 1 << 20), ('K', 1 << 10)];

impl DiskSize {
    /// From bytes.
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// From GiB.
    pub const fn gib(gib: u64) -> Self {
        Self(gib << 30)
    }

    /// The size in bytes.
    pub const fn as_bytes(self) -> u64 {
        self.0
    }
}

impl fmt::Display for DiskSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (letter, unit) in UNITS {
            if self.0 >= unit && self.0.is_multiple_of(unit) {
                return write!(f, "{}{letter}", self.0 / unit);
            }
        }
        self.0.fmt(f)
    }
}

impl FromStr for DiskSize {
    type Err = PropertyError;

    fn from_str(text: &str) -> Result<Self, PropertyError> {
        let bad = || error("disk size", text, "write a number and K, M, G or T");
        let unit = UNITS.iter().find(|(letter, _)| text.ends_with(*letter));
        let (number, unit) = match unit {
            Some((_, unit)) => (&text[..text.len() - 1], *unit),
            None => (text, 1),
        };
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Err(bad());
        }
        if !number.contains('.') {
            let whole: u64 = number.parse().map_err(|_| bad())?;
            return whole.checked_mul(unit).map(Self).ok_or_else(bad);
        }
        let bytes = number.parse::<f64>().map_err(|_| bad())? * unit as f64;
        // `as` saturates; sizes near 2^64 bytes do not occur.
        Ok(Self(bytes.round() as u64))
    }
}

impl Lenient for DiskSize {
    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

param_by_display!(DiskSize, Resize);

/// How to resize a volume. Volumes only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resize {
    /// To this size: repeating the call changes nothing more.
    To(DiskSize),
    /// By this much: each repetition grows it again.
    By(DiskSize),
}

impl fmt::Display for Resize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::To(size) => size.fmt(f),
            Self::By(size) => write!(f, "+{size}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_read_in_every_unit() {
        for (text, bytes) in
            [("8G", 8 << 30), ("512M", 512 << 20), ("1.5G", 1536 << 20), ("100", 100), ("2T", 2 << 40)]
        {
            assert_eq!(text.parse::<DiskSize>().unwrap().as_bytes(), bytes);
        }
        for text in ["", "G", "8g", "-1G", "1e3G", "99999999999999999999T"] {
            assert!(text.parse::<DiskSize>().is_err(), "{text}");
        }
        assert_eq!(Resize::By(DiskSize::gib(1)).to_string(), "+1G");
    }

    proptest! {
        #[test]
        fn printing_and_parsing_agree(bytes: u64) {
            let size = DiskSize::bytes(bytes);
            prop_assert_eq!(size.to_string().parse::<DiskSize>().unwrap(), size);
        }
    }
}
