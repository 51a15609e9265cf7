//! The scripts that make a guest ready for Docker. They are the same on every engine and on a real Proxmox VE host.

use sha2::{Digest, Sha256};

use super::admission;

/// Whether Docker and Compose are there already, as in a template that was made for it; a Docker that is just starting
/// gets its time.
pub const READY: &str = r#"command -v docker >/dev/null 2>&1 || exit 3
i=0
until docker info >/dev/null 2>&1; do
  i=$((i+1))
  if [ $i -ge 60 ]; then exit 3; fi
  sleep 0.5
done
docker version --format '{{.Server.Version}}'
docker compose version --short || exit 3
"#;

/// Installs Docker and its Compose plugin from the distribution's own packages, and proves that they work.
/// Container logs are bounded, so that they never fill the disk.
pub const INSTALL: &str = r#"export DEBIAN_FRONTEND=noninteractive LC_ALL=C
mkdir -p /etc/docker
if [ ! -e /etc/docker/daemon.json ]; then
  printf '%s\n' '{"log-driver": "local", "log-opts": {"max-size": "10m", "max-file": "3"}}' >/etc/docker/daemon.json
fi
i=0
until apt-get -q update; do
  i=$((i+1))
  if [ $i -ge 5 ]; then echo 'the package lists cannot be fetched' >&2; exit 100; fi
  sleep 2
done
apt-get -q -y --no-install-recommends install ca-certificates curl docker.io docker-cli docker-compose
systemctl enable --now docker
i=0
until docker info >/dev/null 2>&1; do
  i=$((i+1))
  if [ $i -ge 120 ]; then docker info >&2; exit 1; fi
  sleep 0.5
done
docker version --format '{{.Server.Version}}'
docker compose version --short
"#;

/// Takes away what no two guests may share, and what a template need not carry; Docker is stopped cleanly.
pub const SEAL: &str = r#"for unit in docker.socket docker.service containerd.service; do
  systemctl stop $unit 2>/dev/null || true
done
rm -f /var/lib/docker/engine-id /etc/ssh/ssh_host_rsa_key /etc/ssh/ssh_host_rsa_key.pub
rm -f /etc/ssh/ssh_host_ecdsa_key /etc/ssh/ssh_host_ecdsa_key.pub
rm -f /etc/ssh/ssh_host_ed25519_key /etc/ssh/ssh_host_ed25519_key.pub
apt-get clean
rm -rf /var/lib/apt/lists /root/.bash_history
mkdir -p /var/lib/apt/lists/partial
: >/etc/machine-id
sync
"#;

/// Makes a clone's own SSH host keys: Proxmox VE makes new ones where a container is created, not where it is cloned. Its SSH
/// server could not start without any, and systemd may have given it up (start limit, systemd.unit(5)).
const HOST_KEYS: &str = r#"if command -v ssh-keygen >/dev/null 2>&1 && [ -d /etc/ssh ]; then
  ssh-keygen -A >/dev/null
  systemctl reset-failed ssh >/dev/null 2>&1 || true
  systemctl start ssh >/dev/null 2>&1 || true
fi
"#;

/// Waits until a clone's Docker answers.
const DOCKER: &str = r#"i=0
until docker info >/dev/null 2>&1; do
  i=$((i+1))
  if [ $i -ge 240 ]; then docker info >&2; systemctl status docker >&2; exit 1; fi
  sleep 0.5
done
docker info --format '{{.ID}}'
"#;

/// Gives a clone its own identity, lets the daemon in by SSH (see [`admission`]), and waits until its Docker answers. The
/// machine-id was made by systemd at boot and the engine's id by Docker at its start.
pub fn first_boot() -> String {
    [HOST_KEYS, admission::SCRIPT, DOCKER].concat()
}

/// Disk of a golden container, in GiB: Debian with Docker takes 1.2 GB; a clone's disk can only grow from here.
pub const GOLDEN_DISK_GIB: u32 = 3;

/// Prefix of the OS template in Proxmox's appliance index that the recipe is for.
pub const OS_TEMPLATE: &str = "debian-13-standard_";

/// How well a guest template on a storage serves, by its file name: one made for Docker is best, then Debian 13, whose
/// packages hold Compose v2. An older Debian serves only when it brings Docker and Compose itself.
pub fn fitness(file_name: &str) -> u8 {
    let debian = file_name.starts_with("debian-");
    match file_name {
        name if name.starts_with("proximity-") => 5,
        name if name.contains("docker") => 4,
        name if name.starts_with(OS_TEMPLATE) => 3,
        name if name.starts_with("debian-13") => 2,
        _ if debian => 1,
        _ => 0,
    }
}

/// From this fitness on, nothing better is looked for elsewhere.
pub const GOOD: u8 = 2;

/// Names the recipe: a golden container made by another one is another golden container.
pub fn recipe() -> String {
    let mut hash = Sha256::new();
    for part in [READY, INSTALL, SEAL, OS_TEMPLATE] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.update(GOLDEN_DISK_GIB.to_be_bytes());
    hash.finalize()[..6].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_are_valid_shell() {
        for script in [READY, INSTALL, SEAL, &first_boot()] {
            let status = std::process::Command::new("sh").args(["-n", "-c", script]).status().unwrap();
            assert!(status.success(), "{script}");
        }
    }

    #[test]
    fn the_recipe_has_a_stable_name() {
        assert_eq!(recipe(), recipe());
        assert_eq!(recipe().len(), 12);
    }
}
