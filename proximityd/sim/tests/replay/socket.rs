//! Console websockets: an attempt to connect, told by a note, and a transcript of frames.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::player::{Stage, read};
use super::world::{SECRET, TOKEN, USER, World};

type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// Nothing that comes takes longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Long enough for a frame that would come at once.
const TOO_LONG: Duration = Duration::from_millis(150);

struct Opened {
    user: String,
    ticket: String,
    port: String,
}

async fn open(stage: &Stage, vmid: u32) -> Opened {
    let request = stage.request("POST", &format!("/nodes/pve1/lxc/{vmid}/termproxy"));
    let reply = read(request.header("Authorization", token())).await;
    let text = |key: &str| reply.body["data"][key].as_str().unwrap_or_default().to_owned();
    Opened { user: text("user"), ticket: text("ticket"), port: text("port") }
}

fn token() -> String {
    format!("PVEAPIToken={USER}!{TOKEN}={SECRET}")
}

/// What the note says was done differently.
struct Attempt {
    ticket: bool,
    header: bool,
    protocol: bool,
    late: bool,
    line: fn(&Opened) -> String,
}

fn attempt(note: &str) -> Attempt {
    let line: fn(&Opened) -> String = if note.contains("wrong ticket") {
        |o| format!("{}:PVEVNC:00000000::nonsense\n", o.user)
    } else if note.contains("without token") {
        |o| format!("{}:{}\n", o.user.split('!').next().unwrap_or_default(), o.ticket)
    } else if note.contains("missing newline") {
        |o| format!("{}:{}", o.user, o.ticket)
    } else {
        |o| format!("{}:{}\n", o.user, o.ticket)
    };
    Attempt {
        ticket: !note.contains("bad vncticket"),
        header: !note.contains("no auth"),
        protocol: !note.contains("no subprotocol"),
        late: note.contains("after"),
        line,
    }
}

async fn connect(
    stage: &Stage,
    vmid: u32,
    opened: &Opened,
    how: &Attempt,
) -> Result<(Socket, Response), Error> {
    let file = &stage.node.file;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_slice(file.ca_pem.as_bytes()).unwrap()).unwrap();
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(file.listen).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let ticket =
        if how.ticket { crate::support::urlencode(&opened.ticket) } else { "PVEVNC%3Anonsense".to_owned() };
    let path =
        format!("/api2/json/nodes/pve1/lxc/{vmid}/vncwebsocket?port={}&vncticket={ticket}", opened.port);
    let mut request = format!("wss://{}{path}", file.listen).into_client_request().unwrap();
    let headers = request.headers_mut();
    if how.header {
        headers.insert("Authorization", token().parse().unwrap());
    }
    if how.protocol {
        headers.insert("Sec-WebSocket-Protocol", "binary".parse().unwrap());
    }
    tokio_tungstenite::client_async(request, stream).await
}

/// What came first: a frame's bytes, the end, or nothing at all for too long.
async fn first(socket: &mut Socket, wait: Duration) -> String {
    match tokio::time::timeout(wait, socket.next()).await {
        Err(_) => "nothing".to_owned(),
        Ok(Some(Ok(Message::Binary(bytes)))) => String::from_utf8_lossy(&bytes).into_owned(),
        Ok(_) => "end".to_owned(),
    }
}

/// The recorded first frame in the same words.
fn recorded_first(text: &str) -> String {
    match text {
        t if t.contains("EOFError") => "end".to_owned(),
        t if t.contains("TimeoutError") => "nothing".to_owned(),
        t => t.split("b'").nth(1).map_or("nothing", |r| r.trim_end_matches([')', '\''])).to_owned(),
    }
}

async fn stage(running: bool, late: bool) -> Stage {
    // Who comes late finds that nobody waits any more, however short the wait was.
    let wait = if late { Duration::from_millis(20) } else { PATIENCE };
    let stage = Stage::with(|options| options.console_wait = wait).await;
    let mut world = World::new(stage.whole().await);
    world.guest(200);
    if running {
        world.running(200);
    }
    stage.set(&world).await.unwrap();
    stage
}

/// Plays an attempt; the differences in words.
pub(crate) async fn play_attempt(note: &str, response: &Value) -> Vec<String> {
    let how = attempt(note);
    let stage = stage(!note.contains("stopped"), how.late).await;
    let opened = open(&stage, 200).await;
    if how.late {
        wait_until_given_up(&stage).await;
    }
    let head = response["head"].as_str().unwrap_or_default();
    let mut recorded = (
        u16::try_from(response["status"].as_u64().unwrap_or(0)).unwrap_or(0),
        head.lines().next().and_then(|l| l.splitn(3, ' ').nth(2)).unwrap_or_default().to_owned(),
        head.to_lowercase().contains("sec-websocket-protocol: binary"),
        recorded_first(response["first_frame"].as_str().unwrap_or_default()),
        response["rest"].as_str().unwrap_or_default().to_owned(),
    );
    let answered = match connect(&stage, 200, &opened, &how).await {
        Ok((mut socket, reply)) => {
            socket.send(Message::Binary((how.line)(&opened).into_bytes().into())).await.unwrap();
            // Where nothing came, nothing comes: that takes as long as one cares to wait.
            let wait = if recorded.3 == "nothing" { TOO_LONG } else { PATIENCE };
            let frame = first(&mut socket, wait).await;
            let binary = reply.headers().get("Sec-WebSocket-Protocol").is_some();
            recorded.1 = "Switching Protocols".to_owned();
            (101, "Switching Protocols".to_owned(), binary, frame, String::new())
        }
        Err(Error::Http(reply)) => {
            let phrase = reply.extensions().get::<hyper::ext::ReasonPhrase>();
            let phrase = phrase.map(|p| String::from_utf8_lossy(p.as_bytes()).into_owned());
            let body =
                reply.body().as_deref().map(|b| String::from_utf8_lossy(b).into_owned()).unwrap_or_default();
            // This client keeps no reason phrase; the message in the body is the same.
            recorded.1 = phrase.clone().unwrap_or_default();
            (reply.status().as_u16(), phrase.unwrap_or_default(), false, "nothing".to_owned(), body)
        }
        Err(_) => (0, String::new(), false, "nothing".to_owned(), String::new()),
    };
    stage.node.shutdown().await;
    if recorded == answered {
        Vec::new()
    } else {
        vec![format!("recorded {recorded:?}, answered {answered:?}")]
    }
}

/// Waits for the console's worker to give up.
async fn wait_until_given_up(stage: &Stage) {
    loop {
        let request =
            stage.request("GET", "/nodes/pve1/tasks?source=active").header("Authorization", token());
        if read(request).await.body["data"].as_array().is_some_and(Vec::is_empty) {
            return;
        }
    }
}

/// Plays a transcript: what the client sent, and of what came back what does not hang on the shell's prompt.
pub(crate) async fn play_transcript(transcript: &Value) -> Vec<String> {
    let stage = stage(true, false).await;
    let opened = open(&stage, 200).await;
    let how = attempt("");
    let mut wrong = Vec::new();
    let Ok((mut socket, reply)) = connect(&stage, 200, &opened, &how).await else {
        return vec!["the websocket was refused".to_owned()];
    };
    for line in transcript["handshake_response"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let Some((name, value)) = line.split_once(": ") else { continue };
        let got = reply.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
        if name != "Sec-WebSocket-Accept" && !got.eq_ignore_ascii_case(value) {
            wrong.push(format!("{name}: recorded {value}, answered {got:?}"));
        }
    }
    let frames: Vec<&Value> = transcript["frames"].as_array().into_iter().flatten().collect();
    for (index, frame) in frames.iter().enumerate() {
        if frame[0] == "C" {
            let text = frame[1]
                .as_str()
                .unwrap_or_default()
                .replace("\\n", "\n")
                .replace("<ticket>", &opened.ticket);
            socket.send(Message::Binary(counted(&text).into_bytes().into())).await.unwrap();
            continue;
        }
        // What is printed by the commands, line by line; the echo and the prompt are the shell's own.
        let recorded = frame[2].as_str().unwrap_or_default();
        let Some(wanted) = told(recorded, index > 1) else { continue };
        let mut seen = String::new();
        while !seen.contains(&wanted) {
            match tokio::time::timeout(PATIENCE, socket.next()).await {
                Ok(Some(Ok(Message::Binary(bytes)))) => seen.push_str(&String::from_utf8_lossy(&bytes)),
                Ok(Some(Ok(_))) => {}
                _ => {
                    wrong.push(format!("frame {index}: recorded {wanted:?}, answered {seen:?}"));
                    break;
                }
            }
        }
    }
    stage.node.shutdown().await;
    wrong
}

/// A data frame tells its own length in bytes, which the transcript's printed form has lost.
fn counted(text: &str) -> String {
    match text.strip_prefix("0:").and_then(|rest| rest.split_once(':')) {
        Some((_, data)) => format!("0:{}:{data}", data.len()),
        None => text.to_owned(),
    }
}

/// The one thing of a frame that says it came out right: `OK`, or the line with the exit code.
fn told(frame: &str, shell: bool) -> Option<String> {
    if !shell {
        return Some(frame.to_owned());
    }
    frame.lines().map(str::trim).find(|line| line.starts_with("END rc=")).map(str::to_owned)
}
