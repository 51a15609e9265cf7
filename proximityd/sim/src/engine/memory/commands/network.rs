//! The network as the guest sees it: its own address, its own published ports, and nothing else.

use std::time::Duration;

use serde_json::json;

use super::Ctx;
use crate::engine::memory::docker::stand_in;
use crate::engine::memory::net;

pub(super) async fn ip(ctx: &mut Ctx) -> i32 {
    let (mut json_out, mut oneline, mut four, mut brief, mut words) =
        (false, false, false, false, Vec::new());
    for arg in &ctx.args[1..] {
        match arg.as_str() {
            "-j" | "-json" => json_out = true,
            "-o" | "-oneline" => oneline = true,
            "-4" => four = true,
            "-br" | "-brief" => brief = true,
            "-p" | "-6" | "-c" | "-s" | "-d" => {}
            _ => words.push(arg.clone()),
        }
    }
    let guest = ctx.guest();
    let interfaces = net::interfaces(&guest);
    let object = words.first().map_or("addr", String::as_str);
    let device = words
        .iter()
        .skip_while(|w| *w != "dev")
        .nth(1)
        .or_else(|| words.last().filter(|w| matches!(w.as_str(), "eth0" | "lo")));
    match object {
        "a" | "ad" | "addr" | "address" | "l" | "link" => {
            let mut list = Vec::new();
            for (index, interface) in interfaces.iter().enumerate() {
                if device.is_some_and(|d| *d != interface.name) {
                    continue;
                }
                let (name, mac) = (&interface.name, &interface.hwaddr);
                let inet = interface.inet.clone().unwrap_or_default();
                let (address, length) = inet.split_once('/').unwrap_or((&inet, "8"));
                let number = index + 1;
                if json_out {
                    let addresses = match interface.inet {
                        Some(_) if object.starts_with('a') => json!([{
                            "family": "inet", "local": address, "prefixlen": length.parse().unwrap_or(8),
                            "scope": if name == "lo" { "host" } else { "global" }, "label": name,
                        }]),
                        _ => json!([]),
                    };
                    list.push(
                        json!({"ifindex": number, "ifname": name, "flags": ["UP", "LOWER_UP"], "mtu": 1500,
                        "operstate": "UP", "address": mac, "addr_info": addresses}),
                    );
                } else if brief {
                    ctx.say(format!("{name:<16} UP             {inet}"));
                } else if oneline {
                    if interface.inet.is_some() {
                        ctx.say(format!("{number}: {name}    inet {inet} scope global {name}\\       valid_lft forever preferred_lft forever"));
                    }
                } else {
                    ctx.say(format!("{number}: {name}: <UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000"));
                    if !four {
                        ctx.say(format!("    link/ether {mac} brd ff:ff:ff:ff:ff:ff"));
                    }
                    if interface.inet.is_some() && object.starts_with('a') {
                        ctx.say(format!("    inet {inet} scope global {name}\n       valid_lft forever preferred_lft forever"));
                    }
                }
            }
            if json_out {
                ctx.say(serde_json::Value::Array(list).to_string());
            }
            0
        }
        "r" | "ro" | "route" => {
            let address = interfaces.iter().find(|i| i.name == "eth0").and_then(|i| i.inet.clone());
            let Some(address) = address else { return 0 };
            let own = address.split('/').next().unwrap_or_default();
            let target = words.get(2);
            if json_out {
                ctx.say(json!([{"dst": "default", "gateway": "127.0.0.1", "dev": "eth0", "prefsrc": own, "flags": []}]).to_string());
            } else if words.get(1).is_some_and(|w| w == "get") {
                let target = target.cloned().unwrap_or_default();
                ctx.say(format!("{target} dev eth0 src {own} uid 0"));
            } else {
                ctx.say(format!(
                    "default via 127.0.0.1 dev eth0\n127.0.0.0/8 dev eth0 proto kernel scope link src {own}"
                ));
            }
            0
        }
        _ => 0,
    }
}

pub(super) async fn ss(ctx: &mut Ctx) -> i32 {
    ctx.say("State  Recv-Q Send-Q Local Address:Port Peer Address:Port");
    let ports = stand_in::listening(&ctx.guest());
    ctx.say("LISTEN 0      128          0.0.0.0:22         0.0.0.0:*");
    for port in ports {
        ctx.say(format!("LISTEN 0      4096         0.0.0.0:{port}       0.0.0.0:*"));
    }
    0
}

/// The addresses a name has, as far as the guest knows.
fn resolve(ctx: &Ctx, name: &str) -> Option<String> {
    if name.parse::<std::net::IpAddr>().is_ok() {
        return Some(name.to_owned());
    }
    let guest = ctx.guest();
    if name == guest.hostname() {
        return guest.address().map(|a| a.to_string());
    }
    let hosts = ctx.files.read("/etc/hosts").unwrap_or_default();
    let found = String::from_utf8_lossy(&hosts).lines().find_map(|line| {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let address = words.next()?.to_owned();
        words.any(|word| word == name).then_some(address)
    });
    // Debian's mirror answers in every guest: `apt-get` works there too.
    found.or_else(|| (name == "localhost").then(|| "127.0.0.1".to_owned())).or_else(|| {
        matches!(name, "deb.debian.org" | "security.debian.org").then(|| "151.101.2.132".to_owned())
    })
}

pub(super) async fn getent(ctx: &mut Ctx) -> i32 {
    let (database, key) = (ctx.args.get(1).cloned().unwrap_or_default(), ctx.args.get(2).cloned());
    match database.as_str() {
        "hosts" | "ahosts" | "ahostsv4" => match key.as_deref().and_then(|name| resolve(ctx, name)) {
            Some(address) => {
                let key = key.unwrap_or_default();
                let text = match database.as_str() {
                    "hosts" => format!("{address:<15} {key}"),
                    _ => format!("{address:<15} STREAM {key}\n{address:<15} DGRAM\n{address:<15} RAW"),
                };
                ctx.say(text);
                0
            }
            None => 2,
        },
        "passwd" | "group" => {
            let data = ctx.files.read(&format!("/etc/{database}")).unwrap_or_default();
            let text = String::from_utf8_lossy(&data).into_owned();
            let mut found = false;
            for line in text.lines() {
                let fields: Vec<&str> = line.split(':').collect();
                if key.as_deref().is_none_or(|k| fields.first() == Some(&k) || fields.get(2) == Some(&k)) {
                    found = true;
                    ctx.say(line);
                }
            }
            if found { 0 } else { 2 }
        }
        _ => 1,
    }
}

pub(super) async fn ping(ctx: &mut Ctx) -> i32 {
    let mut count = 3_u32;
    let mut host = String::new();
    let mut args = ctx.arguments();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-c" => count = args.next().and_then(|n| n.parse().ok()).unwrap_or(1),
            "-W" | "-w" | "-i" | "-s" => _ = args.next(),
            flag if flag.starts_with("-c") => count = flag[2..].parse().unwrap_or(1),
            flag if flag.starts_with('-') => {}
            _ => host = arg,
        }
    }
    let Some(address) = resolve(ctx, &host) else {
        ctx.fail(format!("ping: {host}: Name or service not known"));
        return 2;
    };
    ctx.say(format!("PING {host} ({address}) 56(84) bytes of data."));
    let own = ctx.guest().address().map(|a| a.to_string());
    if !address.starts_with("127.0.") && Some(&address) != own.as_ref() {
        ctx.say(format!(
            "\n--- {host} ping statistics ---\n{count} packets transmitted, 0 received, 100% packet loss"
        ));
        return 1;
    }
    for sequence in 1..=count.min(10) {
        ctx.say(format!("64 bytes from {address}: icmp_seq={sequence} ttl=64 time=0.031 ms"));
    }
    ctx.say(format!(
        "\n--- {host} ping statistics ---\n{count} packets transmitted, {count} received, 0% packet loss"
    ));
    0
}

#[derive(Debug, Default)]
struct Request {
    urls: Vec<String>,
    fail: bool,
    silent: bool,
    show_error: bool,
    head: bool,
    include: bool,
    json: bool,
    output: Option<String>,
    write_out: Option<String>,
    limit: Option<f64>,
}

fn curl_args(ctx: &Ctx) -> Request {
    let mut request = Request::default();
    let mut args = ctx.arguments();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--fail" | "--fail-with-body" => request.fail = true,
            "--silent" => request.silent = true,
            "--show-error" => request.show_error = true,
            "--head" => request.head = true,
            "--max-time" | "--connect-timeout" => request.limit = args.next().and_then(|t| t.parse().ok()),
            "--output" => request.output = args.next(),
            "--write-out" => request.write_out = args.next(),
            "--header" => {
                let header = args.next().unwrap_or_default();
                request.json |= header.to_lowercase().starts_with("accept:") && header.contains("json");
            }
            "--retry" | "--retry-delay" | "--request" | "--data" | "--user" | "--user-agent"
            | "--resolve" | "--unix-socket" | "--retry-max-time" | "--data-binary" | "--cacert" => {
                _ = args.next()
            }
            long if long.starts_with("--") => {}
            short if short.starts_with('-') && short.len() > 1 => {
                let letters: Vec<char> = short[1..].chars().collect();
                for (index, letter) in letters.iter().enumerate() {
                    let rest: String = letters[index + 1..].iter().collect();
                    let mut value = || if rest.is_empty() { args.next() } else { Some(rest.clone()) };
                    match letter {
                        'f' => request.fail = true,
                        's' => request.silent = true,
                        'S' => request.show_error = true,
                        'I' => request.head = true,
                        'i' => request.include = true,
                        'm' => request.limit = value().and_then(|t| t.parse().ok()),
                        'o' => request.output = value(),
                        'w' => request.write_out = value(),
                        'H' => {
                            let header = value().unwrap_or_default();
                            request.json |=
                                header.to_lowercase().starts_with("accept:") && header.contains("json");
                        }
                        'X' | 'd' | 'u' | 'A' | 'T' | 'b' | 'e' => _ = value(),
                        _ => continue,
                    }
                    if "mowHXduATbe".contains(*letter) {
                        break;
                    }
                }
            }
            _ => request.urls.push(arg),
        }
    }
    request
}

/// Host, port, path and whether it is TLS.
fn split_url(url: &str) -> Option<(String, u16, String, bool)> {
    let (tls, rest) = match url.split_once("://") {
        Some(("http", rest)) => (false, rest),
        Some(("https", rest)) => (true, rest),
        Some(_) => return None,
        None => (false, url),
    };
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (authority, if tls { 443 } else { 80 }),
    };
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Some((host.trim_matches(['[', ']']).to_owned(), port, path, tls))
}

pub(super) async fn curl(ctx: &mut Ctx) -> i32 {
    let request = curl_args(ctx);
    if request.urls.is_empty() {
        ctx.fail("curl: (2) no URL specified");
        return 2;
    }
    let mut status = 0;
    for url in request.urls.clone() {
        status = fetch(ctx, &request, &url).await;
    }
    status
}

async fn fetch(ctx: &mut Ctx, request: &Request, url: &str) -> i32 {
    let outcome = exchange(ctx, request, url).await;
    let code = outcome.as_ref().map_or(0, |answer| answer.status);
    let mut size = 0;
    let mut result = match outcome {
        Err((exit, text)) => {
            if !request.silent || request.show_error {
                ctx.fail(format!("curl: ({exit}) {text}"));
            }
            exit
        }
        Ok(answer) if request.fail && answer.status >= 400 => {
            if !request.silent || request.show_error {
                ctx.fail(format!("curl: (22) The requested URL returned error: {}", answer.status));
            }
            22
        }
        Ok(answer) => {
            let mut bytes = Vec::new();
            if request.head || request.include {
                bytes.extend_from_slice(
                    format!(
                        "HTTP/1.1 {} {}\r\ncontent-type: {}\r\ncontent-length: {}\r\n\r\n",
                        answer.status,
                        answer.reason(),
                        answer.content_type,
                        answer.body.len()
                    )
                    .as_bytes(),
                );
            }
            if !request.head {
                size = answer.body.len();
                bytes.extend_from_slice(answer.body.as_bytes());
            }
            match &request.output {
                Some(path) => {
                    let full = ctx.path(path);
                    match ctx.files.write(&full, bytes, 0o644) {
                        Ok(()) => 0,
                        Err(_) => 23,
                    }
                }
                None => {
                    ctx.emit(&bytes);
                    0
                }
            }
        }
    };
    if let Some(format) = &request.write_out {
        let text = format
            .replace("%{http_code}", &format!("{code:03}"))
            .replace("%{response_code}", &format!("{code:03}"))
            .replace("%{size_download}", &size.to_string())
            .replace("%{time_total}", "0.001")
            .replace("%{exitcode}", &result.to_string())
            .replace("%{url_effective}", url);
        let bytes = super::printf::escapes(&text, false).0;
        ctx.emit(&bytes);
    }
    if !ctx.flush().await {
        result = 23;
    }
    result
}

type Failure = (i32, String);

async fn exchange(ctx: &Ctx, request: &Request, url: &str) -> Result<stand_in::Answer, Failure> {
    let Some((host, port, path, tls)) = split_url(url) else {
        let scheme = url.split("://").next().unwrap_or_default();
        return Err((1, format!("Protocol \"{scheme}\" not supported")));
    };
    let Some(address) = resolve(ctx, &host).or_else(|| service_address(ctx, &host)) else {
        return Err((6, format!("Could not resolve host: {host}")));
    };
    let guest = ctx.guest();
    let own = guest.address().map(|a| a.to_string());
    let local = address.starts_with("127.0.") || address == "::1" || Some(&address) == own.as_ref();
    let refused =
        (7, format!("Failed to connect to {host} port {port} after 0 ms: Could not connect to server"));
    if !local {
        if address.starts_with("127.") {
            return Err(refused);
        }
        tokio::time::sleep(Duration::from_secs_f64(request.limit.unwrap_or(5.0).clamp(0.0, 5.0))).await;
        return Err((28, format!("Connection timed out after {} milliseconds", 5000)));
    }
    let answer = stand_in::answer_locally(&guest, &ctx.place, &host, port, &path, request.json);
    let Some(answer) = answer else { return Err(refused) };
    if tls {
        return Err((
            35,
            "TLS connect error: error:0A0000C6:SSL routines::packet length too long".to_owned(),
        ));
    }
    Ok(answer)
}

/// Inside a service, the names of the project's other services resolve.
fn service_address(ctx: &Ctx, host: &str) -> Option<String> {
    let super::Place::Service(id) = &ctx.place else { return None };
    let guest = ctx.guest();
    let state = guest.lock();
    let own = state.meta.docker.containers.get(id)?;
    state
        .meta
        .docker
        .containers
        .values()
        .any(|c| c.project == own.project && (c.service == host || c.name == host))
        .then(|| "127.0.0.1".to_owned())
}

pub(super) async fn wget(ctx: &mut Ctx) -> i32 {
    let mut request = Request { fail: true, ..Request::default() };
    let (mut spider, mut quiet) = (false, false);
    let mut args = ctx.arguments();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--spider" => spider = true,
            "-O" => request.output = args.next(),
            "-qO-" | "-qO" | "-q" | "--quiet" | "-nv" => {
                quiet = true;
                if arg == "-qO" {
                    request.output = args.next();
                } else if arg == "-qO-" {
                    request.output = Some("-".to_owned());
                }
            }
            "-T" | "-t" | "--timeout" | "--tries" => request.limit = args.next().and_then(|t| t.parse().ok()),
            other if other.starts_with('-') => {}
            _ => request.urls.push(arg),
        }
    }
    let Some(url) = request.urls.first().cloned() else {
        ctx.fail("wget: missing URL");
        return 1;
    };
    match exchange(ctx, &request, &url).await {
        Err((exit, text)) => {
            if !quiet {
                ctx.fail(format!("wget: {text}"));
            }
            if matches!(exit, 6 | 7 | 28) { 4 } else { 1 }
        }
        Ok(answer) if answer.status >= 400 => {
            if !quiet {
                ctx.fail(format!("ERROR {}: {}.", answer.status, answer.reason()));
            }
            8
        }
        Ok(_) if spider => 0,
        Ok(answer) => {
            let name = url.rsplit('/').next().filter(|n| !n.is_empty()).unwrap_or("index.html").to_owned();
            match request.output.as_deref().unwrap_or(&name) {
                "-" => ctx.emit(answer.body.as_bytes()),
                path => {
                    let full = ctx.path(path);
                    if ctx.files.write(&full, answer.body.into_bytes(), 0o644).is_err() {
                        return 3;
                    }
                }
            }
            0
        }
    }
}
