//! Guests kept, copied, rolled back, archived, and many at once.
#![allow(clippy::unwrap_used)]

mod memory_rig;

use std::time::{Duration, Instant};

use memory_rig::{Rig, get};
use proximity_sim::engine::Engine as _;

const WEB: &str = "services:\n  web:\n    image: nginx:1.27\n    ports: [\"8080:80\"]";

#[tokio::test]
async fn what_ran_runs_again_after_the_node_was_killed() {
    let rig = Rig::new().await;
    let guest = rig.docker_guest(100).await;
    let stopped = rig.guest(101).await;
    rig.engine.stop(&stopped).await.unwrap();
    assert_eq!(rig.up(&guest, WEB).await.1, 0);
    rig.ok(&guest, "echo kept >/root/f; stty sane").await;
    let address = rig.address(&guest).await;
    // A killed process holds no sockets: the old engine is left behind, its services ended by hand.
    rig.ok(&guest, "docker compose --project-directory /opt/app ps -q >/dev/null").await;
    let copy = tempfile::TempDir::new().unwrap();
    copy_dir(rig.dir.path(), copy.path());
    rig.engine.stop(&guest).await.unwrap();
    copy_dir(copy.path(), rig.dir.path());
    let rig = rig.restart().await;
    assert!(rig.engine.running(&guest).await && !rig.engine.running(&stopped).await);
    assert_eq!(rig.address(&guest).await, address);
    assert!(get(&address, 8080, &[]).await.is_some());
    assert_eq!(rig.ok(&guest, "cat /root/f").await, "kept\n");
    assert_eq!(rig.ok(&stopped_started(&rig, 101).await, "hostname").await, "app101\n");
}

async fn stopped_started(rig: &Rig, vmid: u32) -> proximity_sim::engine::GuestSpec {
    let spec = rig.spec(vmid);
    rig.engine.start(&spec).await.unwrap();
    spec
}

fn copy_dir(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn a_copy_has_everything_and_shares_nothing() {
    let rig = Rig::new().await;
    let golden = rig.docker_guest(100).await;
    rig.ok(&golden, "docker pull -q nginx:1.27; echo one >/root/f").await;
    rig.engine.stop(&golden).await.unwrap();
    let copy = rig.spec(101);
    rig.engine.copy(&golden, &copy, None, true).await.unwrap();
    rig.engine.start(&copy).await.unwrap();
    rig.engine.start(&golden).await.unwrap();
    let text = rig.ok(&copy, "hostname; docker compose version --short >/dev/null; docker images -q | wc -l; echo two >/root/f; rm /etc/debian_version").await;
    assert_eq!(text, "app101\n1\n");
    assert_eq!(rig.ok(&golden, "cat /root/f /etc/debian_version").await, "one\n13.1\n");
    let ids = (rig.ok(&golden, "cat /etc/machine-id").await, rig.ok(&copy, "cat /etc/machine-id").await);
    assert_eq!(ids.0, ids.1);
}

#[tokio::test]
async fn a_sealed_container_gets_ids_of_its_own_in_each_copy() {
    let rig = Rig::new().await;
    let golden = rig.docker_guest(100).await;
    let seal = "for unit in docker.socket docker.service containerd.service; do systemctl stop $unit 2>/dev/null || true; done; rm -f /var/lib/docker/engine-id /etc/ssh/ssh_host_*; : >/etc/machine-id; apt-get clean; sync";
    rig.ok(&golden, seal).await;
    rig.engine.shutdown(&golden, Duration::from_secs(1)).await.unwrap();
    let mut seen = std::collections::HashSet::new();
    for vmid in [101, 102] {
        let copy = rig.spec(vmid);
        rig.engine.copy(&golden, &copy, None, true).await.unwrap();
        rig.engine.start(&copy).await.unwrap();
        let ids = rig.ok(&copy, "ssh-keygen -A >/dev/null; docker info --format '{{.ID}}'; cat /etc/machine-id /etc/ssh/ssh_host_rsa_key.pub").await;
        assert_eq!(ids.lines().filter(|line| line.len() > 30).count(), 3, "{ids}");
        seen.extend(ids.lines().map(str::to_owned));
    }
    assert_eq!(seen.len(), 6);
}

#[tokio::test]
async fn poweroff_and_reboot_inside_end_and_start_the_container() {
    let rig = Rig::new().await;
    let guest = rig.guest(100).await;
    rig.ok(&guest, "echo kept >/root/f").await;
    let mut terminal = rig.terminal(&guest).await;
    terminal.type_in("reboot\n").await;
    terminal.end().await;
    wait_until(&rig, &guest, true).await;
    assert_eq!(rig.ok(&guest, "cat /root/f").await, "kept\n");
    let mut terminal = rig.terminal(&guest).await;
    terminal.type_in("poweroff\n").await;
    terminal.end().await;
    wait_until(&rig, &guest, false).await;
}

async fn wait_until(rig: &Rig, guest: &proximity_sim::engine::GuestSpec, running: bool) {
    let reached = async {
        while rig.engine.running(guest).await != running {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), reached).await.unwrap();
}

#[tokio::test]
async fn snapshots_go_back_and_are_forgotten() {
    let rig = Rig::new().await;
    let guest = rig.guest(100).await;
    rig.ok(&guest, "echo before >/root/f").await;
    rig.engine.snapshot(&guest, "s1").await.unwrap();
    rig.ok(&guest, "echo after >/root/f; touch /root/new").await;
    let copy = rig.spec(101);
    rig.engine.copy(&guest, &copy, Some("s1"), false).await.unwrap();
    rig.engine.start(&copy).await.unwrap();
    assert_eq!(rig.ok(&copy, "cat /root/f").await, "before\n");
    rig.engine.rollback(&guest, "s1").await.unwrap();
    rig.engine.start(&guest).await.unwrap();
    assert_eq!(rig.ok(&guest, "cat /root/f; ls /root").await, "before\nf\n");
    rig.engine.delete_snapshot(&guest, "s1").await.unwrap();
    assert!(rig.engine.rollback(&guest, "s1").await.is_err());
}

#[tokio::test]
async fn an_archive_restores_the_guest_under_another_id() {
    let rig = Rig::new().await;
    let guest = rig.docker_guest(100).await;
    let long = format!("/srv/{}/{}", "d".repeat(120), "f".repeat(90));
    rig.up(&guest, &format!("{WEB}\n    volumes: [\"data:/data\"]\nvolumes: {{data: {{}}}}")).await;
    rig.ok(&guest, &format!("mkdir -p $(dirname {long}); printf 'a\\000\\377' >{long}; ln -s x /root/l; chmod 600 {long}; docker compose --project-directory /opt/app exec -T web sh -c 'echo v >/data/v'")).await;
    let file = rig.dir.path().join("backup.tar");
    rig.engine.archive(&guest, "arch: amd64\n", &file).await.unwrap();
    assert!(String::from_utf8_lossy(&std::fs::read(&file).unwrap()).contains("./etc/vzdump/pct.conf"));
    let restored = rig.spec(102);
    rig.engine.restore(&restored, &file).await.unwrap();
    rig.engine.start(&restored).await.unwrap();
    let script = format!(
        "od -An -tx1 {long}; stat -c %a {long}; readlink /root/l; docker compose --project-directory /opt/app up -d 2>/dev/null; docker compose --project-directory /opt/app exec -T web cat /data/v"
    );
    assert_eq!(rig.ok(&restored, &script).await, " 61 00 ff\n600\nx\nv\n");
    std::fs::write(&file, b"not an archive").unwrap();
    assert!(rig.engine.restore(&rig.spec(103), &file).await.is_err());
}

#[tokio::test]
async fn configuration_decides_the_address() {
    let rig = Rig::new().await;
    let with = |vmid, ip: &str| {
        let mut spec = rig.spec(vmid);
        spec.config.insert("net0".to_owned(), format!("name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01{ip}"));
        spec
    };
    for (vmid, ip, wanted) in [
        (100, ",ip=127.99.1.2/8", Some("127.99.1.2/8")),
        (101, ",ip=192.0.2.7/24,gw=192.0.2.1", Some("192.0.2.7/24")),
        (102, ",ip=manual", None),
        (103, "", None),
    ] {
        let spec = with(vmid, ip);
        rig.engine.create(&spec, &rig.template()).await.unwrap();
        rig.engine.start(&spec).await.unwrap();
        let found = rig.engine.interfaces(&spec).await;
        let eth0 = found.iter().find(|i| i.name == "eth0").unwrap();
        assert_eq!((eth0.inet.as_deref(), eth0.hwaddr.as_str()), (wanted, "bc:24:11:00:00:01"));
    }
}

#[tokio::test]
async fn a_template_that_is_not_there_and_a_second_start_are_errors() {
    let rig = Rig::new().await;
    let spec = rig.spec(100);
    assert!(rig.engine.create(&spec, &rig.dir.path().join("none.tar.zst")).await.is_err());
    assert!(rig.engine.start(&spec).await.is_err());
    let guest = rig.guest(101).await;
    assert!(rig.engine.start(&guest).await.unwrap_err().0.contains("already running"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_guests_run_at_once() {
    let rig = Rig::new().await;
    let golden = rig.docker_guest(100).await;
    rig.up(&golden, &format!("{WEB}\n    restart: always")).await;
    rig.engine.stop(&golden).await.unwrap();
    let begun = Instant::now();
    let mut addresses = std::collections::HashSet::new();
    for vmid in 200..400 {
        let spec = rig.spec(vmid);
        rig.engine.copy(&golden, &spec, None, true).await.unwrap();
        rig.engine.start(&spec).await.unwrap();
        addresses.insert(rig.address(&spec).await);
    }
    assert_eq!(addresses.len(), 200);
    for address in &addresses {
        assert_eq!(get(address, 8080, &[]).await.unwrap().0, 200);
    }
    let spec = rig.spec(399);
    assert_eq!(rig.ok(&spec, "hostname").await, "app399\n");
    assert!(rig.engine.usage(&spec).await.mem > 0);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}
