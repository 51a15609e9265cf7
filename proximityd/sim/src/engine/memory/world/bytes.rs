//! Bytes as text and back without loss: what is not UTF-8 rides in a private Unicode plane.
//!
//! Shell words are Rust strings because the grammar is; files and pipes are bytes. A byte that is not part of
//! valid UTF-8 becomes one character of plane 16 and is that byte again when it is written.

const BASE: u32 = 0x0010_FF00;

/// Text for `bytes`; invalid bytes become private characters.
pub(crate) fn decode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push(char::from_u32(BASE + u32::from(*byte)).expect("plane 16 ends at 10FFFF"));
        }
    }
    text
}

/// The bytes that `text` stands for.
pub(crate) fn encode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut buffer = [0; 4];
    for c in text.chars() {
        let code = u32::from(c);
        match u8::try_from(code.wrapping_sub(BASE)) {
            Ok(byte) if code >= BASE + 0x80 => bytes.push(byte),
            _ => bytes.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes()),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_the_way_through_text() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(encode(&decode(&all)), all);
        assert_eq!(encode(&decode("grüße €".as_bytes())), "grüße €".as_bytes());
    }
}
