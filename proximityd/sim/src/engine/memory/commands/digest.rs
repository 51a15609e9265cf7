//! Encodings and checksums.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256, Sha512};

use super::Ctx;
use crate::engine::memory::world::bytes::decode;

pub(super) async fn base64(ctx: &mut Ctx) -> i32 {
    let (mut decoding, mut width, mut operands) = (false, 76, Vec::new());
    let mut args = ctx.arguments();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-d" | "-D" | "--decode" | "-di" => decoding = true,
            "-i" => {}
            "-w" | "--wrap" => width = args.next().and_then(|n| n.parse().ok()).unwrap_or(76),
            other => match other.strip_prefix("-w").or_else(|| other.strip_prefix("--wrap=")) {
                Some(number) => width = number.parse().unwrap_or(76),
                None => operands.push(arg),
            },
        }
    }
    let (mut data, status) = ctx.inputs(&operands).await;
    if decoding {
        data.retain(|b| !b.is_ascii_whitespace());
        return match STANDARD.decode(&data) {
            Ok(bytes) => {
                ctx.emit(&bytes);
                status
            }
            Err(_) => {
                let whole = data.iter().position(|b| !b.is_ascii_alphanumeric() && !b"+/".contains(b));
                let good = whole.unwrap_or(data.len()) / 4 * 4;
                ctx.emit(&STANDARD.decode(&data[..good]).unwrap_or_default());
                ctx.complain("invalid input")
            }
        };
    }
    let text = STANDARD.encode(&data);
    if width == 0 {
        ctx.emit(text.as_bytes());
    } else {
        for line in text.as_bytes().chunks(width) {
            ctx.emit(line);
            ctx.emit(b"\n");
        }
    }
    status
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The checksum that a program of this name prints.
fn sum(name: &str, data: &[u8]) -> String {
    match name {
        "sha512sum" => hex(&Sha512::digest(data)),
        "sha1sum" => hex(&Sha1::digest(data)),
        "md5sum" => hex(&md5(data)),
        _ => hex(&Sha256::digest(data)),
    }
}

pub(super) async fn checksum(ctx: &mut Ctx) -> i32 {
    let (flags, mut operands) = ctx.simple_args();
    let name = ctx.name();
    if operands.is_empty() {
        operands.push("-".to_owned());
    }
    let mut status = 0;
    for path in operands {
        let Some(data) = ctx.input(&path).await else {
            status = 1;
            continue;
        };
        if !flags.contains('c') {
            ctx.say(format!("{}  {path}", sum(&name, &data)));
            continue;
        }
        for line in decode(&data).lines() {
            let Some((wanted, file)) = line.split_once("  ").or_else(|| line.split_once(" *")) else {
                status = ctx.complain(format!("{path}: no properly formatted checksum lines found"));
                continue;
            };
            let fine = match ctx.input(file).await {
                Some(data) => sum(&name, &data) == wanted.to_lowercase(),
                None => false,
            };
            if !fine {
                status = 1;
                ctx.say(format!("{file}: FAILED"));
            } else if !flags.contains('q') && !ctx.args.iter().any(|a| a == "--status") {
                ctx.say(format!("{file}: OK"));
            }
        }
    }
    status
}

pub(super) async fn od(ctx: &mut Ctx) -> i32 {
    let (mut plain, mut hexadecimal, mut most, mut operands) =
        (false, ctx.name() != "od", usize::MAX, Vec::new());
    let mut decimal = false;
    let mut args = ctx.arguments();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-An" | "-p" | "-ps" => plain = true,
            "-A" => plain = args.next().as_deref() == Some("n"),
            "-N" | "-n" | "-l" => most = args.next().and_then(|n| n.parse().ok()).unwrap_or(usize::MAX),
            "-t" => match args.next().unwrap_or_default().chars().next() {
                Some('x') => hexadecimal = true,
                Some('u' | 'd') => decimal = true,
                _ => {}
            },
            "-x" | "-tx1" | "-C" | "-c" => hexadecimal = true,
            "-tu1" | "-td1" | "-tu4" => decimal = true,
            "-v" => {}
            other => match other.strip_prefix("-N") {
                Some(number) => most = number.parse().unwrap_or(usize::MAX),
                None => operands.push(arg),
            },
        }
    }
    let data = match operands.first() {
        Some(path) if path != "-" => {
            let stream = ctx.files.open(
                &ctx.path(path),
                crate::engine::memory::world::files::Open::Read,
                0,
                ctx.tty.as_ref(),
            );
            match stream {
                Ok(stream) => stream.read_all(most.min(1 << 20)).await,
                Err(error) => return ctx.complain(format!("{path}: {error}")),
            }
        }
        _ => ctx.fds.get(0).read_all(most.min(1 << 24)).await,
    };
    let data = &data[..data.len().min(most)];
    for (index, line) in data.chunks(16).enumerate() {
        let cells: String = line
            .iter()
            .map(|b| {
                if hexadecimal {
                    format!(" {b:02x}")
                } else if decimal {
                    format!(" {b:>3}")
                } else {
                    format!(" {b:03o}")
                }
            })
            .collect();
        match plain {
            true if ctx.name() == "xxd" => ctx.say(cells.replace(' ', "")),
            true => ctx.say(cells),
            false => ctx.say(format!("{:07o}{cells}", index * 16)),
        }
    }
    if !plain {
        ctx.say(format!("{:07o}", data.len()));
    }
    0
}

/// SHA-1 (FIPS 180-4), for `sha1sum` only.
struct Sha1;

impl Sha1 {
    fn digest(data: &[u8]) -> Vec<u8> {
        let mut state: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
        for block in padded(data, true).chunks(64) {
            let mut w = [0_u32; 80];
            for (word, bytes) in w.iter_mut().zip(block.chunks(4)) {
                *word = u32::from_be_bytes(bytes.try_into().expect("chunks of four"));
            }
            for i in 16..80 {
                w[i] = (w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16]).rotate_left(1);
            }
            let [mut a, mut b, mut c, mut d, mut e] = state;
            for (i, word) in w.iter().enumerate() {
                let (f, k) = match i / 20 {
                    0 => ((b & c) | (!b & d), 0x5a82_7999),
                    1 => (b ^ c ^ d, 0x6ed9_eba1),
                    2 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
                    _ => (b ^ c ^ d, 0xca62_c1d6_u32),
                };
                let next =
                    a.rotate_left(5).wrapping_add(f).wrapping_add(e).wrapping_add(k).wrapping_add(*word);
                (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
            }
            for (old, new) in state.iter_mut().zip([a, b, c, d, e]) {
                *old = old.wrapping_add(new);
            }
        }
        state.iter().flat_map(|word| word.to_be_bytes()).collect()
    }
}

fn padded(data: &[u8], big_endian: bool) -> Vec<u8> {
    let bits = (data.len() as u64).wrapping_mul(8);
    let mut out = data.to_vec();
    out.push(0x80);
    while out.len() % 64 != 56 {
        out.push(0);
    }
    out.extend(if big_endian { bits.to_be_bytes() } else { bits.to_le_bytes() });
    out
}

/// MD5 (RFC 1321), for `md5sum` only.
fn md5(data: &[u8]) -> Vec<u8> {
    const SHIFTS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    let mut state: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for block in padded(data, false).chunks(64) {
        let words: Vec<u32> = block
            .chunks(4)
            .map(|bytes| u32::from_le_bytes(bytes.try_into().expect("chunks of four")))
            .collect();
        let [mut a, mut b, mut c, mut d] = state;
        for i in 0..64_usize {
            let (f, g) = match i / 16 {
                0 => ((b & c) | (!b & d), i),
                1 => ((d & b) | (!d & c), (5 * i + 1) % 16),
                2 => (b ^ c ^ d, (3 * i + 5) % 16),
                _ => (c ^ (b | !d), (7 * i) % 16),
            };
            let constant = ((i as f64 + 1.0).sin().abs() * 4_294_967_296.0) as u32;
            let sum = a.wrapping_add(f).wrapping_add(constant).wrapping_add(words[g]);
            (a, d, c) = (d, c, b);
            b = b.wrapping_add(sum.rotate_left(SHIFTS[i / 16][i % 4]));
        }
        for (old, new) in state.iter_mut().zip([a, b, c, d]) {
            *old = old.wrapping_add(new);
        }
    }
    state.iter().flat_map(|word| word.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_standards() {
        assert_eq!(sum("md5sum", b"abc"), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(sum("sha1sum", b"abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert!(sum("sha256sum", b"abc").starts_with("ba7816bf"));
    }
}
