//! The processes of this machine that belong to a test's directory.

use std::path::Path;

use rustix::process::{Pid, Signal};

/// A process, as `/proc` shows it.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// Its arguments, parted by spaces.
    pub arguments: String,
}

impl Process {
    /// Ends it at once, and waits until it is gone.
    pub fn kill9(&self) {
        if let Some(pid) = Pid::from_raw(self.pid) {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
        crate::eventually("the process is gone", || (!alive(self.pid)).then_some(()));
    }
}

/// Whether a process runs. One that has ended and is not waited for does not.
pub(crate) fn alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next());
    !matches!(state, None | Some("Z"))
}

/// Those that name a directory in their arguments, except this one.
pub fn processes_of(dir: &Path) -> Vec<Process> {
    with(dir, &["cmdline"])
}

/// Those that name a directory in their arguments or their environment, except this one.
pub(crate) fn all_processes_of(dir: &Path) -> Vec<Process> {
    with(dir, &["cmdline", "environ"])
}

fn with(dir: &Path, places: &[&str]) -> Vec<Process> {
    let dir = dir.display().to_string();
    let entries = std::fs::read_dir("/proc").expect("/proc can be read").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_string_lossy().parse::<i32>().ok());
    let own = std::process::id().cast_signed();
    let read = |pid: i32, name: &str| {
        let text = std::fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
        String::from_utf8_lossy(&text).replace('\0', " ")
    };
    pids.filter(|pid| *pid != own && alive(*pid))
        .filter(|pid| places.iter().any(|place| read(*pid, place).contains(&dir)))
        .map(|pid| Process { pid, arguments: read(pid, "cmdline") })
        .collect()
}
