//! A container's state as a tar file: what is kept on disk, in snapshots, and in vzdump archives.
//!
//! ustar with GNU long names. The state that is not files is one member, [`META`].

use super::files::volatile;
use super::vfs::{Device, Entry, Kind, Vfs};
use crate::engine::memory::guest::{Meta, State};

const META: &str = "./.embedded-node.json";
/// Where vzdump keeps the container's configuration.
pub(crate) const PCT_CONF: &str = "./etc/vzdump/pct.conf";
const BLOCK: usize = 512;

/// Why an archive could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TarError {
    /// Not a tar, or cut short.
    #[error("the archive is damaged or of an unknown format")]
    Damaged,
    /// The member with the rest of the state is not understood.
    #[error("the archive's state cannot be read: {0}")]
    Meta(#[from] serde_json::Error),
}

/// One member of an archive.
#[derive(Debug)]
#[allow(missing_docs)]
pub(crate) struct Member {
    pub name: String,
    pub kind: u8,
    pub link: String,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: i64,
    pub data: Vec<u8>,
}

fn octal(field: &mut [u8], value: u64) {
    let text = format!("{value:0width$o}\0", width = field.len() - 1);
    let start = text.len().saturating_sub(field.len());
    field.copy_from_slice(&text.as_bytes()[start..]);
}

fn header(out: &mut Vec<u8>, name: &str, member: &Member, size: usize) {
    for (long, kind) in [(name, b'L'), (member.link.as_str(), b'K')] {
        if long.len() > 100 {
            let text = [long.as_bytes(), b"\0"].concat();
            let long_member = Member {
                name: String::new(),
                kind,
                link: String::new(),
                mode: 0,
                uid: 0,
                gid: 0,
                mtime: 0,
                data: Vec::new(),
            };
            header(out, "././@LongLink", &long_member, text.len());
            body(out, &text);
        }
    }
    let mut block = [0_u8; BLOCK];
    let cut = |text: &str| text.as_bytes()[..text.len().min(100)].to_vec();
    let short = cut(name);
    block[..short.len()].copy_from_slice(&short);
    octal(&mut block[100..108], u64::from(member.mode & 0o7777));
    octal(&mut block[108..116], u64::from(member.uid));
    octal(&mut block[116..124], u64::from(member.gid));
    octal(&mut block[124..136], size as u64);
    octal(&mut block[136..148], u64::try_from(member.mtime).unwrap_or(0));
    block[148..156].fill(b' ');
    block[156] = member.kind;
    let short = cut(&member.link);
    block[157..157 + short.len()].copy_from_slice(&short);
    block[257..265].copy_from_slice(b"ustar  \0");
    let sum: u64 = block.iter().map(|b| u64::from(*b)).sum();
    octal(&mut block[148..155], sum);
    out.extend_from_slice(&block);
}

fn body(out: &mut Vec<u8>, data: &[u8]) {
    out.extend_from_slice(data);
    out.resize(out.len().next_multiple_of(BLOCK), 0);
}

/// Appends one member.
pub(crate) fn append(out: &mut Vec<u8>, member: &Member) {
    header(out, &member.name, member, member.data.len());
    body(out, &member.data);
}

/// Ends an archive.
pub(crate) fn finish(out: &mut Vec<u8>) {
    out.resize(out.len() + 2 * BLOCK, 0);
}

/// A member for an entry of the file system; `None` for what a tar does not carry.
pub(crate) fn member(vfs: &Vfs, key: &str, name: String, entry: &Entry) -> Option<Member> {
    let (kind, link, data) = match &entry.kind {
        Kind::Dir => (b'5', String::new(), Vec::new()),
        Kind::Link(target) => (b'2', target.clone(), Vec::new()),
        Kind::File(_) => (b'0', String::new(), vfs.read(key).ok()?.as_ref().clone()),
        Kind::Dev(_) => return None,
    };
    let name = if kind == b'5' { format!("{name}/") } else { name };
    Some(Member {
        name,
        kind,
        link,
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        mtime: entry.mtime,
        data,
    })
}

/// The state as an archive; with `pct_conf`, a vzdump archive.
pub(crate) fn pack(state: &State, pct_conf: Option<&str>) -> Vec<u8> {
    let mut out = Vec::new();
    let meta = serde_json::to_vec(&state.meta).expect("the state has string keys only");
    let mut texts = vec![(META, meta)];
    if let Some(conf) = pct_conf {
        texts.push((PCT_CONF, conf.as_bytes().to_vec()));
    }
    for (name, data) in texts {
        let plain = Member {
            name: name.to_owned(),
            kind: b'0',
            link: String::new(),
            mode: 0o644,
            uid: 0,
            gid: 0,
            mtime: super::vfs::now(),
            data,
        };
        append(&mut out, &plain);
    }
    for (key, entry) in state.vfs.walk("/") {
        if volatile(key) {
            continue;
        }
        if let Some(member) = member(&state.vfs, key, format!(".{key}"), entry) {
            append(&mut out, &member);
        }
    }
    finish(&mut out);
    out
}

fn number(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_matches(|c: char| c == '\0' || c == ' ');
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 8).ok() }
}

fn string(field: &[u8]) -> String {
    let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

/// The members of an archive.
pub(crate) fn members(bytes: &[u8]) -> Result<Vec<Member>, TarError> {
    let mut found = Vec::new();
    let (mut long_name, mut long_link) = (None, None);
    let mut at = 0;
    while let Some(block) = bytes.get(at..at + BLOCK) {
        if block.iter().all(|b| *b == 0) {
            return Ok(found);
        }
        if &block[257..262] != b"ustar" {
            return Err(TarError::Damaged);
        }
        let field = |range: std::ops::Range<usize>| number(&block[range]).ok_or(TarError::Damaged);
        let size = usize::try_from(field(124..136)?).map_err(|_| TarError::Damaged)?;
        at += BLOCK;
        let end = at.checked_add(size).ok_or(TarError::Damaged)?;
        let data = bytes.get(at..end).ok_or(TarError::Damaged)?.to_vec();
        at = end.next_multiple_of(BLOCK);
        match block[156] {
            b'L' => long_name = Some(string(&data)),
            b'K' => long_link = Some(string(&data)),
            kind => found.push(Member {
                name: long_name.take().unwrap_or_else(|| string(&block[..100])),
                kind,
                link: long_link.take().unwrap_or_else(|| string(&block[157..257])),
                mode: u32::try_from(field(100..108)?).unwrap_or(0o644),
                uid: u32::try_from(field(108..116)?).unwrap_or(0),
                gid: u32::try_from(field(116..124)?).unwrap_or(0),
                mtime: i64::try_from(field(136..148)?).unwrap_or(0),
                data,
            }),
        }
    }
    if found.is_empty() { Err(TarError::Damaged) } else { Ok(found) }
}

/// Puts a member into the file system below `key`.
pub(crate) fn place(vfs: &mut Vfs, key: &str, member: Member) {
    let _ = vfs.mkdir_all(super::vfs::parent(key), 0o755);
    match member.kind {
        b'5' => {
            let _ = vfs.mkdir_all(key, member.mode);
        }
        b'2' => {
            let _ = vfs.remove(key);
            let _ = vfs.symlink(key, &member.link);
        }
        b'0' | 0 => {
            let _ = vfs.write(key, member.data, member.mode);
        }
        _ => return,
    }
    if let Some(entry) = vfs.entry_mut(key) {
        entry.mode = member.mode;
        entry.uid = member.uid;
        entry.gid = member.gid;
        entry.mtime = member.mtime;
    }
}

/// The state in an archive.
pub(crate) fn unpack(bytes: &[u8]) -> Result<State, TarError> {
    let mut state = State { vfs: Vfs::default(), meta: Meta::default() };
    let _ = state.vfs.mkdir_all("/", 0o755);
    for member in members(bytes)? {
        if member.name == META {
            state.meta = serde_json::from_slice(&member.data)?;
            continue;
        }
        let key = super::vfs::absolute("/", &member.name);
        if member.name != PCT_CONF && key != "/" {
            place(&mut state.vfs, &key, member);
        }
    }
    // Device files are made at boot, the services' here.
    let roots: Vec<String> = state.vfs.list("/var/lib/docker/rootfs");
    for root in roots {
        let prefix = format!("/var/lib/docker/rootfs/{root}");
        for (name, device) in [("null", Device::Null), ("zero", Device::Zero), ("urandom", Device::Random)] {
            state.vfs.device(&format!("{prefix}/dev/{name}"), device);
        }
    }
    Ok(state)
}
