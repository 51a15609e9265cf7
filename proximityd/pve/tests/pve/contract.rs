//! Every call of the client against the API's schema: path, method, parameters, and the exact
//! encoding on the wire.

use crate::support::server::{Answer, Server};
use proximity_pve::*;

fn node() -> NodeName {
    NodeName::new("pve1").unwrap()
}

fn vmid(number: u32) -> Vmid {
    Vmid::new(number).unwrap()
}

fn full_options() -> LxcOptions {
    let storage = StorageId::new("local-lvm").unwrap();
    let mut net = Net::dhcp("eth0", "vmbr0");
    net.ip = Some("192.0.2.10/24".into());
    net.gw = Some("192.0.2.1".parse().unwrap());
    net.ip6 = Some(IpConfig::Auto);
    net.gw6 = Some("fe80::1".parse().unwrap());
    net.hwaddr = Some("BC:24:11:00:00:01".into());
    net.tag = Some(7);
    net.firewall = Some(true);
    net.mtu = Some(1400);
    net.rate = Some(12.5);
    net.link_down = Some(false);
    net.host_managed = Some(false);
    net.kind = Some("veth".into());
    let mut mount = MountPoint::new(Volume::allocate(storage.clone(), 4), "/data");
    mount.backup = Some(true);
    mount.keepattrs = Some(true);
    mount.disk.acl = Some(true);
    mount.disk.quota = Some(false);
    mount.disk.replicate = Some(false);
    mount.disk.ro = Some(false);
    mount.disk.shared = Some(false);
    mount.disk.mountoptions = vec!["noatime".into(), "discard".into()];
    LxcOptions {
        hostname: Some("app".into()),
        cores: Some(2),
        cpulimit: Some(1.5),
        cpuunits: Some(100),
        memory: Some(512),
        swap: Some(0),
        rootfs: Some(RootFs::new(Volume::allocate(storage, 8))),
        mounts: [(0, mount)].into(),
        nets: [(0, net)].into(),
        features: Some(Features {
            nesting: Some(true),
            keyctl: Some(true),
            fuse: Some(false),
            mknod: Some(false),
            force_rw_sys: Some(false),
            mount: vec!["nfs".into(), "cifs".into()],
            ..Features::default()
        }),
        onboot: Some(true),
        startup: Some("order=1,up=30".into()),
        protection: Some(false),
        description: Some("a=b;c&d\nsecond line".into()),
        tags: Some(Tags::from("proximity;web")),
        nameserver: Some("192.0.2.53".into()),
        searchdomain: Some("example.org".into()),
        timezone: Some("host".into()),
        cmode: Some("shell".into()),
        tty: Some(2),
        console: Some(true),
        entrypoint: Some("/sbin/init".into()),
        env: Some(Env::from_iter([("A", "1"), ("B", "x y=z")])),
        ostype: Some("debian".into()),
        rest: vec![("debug".into(), "0".into())],
    }
}

/// Makes every call once, with every parameter. The answers do not matter here.
async fn call_everything(c: &Client) {
    let (n, id) = (&node(), vmid(200));
    let storage = &StorageId::new("local").unwrap();
    let volid = &"local:backup/vzdump-lxc-200-2026_11_22-22_49_42.tar.zst".parse::<Volid>().unwrap();
    let digest = Some(Digest::new("da39a3ee5e6b4b0d3255bfef95601890afd80709").unwrap());
    let upid = &"UPID:pve1:00003941:0004FE7C:6B036FAB:vzstart:200:a@pve!b:".parse::<Upid>().unwrap();
    let snap = &SnapshotName::new("before-update").unwrap();
    let pool = &PoolId::new("proximity").unwrap();

    let _ = c.version().await;
    let _ = c.permissions(Some("/vms/200")).await;
    let _ = c.nodes().await;
    let _ = c.node_status(n).await;
    let _ = c.node_network(n, Some(NetworkFilter::AnyBridge)).await;
    let _ = c.node_network(n, Some(NetworkFilter::AnyLocalBridge)).await;
    let _ = c.node_dns(n).await;
    let _ = c.node_time(n).await;
    for timeframe in [Timeframe::Hour, Timeframe::Day, Timeframe::Week, Timeframe::Month, Timeframe::Year] {
        let _ = c.node_rrd(n, timeframe).await;
        let _ = c.lxc_rrd(n, id, timeframe).await;
    }
    let _ = c.cluster_status().await;
    for filter in [ResourceFilter::Guests, ResourceFilter::Storages, ResourceFilter::Nodes] {
        let _ = c.resources(Some(filter)).await;
    }
    let _ = c.next_id().await;
    let _ = c.is_id_free(id).await;
    let filter =
        StorageFilter { content: Some(ContentType::Rootdir), storage: Some(storage.clone()), enabled: true };
    let _ = c.storages(n, &filter).await;
    let _ = c.storage_status(n, storage).await;
    let _ = c.storage_content(n, storage, Some(&ContentType::Backup), Some(id)).await;
    let _ = c.volume_attributes(n, volid).await;
    let _ = c.set_volume_attributes(n, volid, Some("note"), Some(true)).await;
    let _ = c.delete_volume(n, volid).await;
    let download = DownloadUrl {
        url: "https://example.org/a.tar.gz".into(),
        filename: "a.tar.gz".into(),
        content: ContentType::Vztmpl,
        sha256: Some("00".repeat(32)),
    };
    let _ = c.download_url(n, storage, &download).await;
    let _ = c.oci_tags(n, "docker.io/library/alpine").await;
    let _ = c.oci_pull(n, storage, "docker.io/library/alpine:3.22", Some("alpine")).await;
    let _ = c.appliances(n).await;
    let _ = c.download_appliance(n, storage, "debian-13-standard_13.1-2_amd64.tar.zst").await;

    let _ = c.lxc_list(n).await;
    let mut create = CreateLxc::new(id, "local:vztmpl/debian-13-standard_13.1-2_amd64.tar.zst");
    create.options = full_options();
    create.pool = Some(pool.clone());
    create.storage = Some(storage.clone());
    create.password = Some("hunter22".into());
    create.ssh_public_keys = Some("ssh-ed25519 AAAA+/= someone".into());
    create.start = true;
    create.bwlimit = Some(1000);
    let _ = c.create_lxc(n, &create).await;
    let mut restore = CreateLxc::restore(vmid(201), volid.to_string());
    restore.force = true;
    restore.unique = true;
    restore.ignore_unpack_errors = true;
    let _ = c.create_lxc(n, &restore).await;
    let clones = [ClonedFrom::TemplateLinked, ClonedFrom::Full, ClonedFrom::Snapshot(snap.clone())];
    for from in clones {
        let mut clone = CloneLxc::new(vmid(202), from);
        clone.hostname = Some("copy".into());
        clone.description = Some("a copy".into());
        clone.pool = Some(pool.clone());
        clone.storage = Some(storage.clone());
        clone.target = Some(n.clone());
        let _ = c.clone_lxc(n, id, &clone).await;
    }
    let _ = c.make_template(n, id).await;
    for view in [ConfigView::Pending, ConfigView::Current, ConfigView::Snapshot(snap.clone())] {
        let _ = c.lxc_config(n, id, &view).await;
    }
    let _ = c.lxc_pending(n, id).await;
    let update = UpdateLxc {
        options: full_options(),
        delete: vec!["net1".into(), "mp1".into()],
        revert: vec!["cores".into()],
        digest: digest.clone(),
    };
    let _ = c.update_lxc(n, id, &update).await;
    let _ = c.lxc_status(n, id).await;
    let _ = c.lxc_interfaces(n, id).await;
    let _ = c.lxc_feature(n, id, "snapshot").await;
    let _ = c.start_lxc(n, id).await;
    let _ = c.shutdown_lxc(n, id, Shutdown { timeout: Some(30), force_stop: true }).await;
    let _ = c.stop_lxc(n, id).await;
    let _ = c.reboot_lxc(n, id, Some(30)).await;
    let _ = c.resize_lxc(n, id, "rootfs", Resize::To(DiskSize::gib(9))).await;
    let _ = c.resize_lxc(n, id, "mp0", Resize::By(DiskSize::gib(1))).await;
    let moved =
        MoveVolume { volume: "mp0".into(), storage: storage.clone(), delete: true, digest: digest.clone() };
    let _ = c.move_volume(n, id, &moved).await;
    let destroy = DestroyLxc { purge: true, force: true, destroy_unreferenced_disks: Some(true) };
    let _ = c.destroy_lxc(n, id, destroy).await;
    let _ = c.migration(n, id).await;
    let migrate = MigrateLxc {
        target: NodeName::new("pve2").unwrap(),
        restart: true,
        timeout: Some(60),
        target_storage: Some(storage.clone()),
    };
    let _ = c.migrate_lxc(n, id, &migrate).await;
    let _ = c.snapshots(n, id).await;
    let _ = c.create_snapshot(n, id, snap, Some("before update")).await;
    let _ = c.delete_snapshot(n, id, snap, true).await;
    let _ = c.rollback_snapshot(n, id, snap, true).await;

    let _ = c.firewall_rules(n, id).await;
    let rule = NewFirewallRule {
        sport: Some("1024:65535".into()),
        source: Some("192.0.2.0/24".into()),
        dest: Some("+ipfilter-net0".into()),
        iface: Some("net0".into()),
        macro_name: Some("HTTP".into()),
        comment: Some("proximity:http".into()),
        pos: Some(0),
        ..NewFirewallRule::accept_in("tcp", "80")
    };
    let _ = c.add_firewall_rule(n, id, &rule).await;
    let _ = c.delete_firewall_rule(n, id, 0, digest.as_ref()).await;
    let _ = c.firewall_options(n, id).await;
    let options = SetFirewallOptions {
        enable: Some(true),
        policy_in: Some("DROP".into()),
        policy_out: Some("ACCEPT".into()),
        dhcp: Some(true),
        ipfilter: Some(true),
        macfilter: Some(true),
        digest,
    };
    let _ = c.set_firewall_options(n, id, &options).await;
    let _ = c.ipsets(n, id).await;
    let _ = c.create_ipset(n, id, "ipfilter-net0").await;
    let _ = c.ipset(n, id, "ipfilter-net0").await;
    let _ = c.add_to_ipset(n, id, "ipfilter-net0", "192.0.2.10").await;
    let _ = c.remove_from_ipset(n, id, "ipfilter-net0", "192.0.2.0/24").await;
    let _ = c.delete_ipset(n, id, "ipfilter-net0").await;

    let mut backup = Vzdump::new(id, storage.clone());
    backup.notes = Some("{{guestname}}\nnightly".into());
    backup.protected = true;
    let _ = c.vzdump(n, &backup).await;
    let _ = c.backup_config(n, volid).await;
    let _ = c.pools().await;
    let _ = c.pool(pool).await;
    let _ = c.create_pool(pool, Some("c")).await;
    let update = PoolUpdate {
        vms: vec![id, vmid(201)],
        storage: vec![storage.clone()],
        remove: true,
        allow_move: true,
        comment: Some("c".into()),
    };
    let _ = c.update_pool(pool, &update).await;
    let _ = c.delete_pool(pool).await;

    let filter = TaskFilter {
        vmid: Some(id),
        kind: Some("vzcreate".into()),
        source: Some(TaskSource::All),
        since: Some(1_795_386_938),
        limit: Some(10),
        start: Some(5),
        errors: true,
    };
    let _ = c.task_list(n, &filter).await;
    let _ = c.task_state(upid).await;
    let _ = c.task_log(upid, 5, 3).await;
    let _ = c.stop_task(upid).await;
    let _ = c.console(n, id).await;
}

#[tokio::test]
async fn every_call_is_one_that_the_api_has_with_parameters_that_it_takes() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/access/ticket" => Answer::data(serde_json::json!({"ticket": "T", "CSRFPreventionToken": "C"})),
        path if path.ends_with("/termproxy") => Answer::data(serde_json::json!({
            "user": "a@pve", "ticket": "PVEVNC:1::x+/=", "port": "5900",
            "upid": "UPID:pve1:00006C5A:00067788:6B037371:vncproxy:200:a@pve:",
        })),
        path if path.ends_with("/vncwebsocket") => Answer::error(401, "permission denied"),
        _ => Answer::data(serde_json::Value::Null),
    })
    .await;
    let client = crate::support::server::client(&[&server], Auth::password("a@pve", "hunter22"));
    call_everything(&client).await;
    assert_eq!(crate::support::schema::never_called(), Vec::<String>::new());

    let wire: Vec<String> = server
        .seen()
        .iter()
        .map(|s| {
            let query = if s.query.is_empty() { String::new() } else { format!("?{}", s.query) };
            let body = if s.body.is_empty() { String::new() } else { format!("\n    {}", s.body) };
            format!("{} {}{query}{body}", s.method, s.path)
        })
        .collect();
    insta::assert_snapshot!("every_call", wire.join("\n"));

    for seen in server.seen() {
        let in_query = matches!(seen.method.as_str(), "GET" | "DELETE");
        assert!(!in_query || seen.body.is_empty(), "{seen:?}");
        assert!(in_query || seen.query.is_empty(), "{seen:?}");
    }
}

#[tokio::test]
async fn an_update_that_changes_nothing_is_not_sent() {
    let server = Server::start(|_| Answer::error(500, "no options specified")).await;
    let client = server.client();
    client.update_lxc(&node(), vmid(200), &UpdateLxc::default()).await.unwrap();
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_parameter_that_cannot_be_written_is_refused_before_it_is_sent() {
    let server = Server::start(|_| Answer::data(serde_json::Value::Null)).await;
    let client = server.client();
    let mut update = UpdateLxc::default();
    update.options.nets.insert(0, Net::new("eth0,bridge=other"));
    let error = client.update_lxc(&node(), vmid(200), &update).await.unwrap_err();
    insta::assert_snapshot!(error, @r#"invalid parameter: net0: "name" cannot hold "eth0,bridge=other""#);
    update = UpdateLxc::default();
    update.options.env = Some(Env::from_iter([("KEY", "secret\nvalue")]));
    let error = client.update_lxc(&node(), vmid(200), &update).await.unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
    assert!(server.seen().is_empty());
}
