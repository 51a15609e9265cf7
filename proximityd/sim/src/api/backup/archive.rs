//! Writes a backup's archive, and what is noted about it.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Plan, prune};
use crate::api::lxc::Work;
use crate::durations::ARCHIVE;
use crate::reply::ApiError;
use crate::state::guest::{Guest, section};
use crate::state::storage::Volume;

/// How far a backup came: the mode it was made in, and whether its archive is complete.
pub(super) struct Written {
    pub(super) mode: String,
    pub(super) result: Result<(), ApiError>,
}

/// A time in a form of `strftime`.
pub(super) fn stamp(at: i64, format: &str) -> String {
    let zoned = Timestamp::from_second(at).unwrap_or_default().to_zoned(TimeZone::UTC);
    zoned.strftime(format).to_string()
}

/// An archive's name without its ending.
pub(super) fn stem(vmid: u32, at: i64) -> String {
    format!("vzdump-lxc-{vmid}-{}", stamp(at, "%Y_%m_%d-%H_%M_%S"))
}

/// The path of a file among the backups, as Proxmox VE prints it.
pub(super) fn path(work: &Work, plan: &Plan, file: &str) -> String {
    work.node.store.view().path_of(&format!("{}:backup/{file}", plan.storage))
}

/// A file name's ending and the command that packs it, by the option `compress`.
fn compressor(compress: &str) -> (&'static str, Option<&'static str>) {
    match compress {
        "zstd" => ("tar.zst", Some("zstd --threads=1")),
        "gzip" | "1" => ("tar.gz", Some("gzip --rsyncable")),
        "lzo" => ("tar.lzo", Some("lzop")),
        _ => ("tar", None),
    }
}

/// Writes the archive, notes and protects it, and removes what is too old.
pub(super) async fn write(work: &Work, plan: &Plan, found: &Guest, begun: i64) -> Result<(), ApiError> {
    let ending = compressor(&plan.compress).0;
    let mut at = begun;
    let mut name = format!("{}.{ending}", stem(work.vmid, at));
    // Where work takes no time, two can begin in one second.
    while work.node.store.view().volume(&work.host, &format!("{}:backup/{name}", plan.storage)).is_some() {
        at += 1;
        name = format!("{}.{ending}", stem(work.vmid, at));
    }
    let mut config = found.config.clone();
    config.remove("lock");
    let text = section(&config, None);
    work.task.log(format!("INFO: creating vzdump archive '{}'", path(work, plan, &name)));
    let size = pack(work, plan, &name, &text).await?;
    if plan.notes.is_some() {
        work.task.log("INFO: adding notes to backup");
    }
    if plan.protected {
        work.task.log("INFO: marking backup as protected");
    }
    work.node.change(|state| {
        state.put_volume(Volume {
            node: work.host.clone(),
            storage: plan.storage.clone(),
            volid: format!("{}:backup/{name}", plan.storage),
            content: "backup".into(),
            format: ending.into(),
            size,
            vmid: Some(work.vmid),
            ctime: at,
            notes: plan.notes.as_ref().map(|n| notes(n, work, found)),
            protected: plan.protected,
            config: Some(text),
            ..Volume::default()
        });
        Ok(())
    })?;
    match plan.retention.as_ref().filter(|_| plan.remove) {
        Some(retention) => prune::after_backup(work, &plan.storage, retention),
        None => Ok(()),
    }
}

/// Writes the file and returns its size.
async fn pack(work: &Work, plan: &Plan, name: &str, config: &str) -> Result<u64, ApiError> {
    let dir = work.node.storage_dir(&work.host, &plan.storage).join("dump");
    std::fs::create_dir_all(&dir)
        .map_err(|e| ApiError::died(format!("unable to create dump directory - {e}")))?;
    let (file, spec) = (dir.join(name), work.spec()?);
    let tar = tar_command(&path(work, plan, name), compressor(&plan.compress).1);
    let archiving = async { Ok(work.node.engine.archive(&spec, config, &file).await?) };
    let interrupted = format!("command '{tar}' failed: interrupted by signal");
    let time = work.node.task_time(ARCHIVE);
    if let Err(error) = work.task.interruptible(&interrupted, time, archiving).await {
        let _ = std::fs::remove_file(&file);
        return Err(error);
    }
    let written = std::fs::metadata(&file).map_or(0, |m| m.len());
    if work.node.store.view().free(&work.host, &plan.storage) < written {
        let _ = std::fs::remove_file(&file);
        work.task.log("INFO: Total bytes written: 0 (0B, ?/s)");
        work.task.log("INFO: tar: -: Cannot write: No space left on device");
        work.task.log("INFO: tar: Error is not recoverable: exiting now");
        return Err(ApiError::died(format!("command '{tar}' failed: exit code 2")));
    }
    let (mib, size) = (written >> 20, rounded(written));
    work.task.log(format!("INFO: Total bytes written: {written} ({mib}MiB, 63MiB/s)"));
    work.task.log(format!("INFO: archive file size: {size}"));
    Ok(written)
}

/// A size as a backup's log names it.
fn rounded(bytes: u64) -> String {
    let (kib, mib) = (bytes >> 10, bytes >> 20);
    match mib {
        0 => format!("{kib}KB"),
        1..1024 => format!("{mib}MB"),
        _ => format!("{}.{:02}GB", mib >> 10, (mib & 1023) * 100 / 1024),
    }
}

fn tar_command(archive: &str, packer: Option<&str>) -> String {
    let base = archive.split(".tar").next().unwrap_or(archive);
    let unfinished = if packer.is_some() { format!("{base}.tar.dat") } else { format!("{base}.dat") };
    let packer = packer.map(|p| format!(" | {p}")).unwrap_or_default();
    format!(
        "set -o pipefail && lxc-usernsexec -m u:0:100000:65536 -m g:0:100000:65536 -- tar cpf - --totals \
         --one-file-system -p --sparse --numeric-owner --acls --xattrs '--xattrs-include=user.*' \
         '--xattrs-include=security.capability' '--warning=no-file-ignored' '--warning=no-xattr-write' \
         --one-file-system '--warning=no-file-ignored' '--directory={base}.tmp' ./etc/vzdump/pct.conf \
         ./etc/vzdump/pct.fw '--directory=/mnt/vzsnap0' --no-anchored '--exclude=lost+found' --anchored \
         '--exclude=./tmp/?*' '--exclude=./var/tmp/?*' '--exclude=./var/run/?*.pid' ./{packer} >{unfinished}"
    )
}

/// What of a notes template cannot be filled in, in Proxmox VE's words.
pub(super) fn unknown_in_notes(template: &str) -> Option<String> {
    if template.contains('\n') {
        return Some("contains a line feed\n".to_owned());
    }
    let mut unknown = Vec::new();
    let mut rest = template.char_indices();
    while let Some((at, c)) = rest.next() {
        if c == '\\'
            && let Some((_, escaped)) = rest.next().filter(|(_, e)| !matches!(e, 'n' | '\\'))
        {
            unknown.push(format!("escape sequence '\\{escaped}' at char {at}"));
        }
    }
    let known = ["cluster", "guestname", "node", "vmid"];
    let mut from = 0;
    while let Some(open) = template[from..].find("{{").map(|i| from + i + 2) {
        let Some(close) = template[open..].find("}}").map(|i| open + i) else { break };
        let name = &template[open..close];
        let plain = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || "{}".contains(c));
        if plain && !known.contains(&name) {
            unknown.push(format!("variable '{name}' at char {}", open + 2));
        }
        from = if plain { close + 2 } else { open };
    }
    (!unknown.is_empty()).then(|| format!("found unknown: {}\n", unknown.join(", ")))
}

/// Fills a notes template in.
fn notes(template: &str, work: &Work, found: &Guest) -> String {
    let mut text = String::new();
    let mut rest = template.chars();
    while let Some(c) = rest.next() {
        match (c, if c == '\\' { rest.next() } else { None }) {
            ('\\', Some('n')) => text.push('\n'),
            (_, Some(escaped)) => text.push(escaped),
            (plain, None) => text.push(plain),
        }
    }
    let cluster = if work.node.options.nodes.len() > 1 { "proximity" } else { "standalone node" };
    text.replace("{{guestname}}", &found.name(work.vmid))
        .replace("{{vmid}}", &work.vmid.to_string())
        .replace("{{node}}", &work.host)
        .replace("{{cluster}}", cluster)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notes_template_names_what_it_cannot_fill_in() {
        assert_eq!(unknown_in_notes("{{guestname}} \\n {{vmid}} \\\\ {{ x }}"), None);
        assert_eq!(
            unknown_in_notes("a {{who}} \\t").as_deref(),
            Some("found unknown: escape sequence '\\t' at char 10, variable 'who' at char 6\n")
        );
    }

    #[test]
    fn the_command_writes_to_a_file_that_is_not_the_archive_yet() {
        let packed = tar_command("/var/lib/vz/dump/x.tar.gz", Some("gzip --rsyncable"));
        assert!(packed.ends_with("./ | gzip --rsyncable >/var/lib/vz/dump/x.tar.dat"), "{packed}");
        assert!(tar_command("/d/x.tar", None).ends_with(" ./ >/d/x.dat"));
    }
}
