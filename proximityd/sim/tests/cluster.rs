//! What belongs to the cluster and its nodes: firewalls, high availability, backup jobs, networks, storages, images.

#![allow(clippy::unwrap_used)]

mod support;

use reqwest::Method;
use serde_json::{Value, json};
use support::{Reply, Rig};

async fn get(rig: &Rig, path: &str) -> Reply {
    rig.as_root(Method::GET, path, &[]).await
}

async fn post(rig: &Rig, path: &str, form: &[(&str, &str)]) -> Reply {
    rig.as_root(Method::POST, path, form).await
}

async fn put(rig: &Rig, path: &str, form: &[(&str, &str)]) -> Reply {
    rig.as_root(Method::PUT, path, form).await
}

async fn delete(rig: &Rig, path: &str) -> Reply {
    rig.as_root(Method::DELETE, path, &[]).await
}

fn refused(reply: &Reply, status: u16, text: &str) {
    assert_eq!(reply.status, status, "{}", reply.text);
    assert!(reply.text.contains(text), "{}", reply.text);
}

async fn with_guest() -> Rig {
    let rig = Rig::new().await;
    rig.template().await;
    rig.create("100").await;
    rig
}

#[tokio::test]
async fn a_new_firewall_rule_comes_first_and_rules_are_moved_changed_and_deleted_by_place() {
    let rig = with_guest().await;
    let rules = "/nodes/pve1/lxc/100/firewall/rules";
    for comment in ["one", "two", "three"] {
        let form = [("type", "in"), ("action", "ACCEPT"), ("comment", comment)];
        assert_eq!(post(&rig, rules, &form).await.status, 200);
    }
    let comments = |list: &Reply| -> Vec<String> {
        let all = list.data().as_array().unwrap().iter();
        all.map(|r| r["comment"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(comments(&get(&rig, rules).await), ["three", "two", "one"]);
    assert_eq!(put(&rig, &format!("{rules}/0"), &[("moveto", "2")]).await.status, 200);
    assert_eq!(comments(&get(&rig, rules).await), ["two", "three", "one"]);
    assert_eq!(put(&rig, &format!("{rules}/1"), &[("enable", "1"), ("delete", "comment")]).await.status, 200);
    let rule = get(&rig, &format!("{rules}/1")).await;
    assert_eq!((&rule.data()["enable"], &rule.data()["pos"]), (&json!(1), &json!("1")));
    assert_eq!(rule.data().get("comment"), None);
    assert_eq!(delete(&rig, &format!("{rules}/1")).await.status, 200);
    assert_eq!(comments(&get(&rig, rules).await), ["two", "one"]);
}

#[tokio::test]
async fn a_firewall_rule_that_cannot_be_is_refused() {
    let rig = with_guest().await;
    let rules = "/nodes/pve1/lxc/100/firewall/rules";
    let base = [("type", "in"), ("action", "ACCEPT")];
    let with = |more: &[(&'static str, &'static str)]| [base.to_vec(), more.to_vec()].concat();
    refused(&post(&rig, rules, &with(&[("dport", "80")])).await, 400, "'dport' requires this property");
    let reply = post(&rig, rules, &with(&[("dport", "80"), ("proto", "esp")])).await;
    refused(&reply, 400, "protocol 'esp' does not support ports");
    let reply = post(&rig, rules, &with(&[("icmp-type", "any"), ("proto", "tcp")])).await;
    refused(&reply, 400, "not valid for protocol 'tcp'");
    let reply = post(&rig, rules, &[("type", "group"), ("action", "nope")]).await;
    refused(&reply, 400, "no such security group 'nope'");
    refused(&post(&rig, rules, &[("type", "in"), ("action", "MAYBE")]).await, 400, "unknown action");
    refused(&put(&rig, &format!("{rules}/7"), &[("enable", "1")]).await, 500, "no rule at position 7");
    assert_eq!(post(&rig, rules, &base).await.status, 200);
    let reply = put(&rig, &format!("{rules}/0"), &[("digest", "0000"), ("enable", "1")]).await;
    refused(&reply, 500, "detected modified configuration");
    assert!(get(&rig, rules).await.data()[0]["enable"] == 0);
}

#[tokio::test]
async fn aliases_and_sets_are_made_once_renamed_and_emptied_before_they_go() {
    let rig = with_guest().await;
    let base = "/nodes/pve1/lxc/100/firewall";
    let (aliases, sets) = (format!("{base}/aliases"), format!("{base}/ipset"));
    let web = [("name", "Web"), ("cidr", "10.0.0.0/24")];
    assert_eq!(post(&rig, &aliases, &web).await.status, 200);
    refused(&post(&rig, &aliases, &web).await, 400, "alias 'Web' already exists");
    let form = [("cidr", "fe80::/10"), ("rename", "site"), ("comment", "c")];
    assert_eq!(put(&rig, &format!("{aliases}/web"), &form).await.status, 200);
    let list = get(&rig, &aliases).await;
    assert_eq!((&list.data()[0]["name"], &list.data()[0]["ipversion"]), (&json!("site"), &json!(6)));
    refused(&get(&rig, &format!("{aliases}/web")).await, 400, "no such alias");
    refused(&put(&rig, &format!("{aliases}/web"), &[("cidr", "10.0.0.1")]).await, 400, "no such alias");

    assert_eq!(post(&rig, &sets, &[("name", "blocked")]).await.status, 200);
    refused(&post(&rig, &sets, &[("name", "blocked")]).await, 400, "IPSet 'blocked' already exists");
    refused(&get(&rig, &format!("{sets}/other")).await, 500, "no such IPSet 'other'");
    let set = format!("{sets}/blocked");
    assert_eq!(post(&rig, &set, &[("cidr", "10.1.0.1"), ("nomatch", "1")]).await.status, 200);
    refused(&post(&rig, &set, &[("cidr", "10.1.0.1")]).await, 400, "address '10.1.0.1' already exists");
    assert_eq!(get(&rig, &format!("{set}/10.1.0.1")).await.data()["nomatch"], 1);
    refused(&get(&rig, &format!("{set}/10.9.9.9")).await, 400, "no such IP/Network");
    refused(&put(&rig, &format!("{set}/10.9.9.9"), &[("comment", "x")]).await, 400, "no such IP/Network");
    refused(&delete(&rig, &set).await, 500, "IPSet 'blocked' is not empty");
    let refs = get(&rig, &format!("{base}/refs?type=ipset")).await;
    assert_eq!(refs.data()[0]["ref"], "+blocked");
    assert_eq!(delete(&rig, &format!("{set}/10.1.0.1")).await.status, 200);
    assert_eq!(delete(&rig, &set).await.status, 200);
    assert_eq!(get(&rig, &sets).await.data(), &json!([]));
}

#[tokio::test]
async fn a_security_group_is_empty_before_it_goes_and_rules_can_name_it() {
    let rig = Rig::new().await;
    let groups = "/cluster/firewall/groups";
    assert_eq!(post(&rig, groups, &[("group", "web"), ("comment", "c")]).await.status, 200);
    refused(&post(&rig, groups, &[("group", "web")]).await, 400, "Security group 'web' already exists");
    let reply = post(&rig, groups, &[("group", "new"), ("rename", "gone")]).await;
    refused(&reply, 400, "Security group 'gone' does not exist");
    refused(&get(&rig, &format!("{groups}/nope")).await, 500, "no such security group 'nope'");
    let rule = [("type", "in"), ("action", "ACCEPT"), ("proto", "tcp"), ("dport", "443")];
    assert_eq!(post(&rig, &format!("{groups}/web"), &rule).await.status, 200);
    assert_eq!(get(&rig, &format!("{groups}/web")).await.data()[0]["dport"], "443");
    refused(&delete(&rig, &format!("{groups}/web")).await, 500, "security group 'web' is not empty");
    let of_cluster = [("type", "group"), ("action", "web")];
    assert_eq!(post(&rig, "/cluster/firewall/rules", &of_cluster).await.status, 200);
    assert_eq!(delete(&rig, &format!("{groups}/web/0")).await.status, 200);
    assert_eq!(delete(&rig, &format!("{groups}/web")).await.status, 200);
}

#[tokio::test]
async fn a_guest_in_the_care_of_high_availability_is_started_and_stopped_by_it() {
    let rig = with_guest().await;
    let resources = "/cluster/ha/resources";
    assert_eq!(post(&rig, resources, &[("sid", "100")]).await.status, 200);
    refused(&post(&rig, resources, &[("sid", "ct:100")]).await, 500, "'ct:100' already defined");
    refused(&post(&rig, resources, &[("sid", "ct:299")]).await, 500, "does not exist in cluster");
    refused(&get(&rig, &format!("{resources}/ct:299")).await, 500, "no such resource 'ct:299'");
    refused(
        &put(&rig, &format!("{resources}/ct:299"), &[("state", "started")]).await,
        500,
        "no such resource",
    );
    refused(&delete(&rig, &format!("{resources}/ct:299")).await, 500, "not HA managed!");
    let current = "/nodes/pve1/lxc/100/status/current";
    for (what, kind, state) in [("start", ":hastart:", "running"), ("stop", ":hastop:", "stopped")] {
        let reply = rig.post(&format!("/nodes/pve1/lxc/100/status/{what}"), &[]).await;
        assert!(reply.data().as_str().unwrap().contains(kind), "{}", reply.text);
        assert_eq!(rig.ended(&reply).await, "OK");
        // The task that was asked of the manager does the work; this waits for it.
        while rig.get(current).await.data()["status"] != state {}
        while rig.get("/nodes/pve1/tasks?source=active").await.data() != &json!([]) {}
    }
    assert_eq!(get(&rig, &format!("{resources}/ct:100")).await.data()["state"], "stopped");
    assert_eq!(delete(&rig, &format!("{resources}/ct:100")).await.status, 200);
}

#[tokio::test]
async fn rules_of_high_availability_are_kept_by_name() {
    let rig = Rig::new().await;
    let rules = "/cluster/ha/rules";
    let form = [("rule", "near"), ("type", "node-affinity"), ("resources", "ct:100"), ("nodes", "pve1")];
    assert_eq!(post(&rig, rules, &form).await.status, 200);
    refused(&post(&rig, rules, &form).await, 500, "HA rule 'near' already defined");
    refused(&post(&rig, rules, &[("rule", "x"), ("type", "nope")]).await, 400, "enumeration");
    assert_eq!(
        put(&rig, &format!("{rules}/near"), &[("type", "node-affinity"), ("rule", "near"), ("comment", "c")])
            .await
            .status,
        200
    );
    assert_eq!(get(&rig, &format!("{rules}/near")).await.data()["comment"], "c");
    refused(&get(&rig, &format!("{rules}/far")).await, 500, "no such ha rule 'far'");
    assert_eq!(get(&rig, &format!("{rules}?resource=ct:101")).await.data(), &json!([]));
    assert_eq!(delete(&rig, &format!("{rules}/near")).await.status, 200);
}

#[tokio::test]
async fn a_backup_job_says_which_guests_once_and_covers_them() {
    let rig = with_guest().await;
    let jobs = "/cluster/backup";
    let job = [("id", "j1"), ("schedule", "daily"), ("storage", "local"), ("vmid", "100")];
    assert_eq!(post(&rig, jobs, &job).await.status, 200);
    refused(&post(&rig, jobs, &job).await, 500, "Job 'j1' already exists");
    refused(&post(&rig, jobs, &[("schedule", "daily")]).await, 400, "property is missing");
    let both = [("schedule", "daily"), ("all", "1"), ("vmid", "100")];
    refused(&post(&rig, jobs, &both).await, 400, "option conflicts with option 'vmid'");
    for (method, form) in
        [(Method::GET, vec![]), (Method::PUT, vec![("enabled", "0")]), (Method::DELETE, vec![])]
    {
        refused(&rig.as_root(method, "/cluster/backup/nope", &form).await, 400, "No such job 'nope'");
    }
    assert_eq!(get(&rig, "/cluster/backup-info/not-backed-up").await.data(), &json!([]));
    let volumes = get(&rig, &format!("{jobs}/j1/included_volumes")).await;
    assert_eq!(volumes.data()["children"][0]["children"][0]["id"], "rootfs");
    assert!(get(&rig, jobs).await.data()[0]["next-run"].is_i64());
    assert_eq!(put(&rig, &format!("{jobs}/j1"), &[("all", "1"), ("enabled", "0")]).await.status, 200);
    let shown = get(&rig, &format!("{jobs}/j1")).await;
    assert_eq!((shown.data().get("vmid"), &shown.data()["all"]), (None, &json!(1)));
    assert_eq!(delete(&rig, &format!("{jobs}/j1")).await.status, 200);
}

#[tokio::test]
async fn networks_are_new_until_applied_changed_after_that_and_go_from_the_inside_out() {
    let rig = Rig::new().await;
    assert_eq!(post(&rig, "/cluster/sdn/zones", &[("zone", "prox"), ("type", "simple")]).await.status, 200);
    let reply = post(&rig, "/cluster/sdn/vnets", &[("vnet", "net0"), ("zone", "nope")]).await;
    refused(&reply, 500, "zone 'nope' does not exist");
    assert_eq!(post(&rig, "/cluster/sdn/vnets", &[("vnet", "net0"), ("zone", "prox")]).await.status, 200);
    let subnets = "/cluster/sdn/vnets/net0/subnets";
    let subnet = [("subnet", "10.7.0.0/24"), ("type", "subnet"), ("gateway", "10.7.0.1")];
    assert_eq!(post(&rig, subnets, &subnet).await.status, 200);
    refused(&post(&rig, subnets, &subnet).await, 500, "'prox-10.7.0.0-24' already defined");
    refused(&get(&rig, "/cluster/sdn/zones/nope").await, 500, "sdn 'nope' does not exist");
    let pending = get(&rig, "/cluster/sdn/vnets?pending=1").await;
    assert_eq!(
        (&pending.data()[0]["state"], &pending.data()[0]["pending"]["zone"]),
        (&json!("new"), &json!("prox"))
    );
    assert_eq!(get(&rig, "/cluster/sdn/vnets?running=1").await.data(), &json!([]));
    assert_eq!(rig.ended(&put(&rig, "/cluster/sdn", &[]).await).await, "OK");
    assert_eq!(put(&rig, "/cluster/sdn/vnets/net0", &[("alias", "a")]).await.status, 200);
    let pending = get(&rig, "/cluster/sdn/vnets?pending=1").await;
    assert_eq!(
        (&pending.data()[0]["state"], &pending.data()[0]["pending"]["alias"]),
        (&json!("changed"), &json!("a"))
    );
    refused(&delete(&rig, "/cluster/sdn/zones/prox").await, 500, "zone prox is used by vnet net0");
    refused(&delete(&rig, "/cluster/sdn/vnets/net0").await, 500, "cannot delete vnet if subnets exists");
    for path in [&format!("{subnets}/prox-10.7.0.0-24"), "/cluster/sdn/vnets/net0", "/cluster/sdn/zones/prox"]
    {
        assert_eq!(delete(&rig, path).await.status, 200, "{path}");
    }
    assert_eq!(get(&rig, "/cluster/sdn/zones?pending=1").await.data()[0]["state"], "deleted");
}

#[tokio::test]
async fn a_storage_is_defined_with_what_its_kind_needs() {
    let rig = Rig::new().await;
    let reply = post(&rig, "/storage", &[("storage", "tiny"), ("type", "dir")]).await;
    refused(&reply, 500, "missing value for required option 'path'");
    let tiny = [("storage", "tiny"), ("type", "dir"), ("path", "/mnt/tiny"), ("content", "backup")];
    assert_eq!(post(&rig, "/storage", &tiny).await.data(), &json!({ "storage": "tiny", "type": "dir" }));
    refused(&post(&rig, "/storage", &tiny).await, 500, "storage ID 'tiny' already defined");
    assert_eq!(put(&rig, "/storage/tiny", &[("disable", "1"), ("nodes", "pve1")]).await.status, 200);
    let shown = get(&rig, "/storage/tiny").await;
    assert_eq!((&shown.data()["disable"], &shown.data()["nodes"]), (&json!(1), &json!("pve1")));
    refused(
        &put(&rig, "/storage/tiny", &[("delete", "path")]).await,
        500,
        "unable to delete required option",
    );
    refused(
        &put(&rig, "/storage/tiny", &[("digest", "00"), ("disable", "0")]).await,
        500,
        "modified configuration",
    );
    refused(
        &put(&rig, "/storage/nope", &[("disable", "0")]).await,
        500,
        "update storage failed: storage 'nope'",
    );
    assert_eq!(delete(&rig, "/storage/tiny").await.status, 200);
    refused(
        &delete(&rig, "/storage/tiny").await,
        500,
        "delete storage failed: storage 'tiny' does not exist",
    );
}

#[tokio::test]
async fn a_file_is_uploaded_whole_and_only_where_it_fits() {
    let rig = Rig::new().await;
    let send = async |file: &str, storage: &str| {
        let body = format!(
            "--xx\r\nContent-Disposition: form-data; name=\"content\"\r\n\r\nvztmpl\r\n--xx\r\n\
             Content-Disposition: form-data; name=\"filename\"; filename=\"{file}\"\r\n\r\nbytes\r\n--xx--\r\n"
        );
        let request = rig.request(Method::POST, &format!("/nodes/pve1/storage/{storage}/upload"));
        let request = request.header("Authorization", rig.token());
        rig.send(request.header("Content-Type", "multipart/form-data; boundary=xx").body(body)).await
    };
    assert_eq!(rig.ended(&send("a b.tar.gz", "local").await).await, "OK");
    let list = rig.get("/nodes/pve1/storage/local/content?content=vztmpl").await;
    assert_eq!(
        (&list.data()[0]["volid"], &list.data()[0]["size"]),
        (&json!("local:vztmpl/a_b.tar.gz"), &json!(5))
    );
    refused(&send("a.exe", "local").await, 400, "wrong file extension");
    refused(&send("a.tar", "local-lvm").await, 500, "does not support 'vztmpl' content");
    rig.control(Method::POST, "/state", json!({ "storage_free": { "storage": "local", "bytes": 1 } })).await;
    let full = send("b.tar", "local").await;
    assert!(rig.ended(&full).await.contains("No space left on device"));
}

#[tokio::test]
async fn an_image_is_pulled_once_and_only_if_its_registry_has_it() {
    let rig = Rig::new().await;
    let mut whole = rig.control(Method::GET, "/state/whole", Value::Null).await;
    whole["state"]["outside"]["images"]["127.0.0.1:5000/bb"] = json!(["1.0"]);
    rig.control(Method::PUT, "/state/whole", whole).await;
    assert_eq!(
        get(&rig, "/nodes/pve1/query-oci-repo-tags?reference=127.0.0.1:5000/bb").await.data(),
        &json!(["1.0"])
    );
    let reply = get(&rig, "/nodes/pve1/query-oci-repo-tags?reference=127.0.0.1:5000/no").await;
    refused(&reply, 500, "skopeo list-tags");
    let pull = "/nodes/pve1/storage/local/oci-registry-pull";
    let reply = post(&rig, pull, &[("reference", "127.0.0.1:5000/bb:1.0")]).await;
    assert_eq!(rig.ended(&reply).await, "OK");
    refused(&post(&rig, pull, &[("reference", "127.0.0.1:5000/bb:1.0")]).await, 500, "refusing to override");
    let reply = post(&rig, pull, &[("reference", "127.0.0.1:5000/bb:9")]).await;
    assert!(rig.ended(&reply).await.contains("exit code 1"));
    let reply =
        post(&rig, &pull.replace("local", "local-lvm"), &[("reference", "127.0.0.1:5000/bb:1.0")]).await;
    refused(&reply, 500, "not configured for content-type 'vztmpl'");
    refused(
        &get(&rig, "/nodes/pve1/query-url-metadata?url=http://x.test/a").await,
        500,
        "invalid server response",
    );
}

#[tokio::test]
async fn a_container_of_an_image_has_the_images_settings_whatever_was_given() {
    let rig = Rig::new().await;
    let mut whole = rig.control(Method::GET, "/state/whole", Value::Null).await;
    let outside = &mut whole["state"]["outside"];
    outside["images"]["127.0.0.1:5000/bb"] = json!(["1.0"]);
    outside["settings"]["127.0.0.1:5000/bb"] = json!({
        "entrypoint": "/bin/httpd -f", "env": ["A=1", "B=2"], "ostype": "alpine", "volumes": ["/data"],
        "raw": [["lxc.init.uid", "1000"]],
    });
    rig.control(Method::PUT, "/state/whole", whole).await;
    let pull = "/nodes/pve1/storage/local/oci-registry-pull";
    let reply = post(&rig, pull, &[("reference", "127.0.0.1:5000/bb:1.0")]).await;
    assert_eq!(rig.ended(&reply).await, "OK");
    let given = [("ostemplate", "local:vztmpl/bb_1.0.tar"), ("env", "C=3"), ("entrypoint", "/bin/true")];
    let made = rig.post("/nodes/pve1/lxc", &Rig::form("100", &given)).await;
    assert_eq!(rig.ended(&made).await, "OK");
    let log = rig.log_of(&made).await;
    for line in [
        "Detected OCI archive",
        "creating base directory for volume at /data",
        "Auto-Enabling host-managed network for network device net0.",
    ] {
        assert!(log.iter().any(|l| l == line), "{log:?}");
    }
    let config = rig.get("/nodes/pve1/lxc/100/config").await;
    let told = config.data();
    for (key, value) in
        [("entrypoint", "/bin/httpd -f"), ("env", "A=1\0B=2"), ("cmode", "console"), ("ostype", "alpine")]
    {
        assert_eq!(told[key], value);
    }
    assert_eq!(told["lxc"], json!([["lxc.init.uid", "1000"]]));
    assert!(told["net0"].as_str().unwrap().contains("host-managed=1"));
}

#[tokio::test]
async fn a_container_moves_to_another_node_and_starts_again_there() {
    let rig = Rig::with(|o| o.nodes = vec!["pve1".into(), "pve2".into()]).await;
    rig.template().await;
    rig.create("100").await;
    let (here, there) = ("/nodes/pve1/lxc/100", "/nodes/pve2/lxc/100");
    refused(
        &post(&rig, &format!("{here}/migrate"), &[("target", "pve1")]).await,
        400,
        "target is local node.",
    );
    refused(
        &post(&rig, &format!("{here}/migrate"), &[("target", "pve9")]).await,
        500,
        "no such cluster node",
    );
    rig.start("100").await;
    let reply = post(&rig, &format!("{here}/migrate"), &[("target", "pve2")]).await;
    refused(&reply, 500, "live migration is currently not implemented");
    assert_eq!(get(&rig, &format!("{here}/migrate")).await.data()["allowed-nodes"], json!(["pve2"]));
    let reply = post(&rig, &format!("{here}/migrate"), &[("target", "pve2"), ("restart", "1")]).await;
    assert_eq!(rig.ended(&reply).await, "OK");
    assert_eq!(get(&rig, &format!("{there}/status/current")).await.data()["status"], "running");
    refused(&get(&rig, &format!("{here}/config")).await, 500, "does not exist");
    rig.control(Method::POST, "/state", json!({ "node_offline": "pve1" })).await;
    let reply = post(&rig, &format!("{there}/migrate"), &[("target", "pve1"), ("restart", "1")]).await;
    refused(&reply, 500, "node 'pve1' is offline");
}

#[tokio::test]
async fn a_state_that_cannot_be_is_refused_and_nothing_changes() {
    let rig = Rig::new().await;
    let whole = rig.control(Method::GET, "/state/whole", Value::Null).await;
    let send = async |body: String| {
        let url = format!("{}/sim/state/whole", rig.node.url());
        let request = support::client(&rig.node).put(url).body(body);
        let control = format!("Bearer {}", rig.node.file.control_token);
        support::read(request.header("Authorization", control).send().await.unwrap()).await
    };
    let wrong_type = json!({ "state": { "guests": [1] } }).to_string();
    refused(&send(wrong_type).await, 400, "invalid type");
    let mut no_task = whole.clone();
    no_task["tasks"] = json!([{ "upid": "garbage", "log": [], "end": null }]);
    refused(&send(no_task.to_string()).await, 400, "garbage names no task");
    assert_eq!(rig.control(Method::GET, "/state/whole", Value::Null).await, whole);
}

#[tokio::test]
async fn a_nodes_network_name_servers_and_clock_are_what_was_set() {
    let rig = Rig::new().await;
    let form = [("iface", "vmbr7"), ("type", "bridge"), ("cidr", "10.7.0.1/24"), ("autostart", "1")];
    assert_eq!(post(&rig, "/nodes/pve1/network", &form).await.status, 200);
    refused(&post(&rig, "/nodes/pve1/network", &form).await, 400, "interface already exists");
    let shown = get(&rig, "/nodes/pve1/network/vmbr7").await;
    assert_eq!((&shown.data()["address"], &shown.data()["netmask"]), (&json!("10.7.0.1"), &json!("24")));
    let form = [("type", "bridge"), ("comments", "c"), ("delete", "cidr,address,netmask")];
    assert_eq!(put(&rig, "/nodes/pve1/network/vmbr7", &form).await.status, 200);
    assert_eq!(get(&rig, "/nodes/pve1/network/vmbr7").await.data()["method"], "manual");
    assert_eq!(delete(&rig, "/nodes/pve1/network/vmbr7").await.status, 200);
    refused(&delete(&rig, "/nodes/pve1/network/vmbr7").await, 400, "interface does not exist");
    assert_eq!(put(&rig, "/nodes/pve1/dns", &[("search", "x.test"), ("dns1", "10.0.0.2")]).await.status, 200);
    assert_eq!(get(&rig, "/nodes/pve1/dns").await.data(), &json!({ "search": "x.test", "dns1": "10.0.0.2" }));
    assert_eq!(put(&rig, "/nodes/pve1/time", &[("timezone", "Europe/Vienna")]).await.status, 200);
    assert_eq!(get(&rig, "/nodes/pve1/time").await.data()["timezone"], "Europe/Vienna");
    refused(
        &put(&rig, "/nodes/pve1/time", &[("timezone", "Nowhere/At-All")]).await,
        500,
        "No such timezone.",
    );
    refused(
        &get(&rig, "/nodes/pve1/services/nope/state").await,
        400,
        "does not have a value in the enumeration",
    );
    let reply = post(&rig, "/nodes/pve1/services/pveproxy/restart", &[]).await;
    assert_eq!(rig.ended(&reply).await, "OK");
}
