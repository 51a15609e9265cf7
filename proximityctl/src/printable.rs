//! Strings from elsewhere, made safe to show.
//!
//! A name, a message or a log line comes from Proxmox VE, from a guest or from another person. On a terminal an
//! escape sequence in it could move the cursor, set the title or hide text; so what is not printable goes away
//! before it gets there. JSON and CSV are not touched here: JSON escapes such characters by itself.

use std::borrow::Cow;

/// Whether a character could do something to a terminal other than being seen.
pub fn is_unsafe(c: char) -> bool {
    // Cc are the C0 and C1 controls. The others turn the direction of the text around (UAX #9) or are invisible line
    // ends; a reader could be made to see another text than the one that is there.
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// One line of text without anything that could act on a terminal. Escape sequences go as a whole; tabs and line
/// ends become spaces.
pub fn line(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) || !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_sequence(&mut chars),
            '\u{9b}' => skip_parameters(&mut chars),
            '\t' | '\n' => clean.push(' '),
            c if is_unsafe(c) => {}
            c => clean.push(c),
        }
    }
    Cow::Owned(clean)
}

/// Several lines: line ends stay, everything else is as in [`line()`].
pub fn lines(text: &str) -> String {
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Skips what follows an escape character (ECMA-48: CSI, the string sequences, and the two-character ones).
fn skip_sequence(chars: &mut Chars<'_>) {
    match chars.peek() {
        Some('[') => {
            chars.next();
            skip_parameters(chars);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            chars.next();
            // Up to BEL or ST (ESC \). An unterminated one swallows the rest of the line, as a terminal would.
            while let Some(c) = chars.next() {
                if c == '\u{7}' || c == '\u{9c}' {
                    return;
                }
                if c == '\u{1b}' {
                    chars.next_if_eq(&'\\');
                    return;
                }
            }
        }
        Some(' '..='/') => {
            while chars.next_if(|c| (' '..='/').contains(c)).is_some() {}
            chars.next();
        }
        Some(c) if !is_unsafe(*c) => {
            chars.next();
        }
        _ => {}
    }
}

/// Skips the parameters and the final byte of a CSI sequence.
fn skip_parameters(chars: &mut Chars<'_>) {
    while chars.next_if(|c| (' '..='?').contains(c)).is_some() {}
    chars.next_if(|c| ('@'..='~').contains(c));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_text_is_handed_on_untouched() {
        assert!(matches!(line("Nextcloud – die Wolke"), Cow::Borrowed(_)));
    }

    #[test]
    fn escape_sequences_go_as_a_whole() {
        assert_eq!(line("a\u{1b}[31mred\u{1b}[0m b"), "ared b");
        assert_eq!(line("a\u{1b}]0;title\u{7}b"), "ab");
        assert_eq!(line("a\u{1b}]8;;http://x\u{1b}\\link"), "alink");
        assert_eq!(line("a\u{1b}(Bb\u{1b}cc"), "abc");
        assert_eq!(line("a\u{9b}2Jb"), "ab");
    }

    #[test]
    fn line_ends_and_direction_marks_cannot_forge_a_line() {
        assert_eq!(line("ok\r\nerror: forged"), "ok error: forged");
        assert_eq!(line("abc\u{202e}txt"), "abctxt");
        assert_eq!(lines("one\ntwo\u{7}"), "one\ntwo");
    }

    proptest! {
        #[test]
        fn nothing_unsafe_is_left_of_any_text(text in any::<String>()) {
            let clean = line(&text).into_owned();
            prop_assert!(!clean.chars().any(is_unsafe));
            prop_assert_eq!(line(&clean), clean.as_str());
        }
    }
}
