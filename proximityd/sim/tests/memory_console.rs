//! The console: its terminal, its shared session, and the way a daemon works through it.
#![allow(clippy::unwrap_used)]

mod memory_rig;

use std::time::{Duration, Instant};

use base64::Engine as _;
use memory_rig::Rig;
use proximity_sim::engine::Engine as _;
use sha2::{Digest as _, Sha256};

#[tokio::test]
async fn a_first_attachment_shows_the_prompt_and_echoes_what_is_typed() {
    let rig = Rig::new().await;
    let guest = rig.guest(100).await;
    let mut terminal = rig.terminal(&guest).await;
    let first = terminal.until("# ").await;
    assert_eq!(first, "\x1b[H\x1b[J\x1b[?2004hroot@app100:/# ");
    terminal.type_in("echo hi\n").await;
    let seen = terminal.until("# ").await;
    assert_eq!(seen, "echo hi\r\n\x1b[?2004l\rhi\r\n\x1b[?2004hroot@app100:/# ");
}

#[tokio::test]
async fn two_attachments_share_a_screen_and_the_session_outlives_both() {
    let rig = Rig::new().await;
    let guest = rig.guest(100).await;
    let mut one = rig.terminal(&guest).await;
    one.until("# ").await;
    let mut two = rig.terminal(&guest).await;
    one.type_in("X=kept; echo sha\"\"red\n").await;
    two.until("\rshared\r\n").await;
    one.type_in("echo $").await;
    two.until("echo $").await;
    drop((one, two));
    let mut three = rig.terminal(&guest).await;
    three.type_in("X\n").await;
    let seen = three.until("kept").await;
    assert!(!seen.contains("root@"), "nothing is shown before something is sent: {seen:?}");
}

#[tokio::test]
async fn exit_ends_the_output_and_the_next_attachment_gets_a_fresh_shell() {
    let rig = Rig::new().await;
    let guest = rig.guest(100).await;
    let mut terminal = rig.terminal(&guest).await;
    terminal.until("# ").await;
    terminal.type_in("Y=1\nexit\n").await;
    assert!(terminal.end().await.contains("[EOF - dtach terminating]"));
    let mut terminal = rig.terminal(&guest).await;
    terminal.until("# ").await;
    terminal.type_in("echo [$Y]\n").await;
    terminal.until("\r[]\r\n").await;
}

#[tokio::test]
async fn an_interrupt_ends_the_foreground_job_only() {
    let rig = Rig::new().await;
    let guest = rig.guest(100).await;
    let mut terminal = rig.terminal(&guest).await;
    terminal.until("# ").await;
    for endless in ["sleep 1000", "while :; do :; done", "cat", "head -c 100"] {
        terminal.type_in(&format!("printf 'R%s\\n' UNS; {endless}\n")).await;
        terminal.until("RUNS\r\n").await;
        terminal.type_in("\x03").await;
        terminal.until("^C\r\n").await;
        terminal.until("# ").await;
        terminal.type_in("echo st=$?\n").await;
        terminal.until("\rst=130\r\n").await;
        terminal.until("# ").await;
    }
}

#[tokio::test]
async fn typing_ahead_stays_for_the_shell_and_a_reader_gets_its_lines() {
    let rig = Rig::new().await;
    let guest = rig.guest(100).await;
    let mut terminal = rig.terminal(&guest).await;
    terminal.until("# ").await;
    terminal.type_in("read -r a; echo got=$a; sleep 0.05\nwo\x7f\x7fhello\necho ahead\"\"=1\n").await;
    terminal.until("got=hello\r\n").await;
    terminal.until("\rahead=1\r\n").await;
}

async fn probe(terminal: &mut memory_rig::Terminal) {
    terminal.type_in("\x05\x15").await;
    terminal.type_in(" printf 'P%sQ\\n' 1234\n").await;
    terminal.until("P1234Q\r\n").await;
}

/// The upload of the daemon's protocol; its duration.
async fn upload(terminal: &mut memory_rig::Terminal, id: &str, content: &[u8]) -> Duration {
    let encoded = base64::engine::general_purpose::STANDARD.encode(content);
    let length = encoded.len();
    terminal.type_in(&format!(" D=/run/proximity/{id}; mkdir -p -m 700 $D; (stty -echo -icanon min 1; printf 'R%sY\\n' 77; head -c {length} | base64 -d >$D/run.sh; stty sane; printf 'D%sE %s\\n' 77 \"$(sha256sum <$D/run.sh)\")\n")).await;
    terminal.until("R77Y\r\n").await;
    let begun = Instant::now();
    for frame in encoded.as_bytes().chunks(48 * 1024) {
        terminal.send(frame).await;
    }
    terminal.until("D77E ").await;
    let sum: String = Sha256::digest(content).iter().map(|b| format!("{b:02x}")).collect();
    assert!(terminal.until("\r\n").await.starts_with(&sum));
    begun.elapsed()
}

#[tokio::test]
async fn a_megabyte_goes_up_with_its_checksum_in_well_below_a_second() {
    let rig = Rig::new().await;
    let guest = rig.guest(100).await;
    let mut terminal = rig.terminal(&guest).await;
    probe(&mut terminal).await;
    let content: Vec<u8> = (0..1_500_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let took = upload(&mut terminal, "big", &content).await;
    assert!(took < Duration::from_millis(1500), "{took:?}");
    probe(&mut terminal).await;
}

#[tokio::test]
async fn a_daemons_job_is_started_polled_read_and_removed() {
    let rig = Rig::new().await;
    let guest = rig.guest(100).await;
    let mut terminal = rig.terminal(&guest).await;
    probe(&mut terminal).await;
    let script = b"cat\necho to-err >&2\nsleep 0.3\nprintf 'bin\\377end'\nexit 42\n";
    upload(&mut terminal, "job1", script).await;
    terminal.type_in(" printf 'some input' >$D/in; : >$D/out; setsid sh -c 'D=/run/proximity/job1; sh $D/run.sh <$D/in >$D/out 2>$D/err; printf %s $? >$D/rc.tmp; mv $D/rc.tmp $D/rc' </dev/null >/dev/null 2>&1 &\n").await;
    let poll = " i=0; while [ ! -e $D/rc ] && [ $i -lt 50 ]; do sleep 0.1; i=$((i+1)); done; printf 'X%sX %s\\n' 9 \"$(cat $D/rc)\"; printf 'O%sO' 9; tail -c +1 $D/out | base64 -w 0; printf 'Z%sZ\\n' 9\n";
    terminal.type_in(poll).await;
    terminal.until("X9X ").await;
    assert_eq!(terminal.until("\r\n").await.trim(), "42");
    terminal.until("O9O").await;
    let text = terminal.until("Z9Z").await;
    let output = base64::engine::general_purpose::STANDARD.decode(text.trim_end_matches("Z9Z")).unwrap();
    assert_eq!(output, b"some inputbin\xffend");
    terminal.type_in(" cat $D/err; rm -rf $D; ls /run/proximity; printf 'G%sE\\n' ON\n").await;
    assert!(terminal.until("GONE\r\n").await.contains("to-err\r\n"));
}

#[tokio::test]
async fn stopping_the_container_ends_its_console_and_empties_run() {
    let rig = Rig::new().await;
    let guest = rig.guest(100).await;
    rig.ok(&guest, "echo gone >/run/a; echo kept >/root/a").await;
    let mut terminal = rig.terminal(&guest).await;
    terminal.type_in("while :; do sleep 0.01; done\n").await;
    rig.engine.stop(&guest).await.unwrap();
    terminal.end().await;
    assert!(rig.engine.console(&guest).await.is_err());
    rig.engine.start(&guest).await.unwrap();
    assert_eq!(rig.ok(&guest, "cat /root/a; ls /run | grep -cx a || true").await, "kept\n0\n");
}

#[tokio::test]
async fn a_job_that_runs_is_seen_by_its_pid_and_can_be_killed() {
    let rig = Rig::new().await;
    let guest = rig.guest(100).await;
    let mut terminal = rig.terminal(&guest).await;
    probe(&mut terminal).await;
    terminal.type_in(" D=/run/j; mkdir -p $D; printf 'exec sleep 1000' >$D/run; setsid sh -c 'echo $$ >$0/pid; timeout -k 10 60 sh $0/run; echo $? >$0/rc.new; mv $0/rc.new $0/rc' $D </dev/null >/dev/null 2>&1 &\n").await;
    let look = " if [ -e $D/rc ]; then printf 'L%s:ended.\\n' 1; elif [ -e $D/pid ] && kill -0 $(cat $D/pid); then printf 'L%s:running.\\n' 1; else printf 'L%s:nothing.\\n' 1; fi 2>/dev/null\n";
    terminal.type_in(" while [ ! -s $D/pid ]; do sleep 0.01; done\n").await;
    terminal.type_in(look).await;
    terminal.until("L1:running.").await;
    terminal.type_in(" kill -KILL -- -$(cat $D/pid) 2>/dev/null; while kill -0 $(cat $D/pid) 2>/dev/null; do sleep 0.01; done\n").await;
    terminal.type_in(look).await;
    terminal.until("L1:nothing.").await;
}

#[tokio::test]
async fn a_fork_bomb_is_refused_and_can_be_interrupted() {
    let rig = Rig::new().await;
    let guest = rig.guest(100).await;
    let mut terminal = rig.terminal(&guest).await;
    terminal.until("# ").await;
    terminal.type_in("f() { f | f; }; f\n").await;
    terminal.until("Resource temporarily unavailable").await;
    terminal.type_in("\x03").await;
    terminal.until("^C\r\n").await;
    terminal.type_in("g() { sleep 100 & g; }; g\n").await;
    terminal.until("maximum function nesting level exceeded").await;
    probe(&mut terminal).await;
}
