//! Task logs: what of their lines cannot agree is taken out of both sides.

use std::sync::LazyLock;

use regex::Regex;

static CUTS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "<time>"),
        (r"\(\d\d:\d\d:\d\d\)", "(<span>)"),
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uuid>"),
        (r"after (?:<1|\d+) seconds", "after <n> seconds"),
        (r"/proc/\d+/root", "/proc/<pid>/root"),
        (r"vzdumptmp\d+_", "vzdumptmp<pid>_"),
        (r"/dev/loop\d+", "/dev/loop<n>"),
        (r"^(Total bytes read|INFO: Total bytes written): .*", "$1: <size>"),
        (r"^INFO: archive file size: .*", "INFO: archive file size: <size>"),
        (r"(sync finished - transferred) .*", "$1 <size>"),
        (r": \d+/(\d+) files \([\d.]+% non-contiguous\), \d+/(\d+) blocks", ": <n>/$1 files, <n>/$2 blocks"),
    ]
    .into_iter()
    .map(|(pattern, with)| (Regex::new(pattern).unwrap(), with))
    .collect()
});

static STATISTICS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(?:Number of|Total |Literal |Matched |File list |sent |total size)").unwrap()
});
static NUMBER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\d[\d,.]*").unwrap());
static OPTION: LazyLock<Regex> = LazyLock::new(|| Regex::new(r" --[a-z-]+ (?:'[^']*'|\S+)").unwrap());

/// A line that may be there or not: who waits for a lock depends on the instant, and the last kind belonged to the
/// recorded machine (see `ON_PURPOSE`).
fn accidental(line: &str) -> bool {
    line == "trying to acquire lock..."
        || line == " OK"
        || (line.starts_with("Cannot stat file /proc/1/fd/") && line.ends_with(": Permission denied"))
        || line.starts_with("Can't exec \"udevadm\": No such file or directory")
        || line == "resize2fs: Permission denied to resize filesystem"
        || line.starts_with("Failed to update the container's filesystem: command 'unshare -m ")
        || (line.starts_with("The filesystem on /dev/loop") && line.ends_with(" (4k) blocks long."))
        || (line.starts_with("Filesystem at /dev/loop") && line.ends_with("on-line resizing required"))
}

/// A log as it is compared.
pub(crate) fn comparable(lines: &[String]) -> Vec<String> {
    lines.iter().filter(|line| !accidental(line)).map(|line| cut(line)).collect()
}

fn cut(line: &str) -> String {
    let mut line = line.to_owned();
    for (pattern, with) in CUTS.iter() {
        line = pattern.replace_all(&line, *with).into_owned();
    }
    if STATISTICS.is_match(&line) {
        line = NUMBER.replace_all(&line, "<n>").into_owned();
    }
    if line.starts_with("INFO: starting new backup job: vzdump ") {
        // The order of the options is an accident of the real node's hashes.
        let mut options: Vec<&str> = OPTION.find_iter(&line).map(|o| o.as_str()).collect();
        options.sort_unstable();
        let begin = OPTION.find(&line).map_or(line.len(), |o| o.start());
        line = format!("{}{}", &line[..begin], options.concat());
    }
    line
}
