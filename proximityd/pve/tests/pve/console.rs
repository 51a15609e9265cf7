//! The console's handshake and framing against a websocket server.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use proximity_pve::*;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use crate::support::server::{Answer, Seen, Server, Socket, client, token};

const TICKET: &str = "PVEVNC:6B037371::a/b+c==";

fn termproxy() -> Answer {
    Answer::data(json!({
        "user": "proximity@pve!tests", "ticket": TICKET, "port": "5900",
        "upid": "UPID:pve1:00006C5A:00067788:6B037371:vncproxy:200:proximity@pve!tests:",
    }))
}

/// A server whose console is `talk`.
async fn server<F, T>(talk: T) -> Server
where
    T: Fn(Socket) -> F + Send + Sync + Clone + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    Server::start(move |seen: &Seen| match seen.path.rsplit('/').next() {
        Some("termproxy") => termproxy(),
        Some("vncwebsocket") => {
            let talk = talk.clone();
            Answer::Talk(Box::new(move |socket| Box::pin(talk(socket))))
        }
        _ => Answer::error(500, "unexpected"),
    })
    .await
}

async fn open(server: &Server) -> Result<ConsoleStream, Error> {
    server.client().console(&NodeName::new("pve1").unwrap(), Vmid::new(200).unwrap()).await
}

#[tokio::test]
async fn the_login_line_goes_first_and_bytes_travel_both_ways() {
    let (tx, mut frames) = mpsc::unbounded_channel();
    let server = server(move |mut socket| {
        let tx = tx.clone();
        async move {
            let first = socket.next().await.unwrap().unwrap().into_data();
            tx.send(first).unwrap();
            socket.send(Message::Binary("OK".into())).await.unwrap();
            socket.send(Message::Binary("root@app:/# ".into())).await.unwrap();
            while let Some(Ok(Message::Binary(data))) = socket.next().await {
                tx.send(data).unwrap();
            }
        }
    })
    .await;
    let mut console = open(&server).await.unwrap();
    assert_eq!(console.upid().kind(), "vncproxy");
    assert_eq!(console.recv().await.unwrap().unwrap(), "root@app:/# ");
    console.resize(120, 40).await.unwrap();
    console.send("héllo\n".as_bytes()).await.unwrap();
    let big = vec![b'x'; 150_000];
    console.send(&big).await.unwrap();
    let mut next = async || frames.recv().await.unwrap();
    assert_eq!(next().await, format!("proximity@pve!tests:{TICKET}\n"));
    assert_eq!(next().await, "1:120:40:");
    assert_eq!(next().await, "0:7:héllo\n");
    let mut arrived = 0;
    while arrived < big.len() {
        let frame = next().await;
        assert!(frame.len() <= 64 * 1024);
        let text = std::str::from_utf8(&frame).unwrap();
        let (length, data) = text.strip_prefix("0:").unwrap().split_once(':').unwrap();
        assert_eq!(length.parse::<usize>().unwrap(), data.len());
        arrived += data.len();
    }

    let seen = server.seen();
    assert_eq!(seen[1].query, "port=5900&vncticket=PVEVNC%3A6B037371%3A%3Aa%2Fb%2Bc%3D%3D");
    assert_eq!(seen[1].header("authorization"), seen[0].header("authorization"));
    assert!(!format!("{console:?}").contains("PVEVNC"));
}

#[tokio::test]
async fn output_that_comes_along_with_the_ok_is_not_lost() {
    let server = server(|mut socket| async move {
        socket.next().await.unwrap().unwrap();
        socket.send(Message::Binary("OKearly".into())).await.unwrap();
        socket.close(None).await.unwrap();
    })
    .await;
    let mut console = open(&server).await.unwrap();
    assert_eq!(console.recv().await.unwrap().unwrap(), "early");
    assert_eq!(console.recv().await.unwrap(), None);
    assert_eq!(console.recv().await.unwrap(), None);
}

#[tokio::test]
async fn a_shell_that_ends_without_ceremony_is_an_end_and_no_error() {
    let server = server(|mut socket| async move {
        socket.next().await.unwrap().unwrap();
        socket.send(Message::Binary("OK".into())).await.unwrap();
        // Dropped without a closing handshake.
    })
    .await;
    let mut console = open(&server).await.unwrap();
    assert_eq!(console.recv().await.unwrap(), None);
}

#[tokio::test]
async fn a_refused_login_says_so() {
    let server = server(|mut socket| async move {
        socket.next().await.unwrap().unwrap();
    })
    .await;
    let error = open(&server).await.unwrap_err();
    insta::assert_snapshot!(error, @"the console refused the login (it closed the connection)");
}

#[tokio::test]
async fn a_refused_websocket_keeps_the_words_of_the_server() {
    let server = Server::start(|seen| match seen.path.ends_with("/termproxy") {
        true => termproxy(),
        false => Answer::error(401, "permission denied - invalid PVEVNC ticket"),
    })
    .await;
    let error = open(&server).await.unwrap_err();
    assert_eq!(error.api().unwrap().message, "permission denied - invalid PVEVNC ticket");
}

#[tokio::test]
async fn the_websocket_goes_where_the_ticket_came_from() {
    let down = Server::start(|_| Answer::Cut).await;
    let endpoints = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = endpoints.clone();
    let up = server(move |mut socket| {
        count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        async move {
            socket.next().await.unwrap().unwrap();
            socket.send(Message::Binary("OK".into())).await.unwrap();
        }
    })
    .await;
    // A read moves the client to the endpoint that works.
    let client = client(&[&down, &up], token());
    let _ = client.version().await;
    let before = down.seen().len();
    client.console(&NodeName::new("pve1").unwrap(), Vmid::new(200).unwrap()).await.unwrap();
    assert_eq!(endpoints.load(std::sync::atomic::Ordering::SeqCst), 1);
    assert_eq!(down.seen().len(), before);
}

#[tokio::test]
async fn the_halves_work_apart_and_closing_ends_the_reader() {
    let server = server(|mut socket| async move {
        socket.next().await.unwrap().unwrap();
        socket.send(Message::Binary("OK".into())).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Binary(data) = message {
                socket.send(Message::Binary(data)).await.unwrap();
            }
        }
    })
    .await;
    let (mut reader, writer) = open(&server).await.unwrap().split();
    let echo = tokio::spawn(async move {
        let first = reader.recv().await.unwrap();
        (first, reader.recv().await.unwrap())
    });
    writer.send(b"ls\n").await.unwrap();
    writer.close().await;
    let (first, end) = echo.await.unwrap();
    assert_eq!(first.unwrap(), "0:3:ls\n");
    assert_eq!(end, None);
}
