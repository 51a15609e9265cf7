//! Where a command's answer begins and ends on the streams of `ssh`, and how it ended.
//!
//! `ssh` ends with 255 both when it cannot connect and when the command does so, and the node's shell, `sudo` and `pct` may
//! write beside the command. So what runs says itself that it began and how it ended, between marks with a nonce:
//! `printf 'B%s:' N` prints `BN:`, which no echo of the command line contains.

/// A command's streams, as `ssh` gave them.
#[derive(Debug)]
pub struct Raw {
    /// What came from its standard output.
    pub stdout: Vec<u8>,
    /// What came from its standard error, and what `ssh` itself said.
    pub stderr: Vec<u8>,
}

/// What stands before a command's answer on both streams, and behind it.
#[derive(Debug)]
pub struct Marks(String);

impl Marks {
    /// From a nonce that was never used.
    pub fn new(nonce: String) -> Marks {
        Marks(nonce)
    }

    /// A script that says where it begins and where it ends, and then the word in `$A`.
    pub fn around(&self, script: &str) -> String {
        let Marks(nonce) = self;
        format!(
            "printf 'B%s:' {nonce}; printf 'B%s:' {nonce} >&2; {script}\n\
             printf ':E%s:' {nonce}; printf ':E%s:%s.' {nonce} \"$A\" >&2"
        )
    }

    /// What the script wrote on each stream, and its word; None when it did not come to its end.
    pub fn read<'a>(&self, raw: &'a Raw) -> Option<(&'a [u8], &'a [u8], String)> {
        let (begin, end) = (format!("B{}:", self.0), format!(":E{}:", self.0));
        let (stdout, _) = between(&raw.stdout, begin.as_bytes(), end.as_bytes())?;
        let (stderr, rest) = between(&raw.stderr, begin.as_bytes(), end.as_bytes())?;
        let word = rest.split(|byte| *byte == b'.').next()?;
        Some((stdout, stderr, String::from_utf8_lossy(word).into_owned()))
    }

    /// Whether the script began.
    pub fn begun(&self, raw: &Raw) -> bool {
        find(&raw.stderr, format!("B{}:", self.0).as_bytes()).is_some()
    }
}

fn between<'a>(text: &'a [u8], begin: &[u8], end: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let text = &text[find(text, begin)? + begin.len()..];
    // The last one: it is searched from the end, where it is.
    let at = text.windows(end.len()).rposition(|window| window == end)?;
    Some((&text[..at], &text[at + end.len()..]))
}

fn find(text: &[u8], mark: &[u8]) -> Option<usize> {
    text.windows(mark.len()).position(|window| window == mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_what_stands_between_the_marks_whatever_is_around_it() {
        let raw = Raw {
            stdout: b"motd\nB1f:out:E1f:tail".to_vec(),
            stderr: b"perl: warning\nB1f:err :E1f:x:E1f:255.bye".to_vec(),
        };
        let marks = Marks::new("1f".into());
        assert_eq!(marks.read(&raw), Some((&b"out"[..], &b"err :E1f:x"[..], "255".into())));
        let cut = Raw { stdout: raw.stdout, stderr: b"perl: warning\nB1f:err".to_vec() };
        assert!(marks.begun(&cut) && marks.read(&cut).is_none());
        let other = Marks::new("2f".into());
        assert!(!other.begun(&cut));
    }
}
