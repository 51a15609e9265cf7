//! Durations as people write them (`30s`, `5m`, `1h30m`), and as they read them.

use std::time::Duration;

use jiff::Timestamp;

/// Why a duration cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// It is not made of numbers with units.
    #[error("a duration is written like 30s, 5m, 1h or 1h30m")]
    Form,
    /// A number without a unit could be seconds or minutes.
    #[error("a duration needs a unit: {0}s or {0}m")]
    NoUnit(String),
    /// The unit is not known.
    #[error("unknown unit `{0}`: use ms, s, m, h or d")]
    Unit(String),
    /// Larger units come first, each once.
    #[error("the units go from large to small, each once, as in 1h30m")]
    Order,
    /// Nothing, or more than 10 years.
    #[error("the duration must be more than nothing and less than 10 years")]
    Range,
}

/// Reads a duration.
///
/// # Errors
/// [`DurationError`], each a sentence that says what to write.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    const MOST: u64 = 3650 * 86_400_000;
    let mut rest = text;
    let mut total = 0u64;
    let mut last = u64::MAX;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, tail) = rest.split_at(end);
        if number.is_empty() {
            return Err(DurationError::Form);
        }
        let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let millis = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "" => return Err(DurationError::NoUnit(number.into())),
            _ => return Err(DurationError::Unit(unit.into())),
        };
        if millis >= last {
            return Err(DurationError::Order);
        }
        let number: u64 = number.parse().map_err(|_| DurationError::Range)?;
        let part = number.checked_mul(millis).ok_or(DurationError::Range)?;
        total = total.checked_add(part).filter(|sum| *sum < MOST).ok_or(DurationError::Range)?;
        last = millis;
        rest = tail;
    }
    match (text.is_empty(), total) {
        (true, _) => Err(DurationError::Form),
        (_, 0) => Err(DurationError::Range),
        _ => Ok(Duration::from_millis(total)),
    }
}

/// Whole seconds of a duration, at least one.
pub fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// A duration for people: `1.2s`, `45s`, `2m05s`, `1h02m`.
pub fn show(duration: Duration) -> String {
    let tenths = (duration.as_millis() + 50) / 100;
    let seconds = tenths / 10;
    match seconds {
        0..10 => format!("{seconds}.{}s", tenths % 10),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// From one RFC 3339 time to another; none when either cannot be read or the second is earlier.
pub fn between(from: Option<&str>, to: Option<&str>) -> Option<Duration> {
    let from: Timestamp = from?.parse().ok()?;
    let to: Timestamp = to?.parse().ok()?;
    to.duration_since(from).try_into().ok()
}

/// How long ago an RFC 3339 time was, in one unit: `3m`, `2h`, `5d`. The time itself when it cannot be read.
pub fn ago(at: &str, now: Timestamp) -> String {
    let Ok(then) = at.parse::<Timestamp>() else { return at.to_string() };
    match now.duration_since(then).as_secs() {
        ..0 => "now".into(),
        secs @ 0..60 => format!("{secs}s"),
        secs @ 60..3600 => format!("{}m", secs / 60),
        secs @ 3600..172_800 => format!("{}h", secs / 3600),
        secs => format!("{}d", secs / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        assert_eq!(parse("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(parse("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse("2d"), Ok(Duration::from_secs(172_800)));
    }

    #[test]
    fn what_could_be_misread_is_refused_with_what_to_write() {
        insta::assert_snapshot!(parse("30").unwrap_err(), @"a duration needs a unit: 30s or 30m");
        insta::assert_snapshot!(parse("5 m").unwrap_err(), @"unknown unit ` m`: use ms, s, m, h or d");
        insta::assert_snapshot!(parse("30m1h").unwrap_err(), @"the units go from large to small, each once, as in 1h30m");
        for text in ["", "s", "-5s", "1m1m", "0s", "4000d", "1.5h", "99999999999999999999s"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_shown_with_two_units_at_most() {
        assert_eq!(show(Duration::from_millis(1234)), "1.2s");
        assert_eq!(show(Duration::from_millis(9970)), "10s");
        assert_eq!(show(Duration::from_secs(125)), "2m05s");
        assert_eq!(show(Duration::from_secs(3720)), "1h02m");
    }

    #[test]
    fn ages_are_told_in_one_unit_and_never_negative() {
        let now: Timestamp = "2026-01-10T12:00:00Z".parse().unwrap();
        assert_eq!(ago("2026-01-10T11:59:18Z", now), "42s");
        assert_eq!(ago("2026-01-10T09:00:00Z", now), "3h");
        assert_eq!(ago("2026-01-03T12:00:00Z", now), "7d");
        assert_eq!(ago("2026-01-10T12:00:01Z", now), "now");
        assert_eq!(between(Some("2026-01-10T11:00:00Z"), Some("2026-01-10T10:00:00Z")), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = parse(&text);
        }
    }
}
