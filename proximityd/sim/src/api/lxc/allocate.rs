//! Makes and frees a container's volumes, within the space there is.

use crate::api::lxc::Work;
use crate::durations::FORMAT;
use crate::reply::ApiError;
use crate::schema::print_size;
use crate::state::guest::MountPoint;
use crate::state::storage::Volume;

/// A volume to be made.
pub(super) struct NewVolume<'a> {
    pub(super) storage: &'a str,
    pub(super) size: u64,
}

impl Work {
    /// Makes a volume for this container.
    ///
    /// # Errors
    /// When the storage is full.
    pub(super) fn allocate(&self, new: &NewVolume<'_>) -> Result<String, ApiError> {
        self.node.change(|state| {
            let NewVolume { storage, size } = new;
            if !state.storages.contains_key(*storage) {
                return Err(ApiError::died(format!("storage '{storage}' does not exist")));
            }
            if state.free(&self.host, storage) < *size {
                return Err(ApiError::Died(NO_SPACE.to_owned()));
            }
            let volid = state.new_disk(&self.host, storage, self.vmid);
            state.put_volume(Volume {
                node: self.host.clone(),
                storage: (*storage).to_owned(),
                volid: volid.clone(),
                content: "rootdir".into(),
                format: "raw".into(),
                size: *size,
                vmid: Some(self.vmid),
                ctime: self.node.clock.now(),
                ..Volume::default()
            });
            Ok(volid)
        })
    }

    /// Frees volumes; one that is gone already is no error.
    pub(super) fn free(&self, volids: &[String]) -> Result<(), ApiError> {
        self.node.change(|state| {
            for volid in volids {
                state.remove_volume(&self.host, volid);
            }
            Ok(())
        })
    }

    /// Makes the disk a mount point asks for, tells the log, and fills in what is kept in the configuration.
    ///
    /// # Errors
    /// When the storage is full, or somebody stops the task meanwhile; then there is no disk.
    pub(super) async fn make_disk(
        &self,
        mount: &mut MountPoint,
        storage: &str,
        size: u64,
    ) -> Result<String, ApiError> {
        let (volid, path) = {
            let state = self.node.store.view();
            let volid = state.new_disk(&self.host, storage, self.vmid);
            (volid.clone(), state.path_of(&volid))
        };
        let format = format!("mkfs.ext4 -O mmp -E 'root_owner=100000:100000' {path}");
        let making = async {
            let volid = self.allocate(&NewVolume { storage, size })?;
            self.log_new_disk(&volid, size);
            Ok(volid)
        };
        match self.task.step(&format, self.node.task_time(FORMAT), making).await {
            Ok(volid) => {
                mount.parts.insert("volume".into(), volid.clone());
                mount.parts.insert("size".into(), print_size(size));
                Ok(volid)
            }
            Err(error) => {
                self.free(&[volid])?;
                Err(error)
            }
        }
    }

    fn log_new_disk(&self, volid: &str, size: u64) {
        let (storage, name) = volid.split_once(':').unwrap_or(("", volid));
        let (kind, path) = {
            let state = self.node.store.view();
            (state.storages.get(storage).map(|s| s.kind.clone()), state.path_of(volid))
        };
        match kind.as_deref() {
            Some("lvmthin") => self.task.log(format!("  Logical volume \"{name}\" created.")),
            Some("dir") => {
                self.task.log(format!("Formatting '{path}', fmt=raw size={size} preallocation=off"));
            }
            _ => {}
        }
        let blocks = size / 4096;
        let mut uuid = [0u8; 16];
        rand::Rng::fill(&mut rand::rng(), &mut uuid);
        let hex: String = uuid.iter().map(|b| format!("{b:02x}")).collect();
        self.task.log(format!("Creating filesystem with {blocks} 4k blocks and {} inodes", blocks / 4));
        self.task.log(format!(
            "Filesystem UUID: {}-{}-{}-{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..]
        ));
        self.task.log("Superblock backups stored on blocks: ");
        let copies =
            [32_768, 98_304, 163_840, 229_376, 294_912, 819_200, 884_736, 1_605_632, 2_654_208, 4_096_000];
        let copies: Vec<String> = copies.iter().filter(|c| **c < blocks).map(u64::to_string).collect();
        self.task.log(format!("\t{}", copies.join(", ")));
    }
}

/// What `rsync --stats` says about so many bytes in a Debian guest's usual number of files.
pub(super) fn rsync_statistics(bytes: u64) -> String {
    let (sent, received) = (grouped(bytes + 314_134), grouped(78_913));
    let bytes = grouped(bytes);
    format!(
        "\nNumber of files: 5,033 (reg: 3,923, dir: 479, link: 631)\n\
         Number of created files: 5,031 (reg: 3,923, dir: 477, link: 631)\n\
         Number of deleted files: 0\nNumber of regular files transferred: 3,921\n\
         Total file size: {bytes} bytes\nTotal transferred file size: {bytes} bytes\n\
         Literal data: {bytes} bytes\nMatched data: 0 bytes\nFile list size: 65,536\n\
         File list generation time: 0.003 seconds\nFile list transfer time: 0.000 seconds\n\
         Total bytes sent: {sent}\nTotal bytes received: {received}\n\n\
         sent {sent} bytes  received {received} bytes  41,242,276.00 bytes/sec\n\
         total size is {bytes}  speedup is 1.03"
    )
}

/// A number with commas between its thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}

/// What an allocation on a full storage dies of; a creation turns it into the words of its unpacking.
pub(super) const NO_SPACE: &str = "No space left on device";

/// The command that unpacks an archive into a container.
pub(super) fn unpack_command(vmid: u32, archive: &str) -> String {
    let how = match archive.rsplit('.').next() {
        Some("zst") => " --zstd",
        Some("gz") => " -z",
        Some("xz") => " -J",
        _ => "",
    };
    format!(
        "lxc-usernsexec -m u:0:100000:65536 -m g:0:100000:65536 -- tar xpf -{how} --totals --one-file-system -p \
         --sparse --numeric-owner --acls --xattrs '--xattrs-include=user.*' '--xattrs-include=security.capability' \
         '--warning=no-file-ignored' '--warning=no-xattr-write' -C /var/lib/lxc/{vmid}/rootfs --skip-old-files \
         --anchored --exclude './dev/*'"
    )
}

/// Turns a full storage into the failure of the unpacking that runs into it.
pub(super) fn full_storage(work: &Work, archive: &str, error: ApiError) -> ApiError {
    if error.to_string() != NO_SPACE {
        return error;
    }
    for file in
        ["systemd/libsystemd-shared-257.so", "libcrypt.so.1.1.0", "libgmp.so.10.5.0", "liblzma.so.5.8.1"]
    {
        work.task
            .log(format!("tar: ./usr/lib/x86_64-linux-gnu/{file}: Cannot write: No space left on device"));
    }
    work.task.log("tar: Exiting with failure status due to previous errors");
    ApiError::died(format!("command '{}' failed: exit code 2", unpack_command(work.vmid, archive)))
}
