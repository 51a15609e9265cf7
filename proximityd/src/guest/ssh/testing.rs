//! A real OpenSSH server on the loopback, for tests.

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command as Program};

use tempfile::TempDir;

use crate::model::host::Ssh;

pub(crate) const SSHD: &str = "/usr/sbin/sshd";
pub(crate) const VMID: u32 = 100;
pub(crate) const PCT: &str = r#"#!/bin/sh
[ "$1 $2 $3" = "exec 100 --" ] || { echo "container '$2' not running!" >&2; exit 255; }
shift 3
echo "perl: warning: Setting locale failed." >&2
exec "$@"
"#;
/// For whoever runs these tests and is not root.
pub(crate) const SUDO: &str = "#!/bin/sh\n[ \"$1\" = -n ] && shift\nexec \"$@\"\n";

/// A server with a configuration of its own; the "node".
pub(crate) struct Server {
    pub(crate) dir: TempDir,
    pub(crate) child: Child,
    pub(crate) port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        // The kept connections are processes of their own.
        for pid in self.clients() {
            signal(pid, "KILL");
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    pub(crate) async fn start() -> Server {
        assert!(
            Path::new(SSHD).exists(),
            "{SSHD} is missing; these tests need it: apt install openssh-server"
        );
        if me() == "root" {
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        for name in ["host", "client", "stranger"] {
            let args = ["-q", "-t", "ed25519", "-N", "", "-f", &path(name)];
            assert!(Program::new("ssh-keygen").args(args).status().unwrap().success());
        }
        fs::copy(path("client.pub"), path("authorized")).unwrap();
        fs::create_dir(path("bin")).unwrap();
        fs::create_dir(path("jobs")).unwrap();
        for (name, text) in [("pct", PCT), ("sudo", SUDO)] {
            let program = dir.path().join("bin").join(name);
            fs::write(&program, text).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\nStrictModes no\n\
             PermitRootLogin yes\nPasswordAuthentication no\nSetEnv PATH={}:/usr/local/bin:/usr/bin:/bin\n",
            path("host"),
            path("authorized"),
            path("bin")
        );
        fs::write(path("sshd_config"), config).unwrap();
        let log = fs::File::create(path("log")).unwrap();
        let mut child =
            Program::new(SSHD).args(["-D", "-e", "-f", &path("sshd_config")]).stderr(log).spawn().unwrap();
        // Listening is told in the log; until then the port refuses.
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "sshd ended: {}", fs::read_to_string(path("log")).unwrap());
            tokio::task::yield_now().await;
        }
        Server { dir, child, port }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    pub(crate) fn settings(&self) -> Ssh {
        Ssh {
            user: me(),
            port: self.port,
            key_file: Some(self.path("client").into()),
            host_key: fs::read_to_string(self.path("host.pub")).unwrap(),
        }
    }

    /// The processes of `ssh` that belong to this server's test, those of kept connections as well.
    pub(crate) fn clients(&self) -> Vec<i32> {
        let ours = self.path("s/");
        processes(|line| line.starts_with("ssh") && line.contains(&ours))
    }

    pub(crate) fn fifo(&self, name: &str) -> String {
        let path = self.path(name);
        assert!(Program::new("mkfifo").arg(&path).status().unwrap().success());
        path
    }
}

pub(crate) fn me() -> String {
    let output = Program::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().into()
}

pub(crate) fn processes(is_it: impl Fn(&str) -> bool) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if is_it(&String::from_utf8_lossy(&line).replace('\0', " ")) {
            found.push(pid);
        }
    }
    found
}

pub(crate) fn signal(pid: i32, name: &str) {
    let _ = Program::new("kill").args([format!("-{name}"), pid.to_string()]).status();
}

/// Waits until somebody writes into the pipe, and gives what was written.
pub(crate) async fn read(fifo: &str) -> String {
    let fifo = fifo.to_string();
    tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        fs::File::open(fifo).unwrap().read_to_string(&mut text).unwrap();
        text
    })
    .await
    .unwrap()
}
