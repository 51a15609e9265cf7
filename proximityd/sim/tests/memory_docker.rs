//! Docker and Compose in a guest, and what answers on its address.
#![allow(clippy::unwrap_used)]

mod memory_rig;

use memory_rig::{Rig, get};
use proximity_sim::engine::Engine as _;
use serde_json::Value;

const WEB: &str =
    "services:\n  web:\n    image: nginx:1.27\n    ports: [\"8080:80\"]\n    restart: unless-stopped";
const COMPOSE: &str = "docker compose --project-directory /opt/app";

async fn services(rig: &Rig, guest: &proximity_sim::engine::GuestSpec) -> Vec<Value> {
    let text = rig.ok(guest, &format!("{COMPOSE} ps -a --format json")).await;
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_published_port_answers_while_its_service_runs_and_no_other_does() {
    let rig = Rig::new().await;
    let guest = rig.docker_guest(100).await;
    let address = rig.address(&guest).await;
    assert!(get(&address, 8080, &[]).await.is_none());
    let (text, status) = rig.up(&guest, WEB).await;
    assert_eq!(status, 0, "{text}");
    let (status, body) = get(&address, 8080, &[]).await.unwrap();
    assert_eq!(status, 200);
    for part in ["stand-in of the embedded node", "web", "nginx:1.27", "app100"] {
        assert!(body.contains(part), "{body}");
    }
    let (_, body) = get(&address, 8080, &[("accept", "application/json")]).await.unwrap();
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["service"], "web");
    assert!(get(&address, 80, &[]).await.is_none() && get("127.0.0.1", 8080, &[]).await.is_none());
    let inside = rig.ok(&guest, "curl -fsS -o /dev/null -w '%{http_code}' http://127.0.0.1:8080/").await;
    assert_eq!(inside, "200");
    let web = &services(&rig, &guest).await[0];
    assert_eq!(web["Name"], "app-web-1");
    assert_eq!((&web["State"], &web["Health"]), (&"running".into(), &"".into()));
    assert_eq!(web["Publishers"][0]["PublishedPort"], 8080);
    rig.ok(&guest, &format!("{COMPOSE} stop")).await;
    assert!(get(&address, 8080, &[]).await.is_none());
    rig.ok(&guest, &format!("{COMPOSE} start")).await;
    assert!(get(&address, 8080, &[]).await.is_some());
    rig.ok(&guest, &format!("{COMPOSE} down -v")).await;
    assert!(get(&address, 8080, &[]).await.is_none());
    assert!(services(&rig, &guest).await.is_empty());
}

#[tokio::test]
async fn stop_and_destroy_close_ports_and_a_start_opens_them_again() {
    let rig = Rig::new().await;
    let guest = rig.docker_guest(100).await;
    rig.up(&guest, WEB).await;
    let address = rig.address(&guest).await;
    rig.engine.stop(&guest).await.unwrap();
    assert!(get(&address, 8080, &[]).await.is_none());
    assert!(rig.engine.interfaces(&guest).await.is_empty());
    rig.engine.start(&guest).await.unwrap();
    assert_eq!(rig.address(&guest).await, address);
    assert!(get(&address, 8080, &[]).await.is_some());
    rig.engine.destroy(&guest).await.unwrap();
    assert!(get(&address, 8080, &[]).await.is_none());
    assert!(!memory_rig::exists(&guest.dir));
}

#[tokio::test]
async fn privileged_ports_move_up_and_say_so() {
    let rig = Rig::with(Some(false)).await;
    let guest = rig.docker_guest(100).await;
    let file = "services:\n  a:\n    image: caddy:2\n    ports: [\"80:80\", \"443:443\", \"53:53\", \"53:53/udp\", \"8080:1\"]";
    let (text, status) = rig.up(&guest, file).await;
    // 80 takes 8080 first, so that the service's own 8080 is taken.
    assert!(status != 0 && text.contains("port is already allocated"), "{text}");
    let file = file.replace(", \"8080:1\"", "");
    let (text, status) = rig.up(&guest, &file).await;
    assert_eq!(status, 0, "{text}");
    let published: Vec<(u64, u64)> = services(&rig, &guest).await[0]["Publishers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (p["TargetPort"].as_u64().unwrap(), p["PublishedPort"].as_u64().unwrap()))
        .collect();
    assert_eq!(published, [(80, 8080), (443, 8443), (53, 10053), (53, 10053)]);
    let address = rig.address(&guest).await;
    assert_eq!(get(&address, 8080, &[]).await.unwrap().0, 200);
    assert_eq!(rig.ok(&guest, &format!("{COMPOSE} port a 80")).await, "0.0.0.0:8080\n");
    let format = "docker inspect --format '{{json .NetworkSettings.Ports}}' app-a-1";
    assert!(rig.ok(&guest, format).await.contains(r#""80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"}]"#));
}

#[tokio::test]
async fn a_service_made_anew_gets_its_ports_back_at_once() {
    let rig = Rig::with(Some(false)).await;
    let guest = rig.docker_guest(100).await;
    let file = "services:\n  a:\n    image: caddy:2\n    ports: [\"80:80\", \"2222:22\", \"3478:3478/udp\"]\n    environment: [\"TURN=0\"]";
    for turn in 0..8 {
        let (text, status) = rig.up(&guest, &file.replace("TURN=0", &format!("TURN={turn}"))).await;
        assert_eq!(status, 0, "turn {turn}: {text}");
        let published = services(&rig, &guest).await[0]["Publishers"].as_array().cloned().unwrap();
        let mut ports: Vec<u64> = published.iter().map(|p| p["PublishedPort"].as_u64().unwrap()).collect();
        ports.sort_unstable();
        assert_eq!(ports, [2222, 3478, 8080], "turn {turn}");
    }
}

#[tokio::test]
async fn images_that_say_so_do_not_exist() {
    let rig = Rig::new().await;
    let guest = rig.docker_guest(100).await;
    let cases = [
        ("nginx:no-such", "manifest for nginx:no-such not found: manifest unknown: manifest unknown"),
        (
            "acme/nonexistent",
            "pull access denied for acme/nonexistent, repository does not exist or may require 'docker login'",
        ),
        ("registry.invalid/a:1", "no such host"),
        ("Bad:1", "must be lowercase"),
    ];
    for (image, message) in cases {
        let (text, status) = rig.sh(&guest, &format!("docker pull {image} 2>&1")).await;
        assert!(status == 1 && text.contains(message), "{image}: {text}");
        let (text, status) = rig.up(&guest, &format!("services:\n  a:\n    image: {image}")).await;
        assert!(status == 1 && text.contains(message), "{image}: {text}");
    }
    rig.ok(&guest, "docker pull -q redis:7").await;
    let digests = rig.ok(&guest, "docker image inspect --format '{{json .RepoDigests}}' redis:7").await;
    assert!(digests.starts_with("[\"redis@sha256:"), "{digests}");
}

#[tokio::test]
async fn what_fails_in_the_file_fails_in_the_guest() {
    let rig = Rig::new().await;
    let guest = rig.docker_guest(100).await;
    let file = r#"services:
  sick: {image: a, ports: ["8081:1"], healthcheck: {test: ["CMD", "false"]}}
  well: {image: a, healthcheck: {test: ["CMD-SHELL", "curl -f localhost"]}}
  dead: {image: a, command: ["sh", "-c", "echo boom; exit 3"]}
  done: {image: a, command: "true"}
  loops: {image: a, command: "false", restart: always}
  idle: {image: a, command: sleep infinity, ports: ["8082:1"]}
  broken: {image: a, ports: ["8083:1"], labels: {proximity.sim.status: "503", proximity.sim.body: "no"}}
  slow: {image: a, ports: ["8084:1"], labels: ["proximity.sim.start-delay=30s"], healthcheck: {test: x}}"#;
    let (text, status) = rig.up(&guest, file).await;
    assert_eq!(status, 0, "{text}");
    let mut found: Vec<String> = services(&rig, &guest)
        .await
        .iter()
        .map(|s| {
            format!("{} {} {} {}", s["Service"], s["State"], s["Health"], s["ExitCode"]).replace('"', "")
        })
        .collect();
    found.sort();
    assert_eq!(
        found,
        [
            "broken running  0",
            "dead exited  3",
            "done exited  0",
            "idle running  0",
            "loops restarting  1",
            "sick running unhealthy 0",
            "slow running starting 0",
            "well running healthy 0",
        ]
    );
    let address = rig.address(&guest).await;
    assert_eq!(get(&address, 8083, &[]).await.unwrap(), (503, "no".to_owned()));
    assert!(get(&address, 8082, &[]).await.is_none() && get(&address, 8084, &[]).await.is_none());
    assert!(rig.ok(&guest, &format!("{COMPOSE} logs --no-color dead")).await.contains("boom"));
    let (_, status) = rig.sh(&guest, &format!("{COMPOSE} up -d --wait sick 2>/dev/null")).await;
    assert_eq!(status, 1);
}

#[tokio::test]
async fn a_file_is_interpolated_merged_and_checked() {
    let rig = Rig::new().await;
    let guest = rig.docker_guest(100).await;
    rig.ok(&guest, "mkdir -p /opt/app; cd /opt/app; printf 'TAG=9 # nine\\nPORT=\"8090\"\\n' >.env; printf 'services: {web: {environment: {B: \"2\"}}}\\n' >compose.override.yaml").await;
    let file = "services:\n  web:\n    image: nginx:${TAG:?}\n    environment: [\"A=$$1\"]\n    ports: [\"${PORT}:80\"]\n    volumes: [data:/data]\nvolumes: {data: {}}";
    let (text, status) = rig.up(&guest, file).await;
    assert_eq!(status, 0, "{text}");
    let printed = rig
        .ok(
            &guest,
            &format!("{COMPOSE} exec -T web sh -c 'echo $A $B; echo kept >/data/f; nothere'; echo $?"),
        )
        .await;
    assert!(printed.starts_with("$1 2\n") && printed.ends_with("127\n"), "{printed}");
    assert_eq!(services(&rig, &guest).await[0]["Image"], "nginx:9");
    rig.ok(&guest, &format!("{COMPOSE} down; {COMPOSE} up -d")).await;
    assert_eq!(rig.ok(&guest, &format!("{COMPOSE} exec -T web cat /data/f")).await, "kept\n");
    let cases = [
        ("services: {web: {image: [}", 15, "yaml:"),
        ("services: {web: {}}", 15, "neither an image nor a build context"),
        ("services: {web: {image: a, prots: []}}", 15, "additional properties 'prots' not allowed"),
        (
            "services: {web: {image: \"a:${NOT_SET:?give it}\"}}",
            15,
            "required variable NOT_SET is missing a value: give it",
        ),
        ("services: {web: {image: a, depends_on: [db]}}", 15, "depends on undefined service"),
    ];
    for (file, wanted, message) in cases {
        let script = format!(
            "mkdir -p /bad; cat >/bad/compose.yaml <<'X'\n{file}\nX\ndocker compose --project-directory /bad config -q 2>&1"
        );
        let (text, status) = rig.sh(&guest, &script).await;
        assert!(status == wanted && text.contains(message), "{file}: {status} {text}");
    }
    assert_eq!(rig.sh(&guest, "cd /srv; docker compose ps 2>/dev/null").await.1, 14);
}

#[tokio::test]
async fn two_guests_publish_the_same_port_on_addresses_of_their_own() {
    let rig = Rig::new().await;
    let (one, two) = (rig.docker_guest(100).await, rig.docker_guest(101).await);
    rig.up(&one, WEB).await;
    rig.up(&two, WEB).await;
    let (a, b) = (rig.address(&one).await, rig.address(&two).await);
    assert_ne!(a, b);
    assert!(get(&a, 8080, &[]).await.unwrap().1.contains("app100"));
    assert!(get(&b, 8080, &[]).await.unwrap().1.contains("app101"));
}
