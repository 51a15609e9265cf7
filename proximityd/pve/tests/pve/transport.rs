//! Credentials, trust, failover, and what is never sent twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::server::{Answer, Server, checked, client, token};
use proximity_pve::*;
use serde_json::json;

fn version(_: &crate::support::server::Seen) -> Answer {
    Answer::data(json!({"version": "9.2.11", "release": "9.2", "repoid": "14a22df35955d97d"}))
}

fn node() -> NodeName {
    NodeName::new("pve1").unwrap()
}

fn upid() -> serde_json::Value {
    json!("UPID:pve1:000036CB:0004D898:6B036F4A:vzstart:200:a@pve!b:")
}

/// An endpoint at which nobody listens.
async fn nobody() -> Endpoint {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string().parse().unwrap()
}

#[tokio::test]
async fn a_token_is_sent_in_its_header_and_never_shown() {
    let server = Server::start(version).await;
    let client = server.client();
    assert_eq!(client.version().await.unwrap().numbers(), (9, 2, 11));
    let seen = &server.seen()[0];
    assert_eq!(
        seen.header("authorization"),
        Some("PVEAPIToken=proximity@pve!tests=00000000-0000-0000-0000-000000000000")
    );
    assert_eq!(seen.header("cookie"), None);
    assert!(!format!("{client:?}").contains("00000000-"), "{client:?}");
    assert_eq!(client.requests(), 1);
}

#[tokio::test]
async fn a_malformed_token_id_is_refused_at_once() {
    let config = ClientConfig::new(vec!["pve1".parse().unwrap()], Auth::token("root@pam", "x"));
    let error = Client::new(config.tls(Tls::pinned(Fingerprint::of(b"")))).unwrap_err();
    insta::assert_snapshot!(error, @r#""root@pam" is not a token id; it is written user@realm!name"#);
}

fn ticket_script(logins: Arc<AtomicUsize>) -> impl Fn(&crate::support::server::Seen) -> Answer {
    move |seen| {
        if seen.path == "/access/ticket" {
            let n = logins.fetch_add(1, Ordering::SeqCst) + 1;
            return Answer::data(
                json!({"ticket": format!("PVE:a@pve:T{n}"), "CSRFPreventionToken": format!("C{n}")}),
            );
        }
        if seen.header("cookie").is_some_and(|c| c.ends_with(":T1")) && seen.path.ends_with("/stop") {
            return Answer::bare(401, "Authentication failed!");
        }
        if seen.method == "GET" { version(seen) } else { Answer::data(upid()) }
    }
}

#[tokio::test]
async fn a_password_is_exchanged_once_and_writes_carry_the_csrf_token() {
    let logins = Arc::new(AtomicUsize::new(0));
    let server = Server::start(ticket_script(logins.clone())).await;
    let client = client(&[&server], Auth::password("a@pve", "pass=word&x"));
    let all = futures_util::future::join_all((0..8).map(|_| client.version())).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(logins.load(Ordering::SeqCst), 1, "eight callers at once log in once");
    client.start_lxc(&node(), Vmid::new(200).unwrap()).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen[0].body, "username=a%40pve&password=pass%3Dword%26x");
    let read = seen.iter().find(|s| s.path == "/version").unwrap();
    assert_eq!(read.header("cookie"), Some("PVEAuthCookie=PVE:a@pve:T1"));
    assert_eq!(read.header("csrfpreventiontoken"), None);
    assert_eq!(seen.last().unwrap().header("csrfpreventiontoken"), Some("C1"));
}

#[tokio::test]
async fn a_ticket_that_is_refused_is_replaced_and_the_request_sent_once_more() {
    let logins = Arc::new(AtomicUsize::new(0));
    let server = Server::start(ticket_script(logins.clone())).await;
    let client = client(&[&server], Auth::password("a@pve", "x"));
    client.stop_lxc(&node(), Vmid::new(200).unwrap()).await.unwrap();
    assert_eq!(logins.load(Ordering::SeqCst), 2);
    assert_eq!(server.count("POST", "/stop"), 2);
}

#[tokio::test]
async fn a_ticket_is_renewed_with_itself_before_it_ends() {
    let logins = Arc::new(AtomicUsize::new(0));
    let server = Server::start(ticket_script(logins.clone())).await;
    let client = client(&[&server], Auth::password("a@pve", "x"));
    client.version().await.unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61 * 60)).await;
    tokio::time::resume();
    client.version().await.unwrap();
    let seen = server.seen();
    let renewal = seen.iter().filter(|s| s.path == "/access/ticket").nth(1).unwrap();
    assert_eq!(renewal.body, "username=a%40pve&password=PVE%3Aa%40pve%3AT1");
    assert_eq!(seen.last().unwrap().header("cookie"), Some("PVEAuthCookie=PVE:a@pve:T2"));
}

#[tokio::test]
async fn a_second_factor_is_answered_with_the_code() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/access/ticket" if seen.body.contains("tfa-challenge") => {
            Answer::data(json!({"ticket": "PVE:a@pve:T", "CSRFPreventionToken": "C"}))
        }
        "/access/ticket" => {
            Answer::data(json!({"ticket": "PVE:!tfa!x", "CSRFPreventionToken": "C", "NeedTFA": 1}))
        }
        _ => version(seen),
    })
    .await;
    let auth = Auth::Ticket {
        user: "a@pve".into(),
        password: "x".to_owned().into(),
        otp: Some("123456".to_owned().into()),
    };
    client(&[&server], auth).version().await.unwrap();
    assert_eq!(
        server.seen()[1].body,
        "username=a%40pve&password=totp%3A123456&tfa-challenge=PVE%3A%21tfa%21x"
    );
    let error = client(&[&server], Auth::password("a@pve", "x")).version().await.unwrap_err();
    insta::assert_snapshot!(error, @"the account needs a second factor and no code was given");
}

#[tokio::test]
async fn a_pin_that_does_not_match_sends_nothing_and_shows_what_was_seen() {
    let server = Server::start(version).await;
    let other = Fingerprint::of(b"another certificate");
    let config = ClientConfig::new(vec![server.endpoint()], token()).tls(Tls::pinned(other));
    let error = checked(config).version().await.unwrap_err();
    let Error::Untrusted { presented, .. } = &error else { panic!("{error:?}") };
    assert_eq!(*presented, Some(server.fingerprint));
    assert!(!error.is_retryable() && !error.is_unreachable());
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_ca_file_is_trusted_and_an_unknown_authority_is_not() {
    let server = Server::start(version).await;
    let stranger = Server::start(version).await;
    let with_ca = |pem: &str| {
        let tls = Tls::CaFile(pem.as_bytes().to_vec());
        checked(ClientConfig::new(vec![server.endpoint()], token()).tls(tls))
    };
    with_ca(&server.certificate_pem).version().await.unwrap();
    let error = with_ca(&stranger.certificate_pem).version().await.unwrap_err();
    assert!(matches!(error, Error::Untrusted { presented: None, .. }), "{error:?}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_probe_shows_the_certificate_and_sends_no_request() {
    let server = Server::start(version).await;
    let probe = probe_fingerprint(&server.endpoint(), Duration::from_secs(5)).await.unwrap();
    assert_eq!(probe.fingerprint, server.fingerprint);
    assert_eq!(probe.certificate.unwrap().names, ["localhost", "127.0.0.1"]);
    assert!(server.seen().is_empty());
    let error = probe_fingerprint(&nobody().await, Duration::from_secs(5)).await.unwrap_err();
    assert!(error.is_unreachable(), "{error:?}");
}

#[tokio::test]
async fn the_next_endpoint_answers_when_the_first_is_down_and_is_kept() {
    let server = Server::start(|seen| match seen.method.as_str() {
        "GET" => version(seen),
        _ => Answer::data(upid()),
    })
    .await;
    let endpoints = vec![nobody().await, server.endpoint()];
    let config = ClientConfig::new(endpoints, token()).tls(Tls::pinned(server.fingerprint));
    let client = checked(config);
    client.start_lxc(&node(), Vmid::new(200).unwrap()).await.unwrap();
    assert_eq!(client.requests(), 2);
    client.version().await.unwrap();
    assert_eq!(client.requests(), 3, "the endpoint that worked is asked first");
}

#[tokio::test]
async fn nothing_listening_is_unreachable_and_may_be_tried_again() {
    let config = ClientConfig::new(vec![nobody().await, nobody().await], token());
    let client = checked(config.tls(Tls::pinned(Fingerprint::of(b""))));
    for error in [
        client.version().await.unwrap_err(),
        client.start_lxc(&node(), Vmid::new(200).unwrap()).await.unwrap_err(),
    ] {
        let Error::Unreachable(tried) = &error else { panic!("{error:?}") };
        assert_eq!(tried.len(), 2);
        assert_eq!(tried[0].kind, TransportKind::Connect);
        assert!(error.is_unreachable() && error.is_retryable() && !error.fate_unknown());
    }
}

#[tokio::test]
async fn a_write_cut_off_after_it_was_sent_is_never_sent_again() {
    let first = Server::start(|_| Answer::Cut).await;
    let second = Server::start(|_| Answer::data(upid())).await;
    let client = client(&[&first, &second], token());
    let error = client.start_lxc(&node(), Vmid::new(200).unwrap()).await.unwrap_err();
    assert!(error.fate_unknown() && !error.is_retryable() && !error.is_unreachable(), "{error:?}");
    assert_eq!((first.seen().len(), second.seen().len()), (1, 0));
}

#[tokio::test]
async fn a_read_that_was_cut_off_is_asked_elsewhere_or_once_more() {
    let first = Server::start(|_| Answer::Cut).await;
    let second = Server::start(version).await;
    client(&[&first, &second], token()).version().await.unwrap();
    assert_eq!((first.seen().len(), second.seen().len()), (1, 1));

    let once = AtomicUsize::new(0);
    let flaky =
        Server::start(
            move |seen| {
                if once.fetch_add(1, Ordering::SeqCst) == 0 { Answer::Cut } else { version(seen) }
            },
        )
        .await;
    flaky.client().version().await.unwrap();
    let error = first.client().version().await.unwrap_err();
    assert!(error.is_unreachable(), "{error:?}");
}

#[tokio::test]
async fn a_node_that_its_neighbour_cannot_reach_is_asked_through_another() {
    let first = Server::start(|_| Answer::bare(595, "Connection refused")).await;
    let second = Server::start(version).await;
    let both = client(&[&first, &second], token());
    both.version().await.unwrap();
    let vmid = Vmid::new(200).unwrap();
    let error = first.client().start_lxc(&node(), vmid).await.unwrap_err();
    assert_eq!(error.kind(), Some(&ErrorKind::ProxyFailed));
    assert!(error.is_retryable() && !error.fate_unknown());

    let lost = Server::start(|_| Answer::bare(596, "Broken pipe")).await;
    let error = lost.client().start_lxc(&node(), vmid).await.unwrap_err();
    assert!(error.fate_unknown() && !error.is_retryable());
    assert_eq!(lost.seen().len(), 1);
}

#[tokio::test]
async fn a_slow_answer_is_a_timeout_and_for_a_write_of_unknown_fate() {
    // A listener that takes connections and never answers: not even the TLS handshake.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent: Endpoint = listener.local_addr().unwrap().to_string().parse().unwrap();
    let short = Timeouts { connect: Duration::from_millis(50), request: Duration::from_millis(100) };
    let config = ClientConfig::new(vec![silent], token()).tls(Tls::pinned(Fingerprint::of(b"")));
    let error =
        checked(config.timeouts(short)).start_lxc(&node(), Vmid::new(200).unwrap()).await.unwrap_err();
    assert!(error.is_unreachable(), "without a handshake nothing was sent: {error:?}");

    let server = Server::start(|_| Answer::Silence).await;
    let short = Timeouts { request: Duration::from_millis(500), ..Timeouts::default() };
    let config = ClientConfig::new(vec![server.endpoint()], token());
    let client = checked(config.tls(Tls::pinned(server.fingerprint)).timeouts(short));
    let error = client.start_lxc(&node(), Vmid::new(200).unwrap()).await.unwrap_err();
    let Error::FateUnknown { source, .. } = &error else { panic!("{error:?}") };
    assert_eq!(source.kind, TransportKind::Timeout);
    assert!(client.version().await.unwrap_err().is_unreachable());
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn the_reason_phrase_is_kept_where_there_is_no_body() {
    let server = Server::start(|_| Answer::bare(401, "Permission denied - invalid csrf token")).await;
    let error = server.client().version().await.unwrap_err();
    let api = error.api().unwrap();
    assert_eq!((api.status, api.message.as_str()), (401, "Permission denied - invalid csrf token"));
    assert!(error.is_unauthorized());
    assert_eq!(server.seen().len(), 1, "a refused token is not tried again");
}

#[tokio::test]
async fn the_list_of_ten_thousand_guests_is_read_quickly() {
    let guest = |id: u32| {
        json!({"netout": 1076, "uptime": 1680, "name": format!("ct{id}"), "maxcpu": 1, "template": 0,
            "type": "lxc", "status": "running", "diskwrite": 0, "maxmem": 536_870_912u64, "netin": 10170,
            "node": "pve1", "disk": 140_464_128, "id": format!("lxc/{id}"), "maxdisk": 1_020_702_720,
            "cpu": 0.01, "mem": 8_364_032, "diskread": 0, "vmid": id, "memhost": 0, "tags": "proximity;web"})
    };
    let list = json!((100..10_100).map(guest).collect::<Vec<_>>());
    let text = json!({ "data": list }).to_string();
    let server =
        Server::start(move |_| Answer::Reply { status: 200, reason: "OK".into(), body: text.clone() }).await;
    let client = server.client();
    let guests = client.resources(Some(ResourceFilter::Guests)).await.unwrap();
    assert_eq!(guests.len(), 10_000);
    assert_eq!(guests[9_999].vmid, Some(Vmid::new(10_099).unwrap()));
    assert!(guests.iter().all(|g| g.tags.contains("proximity")));
    assert_eq!(server.seen().len(), 1);
}
