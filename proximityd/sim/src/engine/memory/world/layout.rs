//! The files a fresh Debian 13 container has, and those every boot makes anew.

use super::files::uuid;
use super::vfs::{Device, Root, Vfs};

const DIRS: &[(&str, u32)] = &[
    ("/boot", 0o755),
    ("/dev", 0o755),
    ("/etc/apt/sources.list.d", 0o755),
    ("/etc/cron.d", 0o755),
    ("/etc/default", 0o755),
    ("/etc/network/interfaces.d", 0o755),
    ("/etc/profile.d", 0o755),
    ("/etc/ssh/sshd_config.d", 0o755),
    ("/etc/systemd/system", 0o755),
    ("/etc/sysctl.d", 0o755),
    ("/home", 0o755),
    ("/media", 0o755),
    ("/mnt", 0o755),
    ("/opt", 0o755),
    ("/proc", 0o555),
    ("/root", 0o700),
    ("/run", 0o755),
    ("/srv", 0o755),
    ("/sys", 0o555),
    ("/tmp", 0o1777),
    ("/usr/bin", 0o755),
    ("/usr/lib", 0o755),
    ("/usr/local/bin", 0o755),
    ("/usr/sbin", 0o755),
    ("/usr/share", 0o755),
    ("/var/cache/apt/archives", 0o755),
    ("/var/lib/apt/lists", 0o755),
    ("/var/lib/dpkg", 0o755),
    ("/var/log", 0o755),
    ("/var/mail", 0o2775),
    ("/var/spool/cron", 0o755),
    ("/var/tmp", 0o1777),
];

const FILES: &[(&str, u32, &str)] = &[
    (
        "/etc/os-release",
        0o644,
        "PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"13\"\nVERSION=\"13 (trixie)\"\nVERSION_CODENAME=trixie\nID=debian\nHOME_URL=\"https://www.debian.org/\"\nSUPPORT_URL=\"https://www.debian.org/support\"\nBUG_REPORT_URL=\"https://bugs.debian.org/\"\n",
    ),
    ("/etc/debian_version", 0o644, "13.1\n"),
    (
        "/etc/passwd",
        0o644,
        "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\nsshd:x:991:65534:sshd user:/run/sshd:/usr/sbin/nologin\n",
    ),
    ("/etc/group", 0o644, "root:x:0:\ndaemon:x:1:\nwww-data:x:33:\nnogroup:x:65534:\n"),
    ("/etc/shadow", 0o640, "root:*:20000:0:99999:7:::\n"),
    ("/etc/resolv.conf", 0o644, "nameserver 127.0.0.1\n"),
    ("/etc/nsswitch.conf", 0o644, "passwd: files\ngroup: files\nhosts: files dns\n"),
    (
        "/etc/apt/sources.list.d/debian.sources",
        0o644,
        "Types: deb\nURIs: http://deb.debian.org/debian\nSuites: trixie trixie-updates\nComponents: main contrib\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n",
    ),
    (
        "/etc/ssh/sshd_config",
        0o644,
        "Include /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\nSubsystem sftp internal-sftp\n",
    ),
    (
        "/etc/network/interfaces",
        0o644,
        "auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet dhcp\n",
    ),
    ("/etc/timezone", 0o644, "Etc/UTC\n"),
    ("/etc/profile", 0o644, "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"),
    ("/root/.bashrc", 0o644, "# ~/.bashrc: executed by bash(1) for non-login shells.\n"),
    ("/root/.profile", 0o644, "# ~/.profile: executed by Bourne-compatible login shells.\n"),
];

/// A freshly unpacked root file system.
pub(crate) fn debian(hostname: &str) -> Vfs {
    let mut vfs = Vfs::default();
    for (path, mode) in DIRS {
        vfs.mkdir_all(path, *mode).expect("the layout has no file where a directory is meant");
    }
    for (link, target) in
        [("/bin", "usr/bin"), ("/lib", "usr/lib"), ("/sbin", "usr/sbin"), ("/var/run", "/run")]
    {
        vfs.symlink(link, target).expect("the layout is fresh");
    }
    for (path, mode, text) in FILES {
        vfs.write(path, text.as_bytes().to_vec(), *mode).expect("the layout fits");
    }
    let _ = vfs.write("/etc/machine-id", b"uninitialized\n".to_vec(), 0o444);
    set_hostname(&mut vfs, hostname);
    boot(&mut vfs, 0);
    vfs
}

/// Writes the host name where PVE writes it.
pub(crate) fn set_hostname(vfs: &mut Vfs, hostname: &str) {
    let hosts = format!(
        "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n# --- BEGIN PVE ---\n127.0.1.1 {hostname}\n# --- END PVE ---\n"
    );
    let _ = vfs.write("/etc/hostname", format!("{hostname}\n").into_bytes(), 0o644);
    let _ = vfs.write("/etc/hosts", hosts.into_bytes(), 0o644);
}

/// What a boot makes anew: the tmpfs, devices, `/proc`, and an empty machine-id filled.
pub(crate) fn boot(vfs: &mut Vfs, memory_kib: u64) {
    for dir in super::files::VOLATILE {
        vfs.remove_all(dir);
    }
    let dirs = [
        ("/run", 0o755),
        ("/run/lock", 0o1777),
        ("/run/sshd", 0o755),
        ("/run/systemd", 0o755),
        ("/tmp", 0o1777),
        ("/dev", 0o755),
        ("/dev/shm", 0o1777),
        ("/dev/pts", 0o755),
        ("/proc", 0o555),
        ("/proc/sys/kernel/random", 0o555),
    ];
    for (path, mode) in dirs {
        let _ = vfs.mkdir_all(path, mode);
    }
    let devices = [
        ("/dev/null", Device::Null),
        ("/dev/zero", Device::Zero),
        ("/dev/full", Device::Full),
        ("/dev/tty", Device::Tty),
        ("/dev/console", Device::Tty),
        ("/dev/urandom", Device::Random),
        ("/dev/random", Device::Random),
        ("/proc/sys/kernel/random/uuid", Device::Uuid),
        ("/proc/uptime", Device::Uptime),
    ];
    for (path, device) in devices {
        vfs.device(path, device);
    }
    let proc = [
        ("/proc/sys/kernel/random/boot_id", format!("{}\n", uuid())),
        ("/proc/loadavg", "0.00 0.01 0.00 1/64 400\n".to_owned()),
        (
            "/proc/meminfo",
            format!(
                "MemTotal:       {memory_kib} kB\nMemFree:        {0} kB\nMemAvailable:   {0} kB\n",
                memory_kib / 10 * 9
            ),
        ),
        ("/proc/version", "Linux version 6.14.11-3-pve (embedded node)\n".to_owned()),
        ("/proc/1/comm", "systemd\n".to_owned()),
    ];
    for (path, text) in proc {
        let _ = vfs.mkdir_all(super::vfs::parent(path), 0o555);
        let _ = vfs.write(path, text.into_bytes(), 0o444);
    }
    let root = Root::default();
    let id = vfs.locate(&root, "/etc/machine-id", true).and_then(|key| vfs.read(&key)).unwrap_or_default();
    if id.is_empty() || id.starts_with(b"uninitialized") {
        let _ = vfs.write("/etc/machine-id", format!("{}\n", uuid().replace('-', "")).into_bytes(), 0o444);
    }
}

/// Gives a service's root the few directories an image has.
pub(crate) fn image_root(vfs: &mut Vfs, prefix: &str) {
    if vfs.entry(prefix).is_some() {
        return;
    }
    for dir in
        ["bin", "dev", "etc", "home", "proc", "root", "run", "srv", "tmp", "usr/bin", "var/lib", "var/log"]
    {
        let _ = vfs.mkdir_all(&format!("{prefix}/{dir}"), 0o755);
    }
    let passwd = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n";
    let _ = vfs.write(&format!("{prefix}/etc/passwd"), passwd.as_bytes().to_vec(), 0o644);
    vfs.device(&format!("{prefix}/dev/null"), Device::Null);
    vfs.device(&format!("{prefix}/dev/urandom"), Device::Random);
    vfs.device(&format!("{prefix}/dev/zero"), Device::Zero);
}
