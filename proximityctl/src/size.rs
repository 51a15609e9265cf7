//! Sizes as people write them: `512M`, `2G`, `2GiB`, `1.5G`.
//!
//! `K`, `M`, `G`, `T` are powers of 1024, as in Proxmox VE and Docker; `KiB` and the like say the same, and `KB` and
//! the like are refused because some mean 1000 by them.

/// Why a size cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// There is no number.
    #[error("a size begins with a number, such as 512M or 2G")]
    NoNumber,
    /// A number without a unit could be bytes or megabytes.
    #[error("a size needs a unit: {0}M or {0}G")]
    NoUnit(String),
    /// The unit is not known.
    #[error("unknown unit `{0}`: use K, M, G or T (powers of 1024; KiB, MiB, GiB and TiB mean the same)")]
    Unit(String),
    /// It is no whole number of bytes, or too large.
    #[error("the size is not between 1 byte and 8 EiB, or not a whole number of bytes")]
    Range,
}

/// Reads a size, in bytes.
///
/// # Errors
/// [`SizeError`], each a sentence that says what to write.
pub fn parse(text: &str) -> Result<u64, SizeError> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    if !number.starts_with(|c: char| c.is_ascii_digit()) || number.ends_with('.') {
        return Err(SizeError::NoNumber);
    }
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" => return Err(SizeError::NoUnit(number.into())),
        "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        "t" | "tib" => 40,
        _ => return Err(SizeError::Unit(unit.into())),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains('.') {
        return Err(SizeError::NoNumber);
    }
    // Exact: the fraction's digits over their power of ten.
    if fraction.len() > 9 {
        return Err(SizeError::Range);
    }
    let scale = 10u128.pow(u32::try_from(fraction.len()).map_err(|_| SizeError::Range)?);
    let digits: u128 = format!("{whole}{fraction}").parse().map_err(|_| SizeError::Range)?;
    let scaled = digits.checked_mul(1u128 << shift).ok_or(SizeError::Range)?;
    if scaled == 0 || scaled % scale != 0 {
        return Err(SizeError::Range);
    }
    u64::try_from(scaled / scale).ok().filter(|bytes| *bytes <= 1 << 63).ok_or(SizeError::Range)
}

/// A size for people: the largest unit of which there is at least one, with at most one decimal.
pub fn show(bytes: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    for (shift, unit) in units {
        if bytes >> shift > 0 {
            let tenths = (u128::from(bytes) * 10 + (1 << (shift - 1))) >> shift;
            return match tenths % 10 {
                0 => format!("{} {unit}", tenths / 10),
                tenth => format!("{}.{tenth} {unit}", tenths / 10),
            };
        }
    }
    format!("{bytes} B")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_powers_of_1024_however_they_are_written() {
        for text in ["2G", "2g", "2GiB", "2gib", "2048M", "2097152K", "2147483648b"] {
            assert_eq!(parse(text), Ok(2 << 30), "{text}");
        }
        assert_eq!(parse("512M"), Ok(512 << 20));
        assert_eq!(parse("1.5G"), Ok(3 << 29));
        assert_eq!(parse("1T"), Ok(1 << 40));
    }

    #[test]
    fn what_could_be_misread_is_refused_with_what_to_write() {
        insta::assert_snapshot!(parse("2048").unwrap_err(), @"a size needs a unit: 2048M or 2048G");
        insta::assert_snapshot!(parse("2GB").unwrap_err(), @"unknown unit `GB`: use K, M, G or T (powers of 1024; KiB, MiB, GiB and TiB mean the same)");
        insta::assert_snapshot!(parse("big").unwrap_err(), @"a size begins with a number, such as 512M or 2G");
        for text in
            ["", "-1G", "+1G", " 1G", ".5G", "1.G", "1.2.3G", "0G", "9999999T", "1.0001K", "1 G", "1e3M"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_shown_in_the_largest_whole_unit() {
        assert_eq!(show(512 << 20), "512 MiB");
        assert_eq!(show(3 << 29), "1.5 GiB");
        assert_eq!(show(8 << 30), "8 GiB");
        assert_eq!(show(900), "900 B");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = parse(&text);
        }

        #[test]
        fn whole_mebibytes_come_back_as_they_were(n in 1u64..1 << 30) {
            prop_assert_eq!(parse(&format!("{n}MiB")), Ok(n << 20));
        }
    }
}
