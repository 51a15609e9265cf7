//! Letting the daemon into a container by SSH: what is written there, and what is learnt there, over a way that was there
//! before (the console, or `pct exec`). So a container's host key is never taken from the network.
//!
//! A linked clone takes no `ssh-public-keys` (Proxmox VE has the parameter where a container is created), and a golden
//! container must hold nobody's key: so the key is written into each clone. No SSH server is installed for it.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use super::Job;
use super::ssh::keys;
use crate::model::app::GuestSsh;

/// The port of a container's SSH server.
pub const PORT: u16 = 22;
/// What a line of ours in `authorized_keys` ends with.
const COMMENT: &str = "proximityd";
/// What stands before the host key in the answer.
const ANSWER: &str = "ssh-host-key: ";

/// Puts the line `$1` into root's `authorized_keys` in place of one of ours, and prints the host key; an empty `$1` takes ours
/// away. Where there is no SSH server, nothing is put there. None of it is a reason to fail.
pub const SCRIPT: &str = r#"admit=$1
if [ ! -x /usr/sbin/sshd ] || [ ! -s /etc/ssh/ssh_host_ed25519_key.pub ]; then admit=; fi
if [ -n "$admit" ] || grep -qs ' proximityd$' /root/.ssh/authorized_keys; then
  (
    umask 077
    new=/root/.ssh/authorized_keys.proximityd
    mkdir -p /root/.ssh && touch /root/.ssh/authorized_keys &&
    { grep -v ' proximityd$' /root/.ssh/authorized_keys >$new || true; } &&
    { [ -z "$admit" ] || printf '%s\n' "$admit" >>$new; } &&
    mv $new /root/.ssh/authorized_keys &&
    { [ -z "$admit" ] || printf 'ssh-host-key: %s\n' "$(cat /etc/ssh/ssh_host_ed25519_key.pub)"; }
  ) || true
fi
"#;

/// The line that lets the daemon's key in: from its own address alone, to run commands and no more. None when there is no
/// route to the container. Where addresses are translated on the way, the container sees another one and refuses the key.
pub fn line(public: &str, guest: &str) -> Option<String> {
    let from = source(guest)?;
    Some(format!("restrict,pty,from=\"{from}\" {public} {COMMENT}"))
}

/// A job that writes the line, or with an empty one takes ours away.
pub fn job(id: String, line: &str) -> Job {
    Job::script(id, SCRIPT, &[line], Duration::from_secs(60))
}

/// What the script said: the host key, or that there is no SSH server.
pub fn read(stdout: &str, vmid: u32, line: &str) -> GuestSsh {
    let said = stdout.lines().find_map(|said| said.trim().strip_prefix(ANSWER));
    GuestSsh { vmid, line: line.into(), host_key: said.and_then(|key| keys::host_keys(key).ok()) }
}

/// The address that we have on the way to another. Connecting a UDP socket sends nothing.
fn source(to: &str) -> Option<IpAddr> {
    let to: IpAddr = to.parse().ok()?;
    let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(SocketAddr::new(to, PORT)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;
    use std::process::Command;

    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBERERERERERERERERERERERERERERERERERERERERER";

    /// Runs the script on a root of its own.
    fn run(root: &Path, line: &str) -> String {
        let script = ["/usr/sbin", "/etc/ssh", "/root/"]
            .iter()
            .fold(SCRIPT.to_string(), |script, dir| script.replace(dir, &format!("{}{dir}", root.display())));
        let output = Command::new("sh").args(["-euc", &script, "proximity", line]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn root_with_server() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for dir in ["usr/sbin", "etc/ssh", "root"] {
            fs::create_dir_all(root.path().join(dir)).unwrap();
        }
        let sshd = root.path().join("usr/sbin/sshd");
        fs::write(&sshd, "").unwrap();
        fs::set_permissions(&sshd, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(root.path().join("etc/ssh/ssh_host_ed25519_key.pub"), format!("{KEY} root@web\n")).unwrap();
        root
    }

    #[test]
    fn the_line_is_put_beside_a_persons_keys_replaced_and_taken_away_again() {
        let root = root_with_server();
        let keys = root.path().join("root/.ssh/authorized_keys");
        let one = line(KEY, "127.0.0.1").unwrap();
        assert_eq!(one, format!("restrict,pty,from=\"127.0.0.1\" {KEY} proximityd"));
        let said = run(root.path(), &one);
        assert_eq!(read(&said, 7, &one).host_key.as_deref(), Some(KEY));
        assert_eq!(fs::read_to_string(&keys).unwrap(), format!("{one}\n"));
        assert_eq!(fs::metadata(&keys).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(keys.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        // A person's file need not end with a newline.
        fs::write(&keys, format!("{one}\nssh-rsa AAAA me@home")).unwrap();
        let two = one.replace("127.0.0.1", "192.0.2.7");
        run(root.path(), &two);
        assert_eq!(fs::read_to_string(&keys).unwrap(), format!("ssh-rsa AAAA me@home\n{two}\n"));
        assert_eq!(run(root.path(), ""), "");
        assert_eq!(fs::read_to_string(&keys).unwrap(), "ssh-rsa AAAA me@home\n");
    }

    #[test]
    fn without_an_ssh_server_nothing_is_written_and_that_is_said() {
        let root = root_with_server();
        fs::remove_file(root.path().join("usr/sbin/sshd")).unwrap();
        let said = run(root.path(), "restrict x proximityd");
        assert_eq!(read(&said, 7, "x"), GuestSsh { vmid: 7, line: "x".into(), host_key: None });
        assert!(!root.path().join("root/.ssh").exists());
    }

    #[test]
    fn a_root_that_cannot_be_written_fails_nothing_and_admits_nobody() {
        let root = root_with_server();
        fs::remove_dir(root.path().join("root")).unwrap();
        fs::write(root.path().join("root"), "no directory").unwrap();
        assert_eq!(run(root.path(), "restrict x proximityd"), "");
    }

    #[test]
    fn what_is_no_host_key_is_not_taken_for_one() {
        assert_eq!(read("ssh-host-key: ssh-ed25519 AAAA\n", 7, "x").host_key, None);
        assert_eq!(read("noise\n", 7, "x").host_key, None);
        let said = format!("one\nssh-host-key: {KEY} root@web\r\ntwo\n");
        assert_eq!(read(&said, 7, "x").host_key.as_deref(), Some(KEY));
    }

    #[test]
    fn where_there_is_no_address_there_is_no_line() {
        assert_eq!(line(KEY, "web.example"), None);
        assert_eq!(line(KEY, ""), None);
    }
}
