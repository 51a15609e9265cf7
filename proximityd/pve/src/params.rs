//! Request parameters and their encoding.
//!
//! Proxmox VE cuts a form value off at a raw `=` and splits pairs at `;`, and reads only `1` and
//! `0` as booleans, so everything is percent-encoded and booleans are digits. Which parameters a
//! call has is left to the calls.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};

/// RFC 3986's unreserved characters stay as they are, everything else is encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Parameters whose values `Debug` leaves out.
const SECRET_NAMES: [&str; 5] = ["password", "otp", "tfa-challenge", "vncticket", "env"];

/// How a value is written as a parameter.
pub(crate) trait ParamValue {
    fn to_param(&self) -> String;
}

impl ParamValue for bool {
    fn to_param(&self) -> String {
        if *self { "1" } else { "0" }.to_owned()
    }
}

impl ParamValue for SecretString {
    fn to_param(&self) -> String {
        self.expose_secret().to_owned()
    }
}

impl<T: ParamValue + ?Sized> ParamValue for &T {
    fn to_param(&self) -> String {
        (**self).to_param()
    }
}

macro_rules! param_by_display {
    ($($ty:ty),* $(,)?) => {$(
        impl $crate::params::ParamValue for $ty {
            fn to_param(&self) -> String {
                self.to_string()
            }
        }
    )*};
}
pub(crate) use param_by_display;
param_by_display!(str, String, u8, u16, u32, u64, i64, f64);

/// An ordered list of request parameters.
///
/// `Debug` prints the names of secret parameters, never their values.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Params {
    pairs: Vec<(Cow<'static, str>, String)>,
    invalid: Option<String>,
}

impl Params {
    /// No parameters.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl ParamValue) -> Self {
        self.pairs.push((Cow::Borrowed(name), value.to_param()));
        self
    }

    pub(crate) fn opt(self, name: &'static str, value: Option<impl ParamValue>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds a flag only when it is set, for flags whose absence means no.
    pub(crate) fn flag(self, name: &'static str, value: bool) -> Self {
        if value { self.with(name, true) } else { self }
    }

    /// Adds a comma-separated list unless it is empty.
    pub(crate) fn joined<T: ParamValue>(self, name: &'static str, values: &[T]) -> Self {
        if values.is_empty() {
            return self;
        }
        let values: Vec<String> = values.iter().map(ParamValue::to_param).collect();
        self.with(name, values.join(","))
    }

    /// Adds a parameter under a computed name, such as `net0`.
    pub(crate) fn named(mut self, name: String, value: impl ParamValue) -> Self {
        self.pairs.push((Cow::Owned(name), value.to_param()));
        self
    }

    /// Marks the whole request as unsendable, with the reason.
    pub(crate) fn refuse(mut self, reason: String) -> Self {
        self.invalid.get_or_insert(reason);
        self
    }

    pub(crate) fn invalid(&self) -> Option<&str> {
        self.invalid.as_deref()
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(n, _)| *n == name).map(|(_, v)| v)
    }

    /// The names and values in the order in which they are sent.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(n, v)| (n.as_ref(), v.as_str()))
    }

    /// True without any parameter.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// `application/x-www-form-urlencoded`, also used as the query string.
    pub fn encode(&self) -> String {
        let mut out = String::new();
        for (name, value) in self.iter() {
            if !out.is_empty() {
                out.push('&');
            }
            out.extend(utf8_percent_encode(name, ENCODED));
            out.push('=');
            out.extend(utf8_percent_encode(value, ENCODED));
        }
        out
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Params {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter().map(|(name, value)| (Cow::Owned(name.into()), value.into()));
        Self { pairs: pairs.collect(), invalid: None }
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(
                self.iter().map(|(name, value)| {
                    (name, if SECRET_NAMES.contains(&name) { "[redacted]" } else { value })
                }),
            )
            .finish()
    }
}

/// A part of a path, as yet unencoded.
pub(crate) type Segment<'a> = &'a (dyn fmt::Display + Sync);

/// A path below `/api2/json` from its segments, each percent-encoded.
pub(crate) fn path(segments: &[Segment<'_>]) -> String {
    let mut out = String::new();
    for segment in segments {
        out.push('/');
        out.extend(utf8_percent_encode(&segment.to_string(), ENCODED));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_encoded_so_that_nothing_is_cut_off() {
        let params = Params::new().with("net0", "name=eth0;x y").with("env", "A=1\0B=ü").with("full", true);
        assert_eq!(params.encode(), "net0=name%3Deth0%3Bx%20y&env=A%3D1%00B%3D%C3%BC&full=1");
    }

    #[test]
    fn path_segments_cannot_leave_their_place() {
        assert_eq!(path(&[&"nodes", &"a/../b", &"local:x"]), "/nodes/a%2F..%2Fb/local%3Ax");
    }

    #[test]
    fn debug_shows_no_secret() {
        let params = Params::new().with("password", "hunter2").with("env", "T=hunter2").with("cores", 2u32);
        let shown = format!("{params:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("cores"), "{shown}");
    }
}
