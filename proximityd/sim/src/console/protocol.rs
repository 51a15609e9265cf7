//! The frames a console client sends: `0:LENGTH:DATA`, `1:COLUMNS:ROWS:`, `2` (ping).

use bytes::Bytes;

use crate::engine::ConsoleInput;

/// Cuts a stream of bytes into what it says; pieces may come split anywhere.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    buffer: Vec<u8>,
}

/// The stream is not the console protocol.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not the console protocol")]
pub(super) struct Malformed;

/// No header is longer than this.
const LONGEST_HEADER: usize = 32;
/// No client may announce more than this at once.
const LONGEST_DATA: usize = 1 << 20;

impl Decoder {
    /// Takes bytes and returns what is complete.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<ConsoleInput>, Malformed> {
        self.buffer.extend_from_slice(bytes);
        let mut found = Vec::new();
        let mut at = 0;
        while let Some((used, input)) = one(&self.buffer[at..])? {
            at += used;
            found.extend(input);
        }
        self.buffer.drain(..at);
        Ok(found)
    }
}

/// Reads one frame: how many bytes it takes, and what it says (a ping says nothing).
fn one(bytes: &[u8]) -> Result<Option<(usize, Option<ConsoleInput>)>, Malformed> {
    match bytes.first() {
        None => Ok(None),
        Some(b'2') => Ok(Some((1, None))),
        Some(b'0') => {
            let Some((length, start)) = number(bytes, 1)? else { return Ok(None) };
            if length > LONGEST_DATA {
                return Err(Malformed);
            }
            let end = start + length;
            Ok(bytes.get(start..end).map(|d| (end, Some(ConsoleInput::Data(Bytes::copy_from_slice(d))))))
        }
        Some(b'1') => {
            let Some((cols, next)) = number(bytes, 1)? else { return Ok(None) };
            let Some((rows, end)) = number(bytes, next - 1)? else { return Ok(None) };
            let small = |n: usize| u16::try_from(n).map_err(|_| Malformed);
            Ok(Some((end, Some(ConsoleInput::Resize { cols: small(cols)?, rows: small(rows)? }))))
        }
        Some(_) => Err(Malformed),
    }
}

/// Reads `:DIGITS:` and returns the number and where it ended.
fn number(bytes: &[u8], colon: usize) -> Result<Option<(usize, usize)>, Malformed> {
    match bytes.get(colon) {
        None => return Ok(None),
        Some(b':') => {}
        Some(_) => return Err(Malformed),
    }
    let rest = &bytes[colon + 1..];
    let Some(length) = rest.iter().position(|b| *b == b':') else {
        let digits = rest.len() <= LONGEST_HEADER && rest.iter().all(u8::is_ascii_digit);
        return if digits { Ok(None) } else { Err(Malformed) };
    };
    let text = std::str::from_utf8(&rest[..length]).map_err(|_| Malformed)?;
    let number = text.parse().map_err(|_| Malformed)?;
    Ok(Some((number, colon + 1 + length + 1)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(inputs: Vec<ConsoleInput>) -> (Vec<u8>, Vec<(u16, u16)>) {
        let mut data = Vec::new();
        let mut sizes = Vec::new();
        for input in inputs {
            match input {
                ConsoleInput::Data(bytes) => data.extend_from_slice(&bytes),
                ConsoleInput::Resize { cols, rows } => sizes.push((cols, rows)),
            }
        }
        (data, sizes)
    }

    #[test]
    fn the_recorded_frames_are_understood() {
        let mut decoder = Decoder::default();
        let inputs = decoder.feed(b"1:120:40:0:5:exit\n2").unwrap();
        assert_eq!(plain(inputs), (b"exit\n".to_vec(), vec![(120, 40)]));
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        assert_eq!(Decoder::default().feed(b"x").err(), Some(Malformed));
        assert_eq!(Decoder::default().feed(b"0:a:").err(), Some(Malformed));
        assert_eq!(Decoder::default().feed(b"0:99999999:").err(), Some(Malformed));
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_the_stream_is_split(data in proptest::collection::vec(any::<u8>(), 0..200), cut in 1usize..20) {
            let mut stream = format!("0:{}:", data.len()).into_bytes();
            stream.extend_from_slice(&data);
            stream.extend_from_slice(b"21:80:24:");
            let mut decoder = Decoder::default();
            let mut inputs = Vec::new();
            for piece in stream.chunks(cut) {
                inputs.extend(decoder.feed(piece).unwrap());
            }
            prop_assert_eq!(plain(inputs), (data, vec![(80, 24)]));
        }
    }
}
