//! Quoting: nothing reaches a shell unquoted.

/// A word as `sh` reads it back: in single quotes, whatever its bytes (NUL cannot be in an argument).
pub fn quote(word: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for byte in word {
        match byte {
            b'\'' => quoted.extend_from_slice(b"'\\''"),
            0 => {}
            other => quoted.push(*other),
        }
    }
    quoted.push(b'\'');
    quoted
}

/// A whole command line.
pub fn command(argv: &[Vec<u8>]) -> Vec<u8> {
    argv.iter().map(|word| quote(word)).collect::<Vec<_>>().join(&b' ')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_real_shell_reads_back_what_was_quoted(
            words in proptest::collection::vec(proptest::collection::vec(1u8..=255, 0..30), 1..5)
        ) {
            let mut script = b"printf '%s\\0' ".to_vec();
            script.extend(command(&words));
            let output = std::process::Command::new("sh")
                .arg("-c")
                .arg(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(&script))
                .output()
                .unwrap();
            let mut expected = words.join(&0u8);
            expected.push(0);
            prop_assert_eq!(output.stdout, expected);
        }
    }
}
