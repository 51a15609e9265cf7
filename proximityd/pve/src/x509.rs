//! Just enough of X.509 to show a person whose certificate they are about to trust.
//!
//! Nothing here decides anything about trust; that is left to `tls`. What cannot be read is left
//! out.

use std::net::IpAddr;

/// What a certificate says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The subject, such as `CN=pve1.example.org,O=Proxmox Virtual Environment`.
    pub subject: String,
    /// The issuer, in the same form.
    pub issuer: String,
    /// The DNS names and addresses it is for.
    pub names: Vec<String>,
    /// From when it is valid, in seconds since 1970.
    pub not_before: Option<i64>,
    /// Until when it is valid, in seconds since 1970.
    pub not_after: Option<i64>,
}

impl CertificateFacts {
    /// Reads a certificate in DER.
    pub fn of(der: &[u8]) -> Option<Self> {
        let certificate = Der(der).expect(SEQUENCE)?;
        let mut tbs = Der(Der(certificate).expect(SEQUENCE)?);
        let _version = tbs.optional(CONTEXT_0);
        let _serial = tbs.next()?;
        let _signature = tbs.next()?;
        let issuer = name(tbs.expect(SEQUENCE)?);
        let mut validity = Der(tbs.expect(SEQUENCE)?);
        let not_before = validity.next().and_then(|(tag, value)| time(tag, value));
        let not_after = validity.next().and_then(|(tag, value)| time(tag, value));
        let subject = name(tbs.expect(SEQUENCE)?);
        let mut names = Vec::new();
        while let Some((tag, value)) = tbs.next() {
            if tag == CONTEXT_3 {
                names = alternative_names(value).unwrap_or_default();
            }
        }
        Some(Self { subject, issuer, names, not_before, not_after })
    }
}

// Tags of DER (ITU-T X.690).
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const CONTEXT_0: u8 = 0xa0;
const CONTEXT_3: u8 = 0xa3;

/// subjectAltName, 2.5.29.17 (RFC 5280, 4.2.1.6).
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// A run of DER values.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            let count = usize::from(first & 0x7f);
            if count == 0 || count > 4 || rest.len() < count {
                return None;
            }
            let (bytes, rest) = rest.split_at(count);
            (bytes.iter().fold(0, |n, b| n << 8 | usize::from(*b)), rest)
        };
        if rest.len() < length {
            return None;
        }
        let (value, rest) = rest.split_at(length);
        self.0 = rest;
        Some((tag, value))
    }

    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(t, _)| *t == tag).map(|(_, value)| value)
    }

    fn optional(&mut self, tag: u8) -> Option<&'a [u8]> {
        if self.0.first() == Some(&tag) { self.expect(tag) } else { None }
    }
}

/// A distinguished name. Attribute types without a common short name are left out.
fn name(value: &[u8]) -> String {
    let mut parts = Vec::new();
    let mut sets = Der(value);
    while let Some((_, set)) = sets.next() {
        let mut attributes = Der(set);
        while let Some(attribute) = attributes.expect(SEQUENCE) {
            let mut attribute = Der(attribute);
            let (Some(oid), Some((_, text))) = (attribute.expect(OID), attribute.next()) else {
                continue;
            };
            // id-at, 2.5.4.x (RFC 4519).
            let label = match oid {
                [0x55, 0x04, 3] => "CN",
                [0x55, 0x04, 6] => "C",
                [0x55, 0x04, 7] => "L",
                [0x55, 0x04, 8] => "ST",
                [0x55, 0x04, 10] => "O",
                [0x55, 0x04, 11] => "OU",
                _ => continue,
            };
            parts.push(format!("{label}={}", String::from_utf8_lossy(text)));
        }
    }
    parts.reverse();
    parts.join(",")
}

fn alternative_names(extensions: &[u8]) -> Option<Vec<String>> {
    let mut list = Der(Der(extensions).expect(SEQUENCE)?);
    while let Some(extension) = list.expect(SEQUENCE) {
        let mut extension = Der(extension);
        if extension.expect(OID)? != SUBJECT_ALT_NAME {
            continue;
        }
        let mut value = extension.next()?;
        if value.0 != OCTET_STRING {
            // The critical flag stands before the value.
            value = extension.next()?;
        }
        let mut entries = Der(Der(value.1).expect(SEQUENCE)?);
        let mut names = Vec::new();
        while let Some((tag, value)) = entries.next() {
            match tag {
                // dNSName
                0x82 => names.push(String::from_utf8_lossy(value).into_owned()),
                // iPAddress
                0x87 => names.extend(address(value).map(|a| a.to_string())),
                _ => {}
            }
        }
        return Some(names);
    }
    None
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(v4.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ` (RFC 5280, 4.1.2.5).
fn time(tag: u8, value: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(value).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let year: i64 = text.get(..2)?.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, text.get(2..)?)
        }
        GENERALIZED_TIME => (text.get(..4)?.parse().ok()?, text.get(4..)?),
        _ => return None,
    };
    let field = |at: usize| rest.get(at..at + 2)?.parse::<i64>().ok();
    let days = days_since_1970(year, field(0)?, field(2)?);
    Some(days * 86_400 + field(4)? * 3600 + field(6)? * 60 + field(8)?)
}

/// Days in the proleptic Gregorian calendar, counting years from March.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let shifted = if month > 2 { year } else { year - 1 };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let leap_days = shifted.div_euclid(4) - shifted.div_euclid(100) + shifted.div_euclid(400);
    // 719,468 days lie between 0000-03-01 and 1970-01-01.
    shifted * 365 + leap_days + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_read_in_both_forms() {
        assert_eq!(time(UTC_TIME, b"700101000000Z"), Some(0));
        assert_eq!(time(UTC_TIME, b"261122223538Z"), Some(1_795_386_938));
        assert_eq!(time(GENERALIZED_TIME, b"20000301000000Z"), Some(951_868_800));
        assert_eq!(time(UTC_TIME, b"garbage"), None);
    }

    #[test]
    fn a_certificate_tells_its_names_and_dates() {
        let key = rcgen::KeyPair::generate().unwrap();
        let names = vec!["pve1.example.org".to_owned(), "192.0.2.2".to_owned()];
        let mut params = rcgen::CertificateParams::new(names.clone()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, "pve1.example.org");
        params.not_before = rcgen::date_time_ymd(2026, 1, 2);
        let certificate = params.self_signed(&key).unwrap();
        let facts = CertificateFacts::of(certificate.der()).unwrap();
        assert_eq!(facts.subject, "CN=pve1.example.org");
        assert_eq!(facts.names, names);
        assert_eq!(facts.not_before, Some(1_767_312_000));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = CertificateFacts::of(&bytes);
        }
    }
}
