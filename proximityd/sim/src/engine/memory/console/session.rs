//! One shell on one terminal. It outlives every attachment and ends with `exit`, Ctrl-D, or the container.

use std::sync::Arc;

use super::readline::{Editor, Event};
use super::tty::Tty;
use crate::engine::memory::guest::Guest;
use crate::engine::memory::shell::{Flow, Program, Shell};
use crate::engine::memory::world::bytes::decode;
use crate::engine::memory::world::stream::Stream;

/// What `dtach` says when its program ended.
const TERMINATING: &[u8] = b"\x1b[999H\n[EOF - dtach terminating]\n\x1b[?25h";
const PASTE_ON: &str = "\x1b[?2004h";
const PASTE_OFF: &[u8] = b"\x1b[?2004l\r";

/// Runs the shell until it ends.
pub(crate) async fn run(guest: Arc<Guest>, tty: Arc<Tty>) {
    let mut shell = Shell::login(guest.clone(), Stream::Tty(tty.clone()));
    let mut editor = Editor::default();
    let mut pending = String::new();
    loop {
        let prompt = if pending.is_empty() { shell.prompt() } else { "> ".to_owned() };
        tty.write(format!("{PASTE_ON}{prompt}").as_bytes()).await;
        let event = next(&tty, &mut editor).await;
        tty.write(PASTE_OFF).await;
        match event {
            Event::Interrupt => {
                pending.clear();
                shell.set_status(130);
                continue;
            }
            Event::End => {
                tty.write(b"exit\n").await;
                break;
            }
            Event::Line(line) => {
                pending.push_str(&decode(&line));
                pending.push('\n');
            }
        }
        let program = match Program::parse(&pending) {
            Err(error) if error.incomplete => continue,
            other => other,
        };
        pending.clear();
        let flow = match program {
            Ok(program) => foreground(&guest, &tty, &mut shell, &program).await,
            Err(error) => {
                tty.write(format!("bash: {error}\n").as_bytes()).await;
                shell.set_status(2);
                Ok(2)
            }
        };
        guest.save_if_stale().await;
        if let Err(Flow::Exit(_)) = flow {
            tty.write(b"exit\n").await;
            break;
        }
    }
    tty.write(TERMINATING).await;
    tty.close();
    guest.save_if_stale().await;
}

async fn foreground(
    guest: &Arc<Guest>,
    tty: &Arc<Tty>,
    shell: &mut Shell,
    program: &Program,
) -> Result<i32, Flow> {
    let kept = shell.keep();
    tty.set_foreground(true);
    let interrupted = tokio::select! {
        biased;
        () = tty.interrupted() => None,
        flow = shell.run(program) => Some(flow),
    };
    tty.set_foreground(false);
    match interrupted {
        Some(flow) => flow,
        None => {
            shell.put_back(kept);
            shell.set_status(130);
            tty.set(|termios| termios.opost = true);
            tty.write(b"^C\n").await;
            guest.save_if_stale().await;
            Ok(130)
        }
    }
}

async fn next(tty: &Arc<Tty>, editor: &mut Editor) -> Event {
    loop {
        let bytes = tty.read_raw().await;
        let (used, echo, event) = editor.feed(&bytes);
        if tty.termios().echo {
            tty.write(&echo).await;
        } else if echo.ends_with(b"\n") {
            tty.write(b"\n").await;
        }
        if let Some(event) = event {
            tty.unread(&bytes[used..]);
            return event;
        }
    }
}
