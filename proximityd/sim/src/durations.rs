//! How long each step of a task took on a real node (Proxmox VE 9.2, a Debian 12 container of 100 MB on btrfs).

use std::time::Duration;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A disk allocated and formatted.
pub(crate) const FORMAT: Duration = ms(300);
/// A guest template unpacked (`vzcreate` as a whole: 1.9 to 2.2 s).
pub(crate) const UNPACK: Duration = ms(1600);
/// Set up after unpacking.
pub(crate) const SET_UP: Duration = ms(200);
/// `vzstart`: 2.5 to 3.0 s.
pub(crate) const START: Duration = ms(2800);
/// From a start's end until the container has its address.
pub(crate) const NETWORK: Duration = ms(1200);
/// `vzstop`: 1.8 to 2.1 s.
pub(crate) const STOP: Duration = ms(1900);
/// `vzshutdown`, and the first half of `vzreboot`.
pub(crate) const SHUTDOWN: Duration = ms(2000);
/// `vzsnapshot`.
pub(crate) const SNAPSHOT: Duration = ms(300);
/// `vzrollback`.
pub(crate) const ROLLBACK: Duration = ms(290);
/// `vzdelsnapshot`.
pub(crate) const DELETE_SNAPSHOT: Duration = ms(220);
/// `vztemplate`; its end is seen by a start that waits for its lock.
pub(crate) const TEMPLATE: Duration = ms(200);
/// The copying of a full clone (`vzclone` as a whole: 3.3 s).
pub(crate) const COPY: Duration = ms(2900);
/// A linked clone.
pub(crate) const LINK: Duration = ms(580);
/// A restore's unpacking (`vzrestore` as a whole: 1.9 to 2.1 s).
pub(crate) const RESTORE: Duration = ms(1700);
/// A backup's storage snapshot, made and removed.
pub(crate) const DUMP_SNAPSHOT: Duration = ms(200);
/// A backup's archive (`vzdump` of a running container as a whole: 2.7 s; in stop mode 8.3 s).
pub(crate) const ARCHIVE: Duration = ms(2300);
/// `imgdel`.
pub(crate) const DELETE_VOLUME: Duration = ms(140);
/// `vzdestroy`.
pub(crate) const DESTROY: Duration = ms(210);
/// `resize` of a stopped container: file system check and growth, 22 s.
pub(crate) const RESIZE: Duration = ms(22_000);
/// A template downloaded.
pub(crate) const DOWNLOAD: Duration = ms(2000);
/// The period of the collector of figures (`pvestatd`): a container younger than its next turn has none.
pub(crate) const FIGURES: Duration = ms(10_000);
/// How long a lock file is waited for before `got timeout`.
pub(crate) const LOCK_WAIT: Duration = ms(10_000);
