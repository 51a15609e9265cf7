//! Amounts of memory and disk, and lengths of time, as people write them.
//!
//! Rounding to what Proxmox VE takes (MiB of memory, GiB of disk) is left to whoever talks to it; the
//! whole-unit methods here round up.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

const UNITS: [(&str, u64); 4] = [("T", 1 << 40), ("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10)];

/// A number of bytes. Written `512M`, `2G` or `2GiB`: the units are powers of 1024, with or without `iB`.
///
/// As JSON it is an integer of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub u64);

impl Size {
    /// A size of so many MiB.
    pub const fn mib(n: u64) -> Size {
        Size(n << 20)
    }

    /// A size of so many GiB.
    pub const fn gib(n: u64) -> Size {
        Size(n << 30)
    }

    /// The bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// In MiB, rounded up.
    pub const fn as_mib(self) -> u64 {
        self.0.div_ceil(1 << 20)
    }

    /// In GiB, rounded up.
    pub const fn as_gib(self) -> u64 {
        self.0.div_ceil(1 << 30)
    }
}

/// Why a text is not a size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// Not a whole number followed by a unit.
    #[error("`{0}` is not a size; write a whole number and a unit, such as 512M or 2G")]
    Syntax(String),
    /// More bytes than 64 bits hold.
    #[error("`{0}` is too large")]
    TooLarge(String),
}

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Size, SizeError> {
        let syntax = || SizeError::Syntax(text.to_owned());
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (digits, unit) = text.split_at(end);
        if digits.is_empty() {
            return Err(syntax());
        }
        let letter = unit.strip_suffix("iB").filter(|letter| !letter.is_empty()).unwrap_or(unit);
        let factor = match letter {
            "B" | "" if letter == unit => 1,
            _ => UNITS.iter().find(|(name, _)| *name == letter).ok_or_else(syntax)?.1,
        };
        let too_large = || SizeError::TooLarge(text.to_owned());
        let number: u64 = digits.parse().map_err(|_| too_large())?;
        number.checked_mul(factor).map(Size).ok_or_else(too_large)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS.iter().find(|(_, factor)| self.0 != 0 && self.0.is_multiple_of(*factor)) {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}B", self.0),
        }
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Bytes(u64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Bytes(bytes) => Ok(Size(bytes)),
            Written::Text(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}

/// A whole number of seconds. Written `180s`, `5m` or `1h`; as JSON an integer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seconds(pub u32);

impl Seconds {
    /// As the standard library's duration.
    pub const fn as_duration(self) -> Duration {
        Duration::from_secs(self.0 as u64)
    }
}

/// Why a text is not a length of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a length of time; write a whole number and s, m or h, such as 180s or 5m")]
pub struct SecondsError(String);

impl FromStr for Seconds {
    type Err = SecondsError;

    fn from_str(text: &str) -> Result<Seconds, SecondsError> {
        let error = || SecondsError(text.to_owned());
        let (digits, factor) = match text.as_bytes().last() {
            Some(b's') => (&text[..text.len() - 1], 1),
            Some(b'm') => (&text[..text.len() - 1], 60),
            Some(b'h') => (&text[..text.len() - 1], 3600),
            _ => return Err(error()),
        };
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(error());
        }
        let number: u32 = digits.parse().map_err(|_| error())?;
        number.checked_mul(factor).map(Seconds).ok_or_else(error)
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n != 0 && n % 3600 == 0 => write!(f, "{}h", n / 3600),
            n if n != 0 && n % 60 == 0 => write!(f, "{}m", n / 60),
            n => write!(f, "{n}s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_are_powers_of_1024_with_or_without_ib() {
        assert_eq!("512M".parse(), Ok(Size(512 << 20)));
        assert_eq!("2G".parse(), Ok(Size::gib(2)));
        assert_eq!("2GiB".parse(), Ok(Size::gib(2)));
        assert_eq!("12".parse(), Ok(Size(12)));
        assert_eq!("12B".parse(), Ok(Size(12)));
    }

    #[test]
    fn what_is_not_a_size_is_refused() {
        for text in ["", "G", "2g", "2GB", "1.5G", "-1G", " 2G", "2 G", "iB", "2iB", "2X"] {
            assert!(text.parse::<Size>().is_err(), "{text:?}");
        }
        assert_eq!("99999999999T".parse::<Size>().unwrap_err().to_string(), "`99999999999T` is too large");
    }

    #[test]
    fn times_are_whole_seconds_minutes_or_hours() {
        assert_eq!("180s".parse(), Ok(Seconds(180)));
        assert_eq!("5m".parse(), Ok(Seconds(300)));
        assert_eq!("1h".parse(), Ok(Seconds(3600)));
        for text in ["", "s", "5", "1.5m", "-1s", "+1s", "5M", "99999999h"] {
            assert!(text.parse::<Seconds>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_size_reads_back_as_it_was_printed(bytes: u64) {
            prop_assert_eq!(Size(bytes).to_string().parse(), Ok(Size(bytes)));
        }

        #[test]
        fn a_time_reads_back_as_it_was_printed(seconds: u32) {
            prop_assert_eq!(Seconds(seconds).to_string().parse(), Ok(Seconds(seconds)));
        }

        #[test]
        fn no_text_breaks_the_size_reader(text in ".*") {
            let _ = text.parse::<Size>();
            let _ = text.parse::<Seconds>();
        }
    }
}
