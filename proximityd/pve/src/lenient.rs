//! Decoding that bends: numbers that come as strings, booleans that come as numbers, `null` and
//! absent fields, values of an unexpected shape.
//!
//! Proxmox VE is written in Perl, where a scalar is a string or a number by its last use; the same
//! field can come either way from one release to the next. What cannot be read becomes `None`, it
//! never fails the whole reply. Which fields exist is left to the modules that use this one.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A value that can be made from any JSON scalar.
pub(crate) trait Lenient: Sized {
    fn from_text(text: &str) -> Option<Self>;
    fn from_bool(value: bool) -> Option<Self> {
        Self::from_text(if value { "1" } else { "0" })
    }
    fn from_u64(value: u64) -> Option<Self> {
        Self::from_text(&value.to_string())
    }
    fn from_i64(value: i64) -> Option<Self> {
        Self::from_text(&value.to_string())
    }
    fn from_f64(value: f64) -> Option<Self> {
        Self::from_text(&value.to_string())
    }
}

/// Decodes an optional scalar; anything unusable is `None`.
pub(crate) fn opt<'de, T: Lenient, D: Deserializer<'de>>(d: D) -> Result<Option<T>, D::Error> {
    d.deserialize_any(ScalarVisitor(PhantomData))
}

/// Decodes a scalar; anything unusable is the default.
pub(crate) fn or_default<'de, T: Lenient + Default, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
    Ok(opt(d)?.unwrap_or_default())
}

/// Decodes a list whose absence is written as `null`.
pub(crate) fn list<'de, T, D>(d: D) -> Result<Vec<T>, D::Error>
where
    T: serde::Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(<Option<Vec<T>> as serde::Deserialize>::deserialize(d)?.unwrap_or_default())
}

struct ScalarVisitor<T>(PhantomData<T>);

impl<'de, T: Lenient> Visitor<'de> for ScalarVisitor<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scalar")
    }
    fn visit_bool<E>(self, v: bool) -> Result<Self::Value, E> {
        Ok(T::from_bool(v))
    }
    fn visit_u64<E>(self, v: u64) -> Result<Self::Value, E> {
        Ok(T::from_u64(v))
    }
    fn visit_i64<E>(self, v: i64) -> Result<Self::Value, E> {
        Ok(T::from_i64(v))
    }
    fn visit_f64<E>(self, v: f64) -> Result<Self::Value, E> {
        Ok(T::from_f64(v))
    }
    fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
        Ok(T::from_text(v))
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_some<D: Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_any(self)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

impl Lenient for String {
    fn from_text(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl Lenient for bool {
    fn from_text(text: &str) -> Option<Self> {
        match text {
            "1" | "true" | "yes" | "on" => Some(true),
            "0" | "" | "false" | "no" | "off" => Some(false),
            _ => None,
        }
    }
    fn from_bool(value: bool) -> Option<Self> {
        Some(value)
    }
    fn from_u64(value: u64) -> Option<Self> {
        Some(value != 0)
    }
    fn from_i64(value: i64) -> Option<Self> {
        Some(value != 0)
    }
    fn from_f64(value: f64) -> Option<Self> {
        Some(value != 0.0)
    }
}

impl Lenient for f64 {
    fn from_text(text: &str) -> Option<Self> {
        text.trim().parse().ok()
    }
    fn from_u64(value: u64) -> Option<Self> {
        Some(value as f64)
    }
    fn from_i64(value: i64) -> Option<Self> {
        Some(value as f64)
    }
    fn from_f64(value: f64) -> Option<Self> {
        Some(value)
    }
}

macro_rules! lenient_integer {
    ($($int:ty),*) => {$(
        impl Lenient for $int {
            fn from_text(text: &str) -> Option<Self> {
                let text = text.trim();
                match text.parse() {
                    Ok(value) => Some(value),
                    Err(_) => text.parse::<f64>().ok().and_then(Self::from_f64),
                }
            }
            fn from_bool(value: bool) -> Option<Self> {
                Some(<$int>::from(value))
            }
            fn from_u64(value: u64) -> Option<Self> {
                value.try_into().ok()
            }
            fn from_i64(value: i64) -> Option<Self> {
                value.try_into().ok()
            }
            /// Averages of byte counts come with fractions; a negative one is noise and reads as 0.
            fn from_f64(value: f64) -> Option<Self> {
                // `as` saturates at the type's ends.
                value.is_finite().then(|| value.round() as $int)
            }
        }
    )*};
}
lenient_integer!(u8, u16, u32, u64, i64);

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    #[derive(Deserialize, Debug, PartialEq)]
    struct Probe {
        #[serde(default, deserialize_with = "super::opt")]
        n: Option<u64>,
        #[serde(default, deserialize_with = "super::opt")]
        b: Option<bool>,
        #[serde(default, deserialize_with = "super::opt")]
        s: Option<String>,
    }

    fn read(json: &str) -> Probe {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn scalars_are_read_from_any_scalar() {
        let want = Probe { n: Some(5900), b: Some(true), s: Some("7".into()) };
        assert_eq!(read(r#"{"n":"5900","b":1,"s":7}"#), want);
        assert_eq!(read(r#"{"n":5900.0,"b":"1","s":"7"}"#), want);
        assert_eq!(read(r#"{"n":5900,"b":true,"s":"7","new-field":{"x":[1]}}"#), want);
    }

    #[test]
    fn null_absent_and_misshapen_values_are_none() {
        let none = Probe { n: None, b: None, s: None };
        assert_eq!(read(r#"{"n":null,"b":null,"s":null}"#), none);
        assert_eq!(read("{}"), none);
        assert_eq!(read(r#"{"n":[1],"b":{"a":1},"s":[]}"#), none);
    }
}
