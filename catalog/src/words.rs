//! The words of messages: the nearest known name, lists of names, and what a name may look like.

/// The known name most like `word`, if one is like it enough to be what was meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |name: &str| strsim::damerau_levenshtein(word, name);
    let limit = (word.chars().count() / 3).max(1);
    known.into_iter().map(|name| (distance(name), name)).filter(|(d, _)| *d <= limit).min().map(|(_, n)| n)
}

/// `a`, `b` and `c`.
pub(crate) fn quoted_list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        None => "none".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

/// Whether a text is an RFC 1123 label in lower case: 1 to 63 letters, digits and inner hyphens.
pub(crate) fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
        && bytes.first() != Some(&b'-')
        && bytes.last() != Some(&b'-')
}

/// Whether a text is a setting's key: `[A-Z][A-Z0-9_]*`.
pub(crate) fn is_key(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// Whether a variable of this name holds a secret: its words hold PASSWORD, SECRET or TOKEN, or end in KEY.
///
/// A name that ends in `_FILE` holds a path.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let words: Vec<&str> = name.split(['_', '-', '.']).collect();
    words.last() != Some(&"FILE")
        && words.iter().any(|word| {
            ["PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "TOKEN"].iter().any(|part| word.contains(part))
                || *word == "PASS"
                || word.ends_with("KEY")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_found_and_a_far_one_is_not() {
        assert_eq!(nearest("nextclod", ["nextcloud", "nginx"]), Some("nextcloud"));
        assert_eq!(nearest("zzz", ["nextcloud", "nginx"]), None);
    }

    #[test]
    fn labels_are_those_of_rfc_1123() {
        for label in ["a", "a-b", "0a", &"a".repeat(63)] {
            assert!(is_label(label), "{label}");
        }
        for label in ["", "-a", "a-", "A", "a_b", "a.b", &"a".repeat(64)] {
            assert!(!is_label(label), "{label}");
        }
    }

    #[test]
    fn secrets_are_known_by_their_names() {
        for name in ["DB_PASSWORD", "dbpassword", "SECRET_KEY_BASE", "API_TOKEN", "APIKEY", "SMTP_PASS"] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["DB_USER", "KEYBOARD", "DB_PASSWORD_FILE", "PASSENGER", "MONKEYS"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
