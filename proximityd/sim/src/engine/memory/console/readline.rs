//! The line editor at the shell's prompt: the keys people and programs use most, echoed as a terminal expects.
//!
//! Left out: history search, completion, and wrapping of long lines (the client's terminal does that).

/// What typing came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Enter.
    Line(Vec<u8>),
    /// Ctrl-D on an empty line.
    End,
    /// Ctrl-C.
    Interrupt,
}

/// The line being edited.
#[derive(Debug, Default)]
pub(crate) struct Editor {
    line: Vec<u8>,
    cursor: usize,
    escape: Vec<u8>,
    history: Vec<Vec<u8>>,
    browsing: usize,
}

const HISTORY: usize = 100;
/// Longer lines are cut: nobody types them, and memory is bounded.
const LINE_LIMIT: usize = 4 << 20;

impl Editor {
    /// Takes bytes until an event; returns how many were used, what to echo, and the event.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> (usize, Vec<u8>, Option<Event>) {
        let mut echo = Vec::new();
        for (index, byte) in bytes.iter().enumerate() {
            if let Some(event) = self.key(*byte, &mut echo) {
                return (index + 1, echo, Some(event));
            }
        }
        (bytes.len(), echo, None)
    }

    fn key(&mut self, byte: u8, echo: &mut Vec<u8>) -> Option<Event> {
        if !self.escape.is_empty() {
            self.escape.push(byte);
            let done = match self.escape.len() {
                2 => byte != b'[' && byte != b'O',
                _ => (0x40..=0x7e).contains(&byte) || self.escape.len() > 16,
            };
            if done {
                let sequence = std::mem::take(&mut self.escape);
                self.sequence(&sequence, echo);
            }
            return None;
        }
        match byte {
            b'\r' | b'\n' => {
                echo.extend_from_slice(b"\n");
                let line = std::mem::take(&mut self.line);
                self.cursor = 0;
                if !line.is_empty() && line.first() != Some(&b' ') && line.len() < 4096 {
                    self.history.push(line.clone());
                    if self.history.len() > HISTORY {
                        self.history.remove(0);
                    }
                }
                self.browsing = self.history.len();
                return Some(Event::Line(line));
            }
            1 => self.move_to(0, echo),
            2 => self.move_to(self.cursor.saturating_sub(1), echo),
            3 => {
                self.line.clear();
                self.cursor = 0;
                echo.extend_from_slice(b"^C\n");
                return Some(Event::Interrupt);
            }
            4 if self.line.is_empty() => return Some(Event::End),
            4 => self.replace(self.cursor, self.next(), &[], echo),
            5 => self.move_to(self.line.len(), echo),
            6 => self.move_to(self.next(), echo),
            8 | 127 => self.replace(self.previous(), self.cursor, &[], echo),
            11 => self.replace(self.cursor, self.line.len(), &[], echo),
            21 => self.replace(0, self.cursor, &[], echo),
            23 => {
                let head = &self.line[..self.cursor];
                let end = head.iter().rposition(|b| *b != b' ').map_or(0, |at| at + 1);
                let start = head[..end].iter().rposition(|b| *b == b' ').map_or(0, |at| at + 1);
                self.replace(start, self.cursor, &[], echo);
            }
            27 => self.escape.push(byte),
            b'\t' | 32.. if self.line.len() < LINE_LIMIT => {
                if self.cursor == self.line.len() {
                    self.line.push(byte);
                    self.cursor += 1;
                    echo.push(byte);
                } else {
                    self.replace(self.cursor, self.cursor, &[byte], echo);
                }
            }
            _ => {}
        }
        None
    }

    fn sequence(&mut self, sequence: &[u8], echo: &mut Vec<u8>) {
        match sequence {
            b"\x1b[D" | b"\x1bOD" => self.move_to(self.previous(), echo),
            b"\x1b[C" | b"\x1bOC" => self.move_to(self.next(), echo),
            b"\x1b[H" | b"\x1bOH" | b"\x1b[1~" => self.move_to(0, echo),
            b"\x1b[F" | b"\x1bOF" | b"\x1b[4~" => self.move_to(self.line.len(), echo),
            b"\x1b[3~" => self.replace(self.cursor, self.next(), &[], echo),
            b"\x1b[A" | b"\x1bOA" if self.browsing > 0 => self.browse(self.browsing - 1, echo),
            b"\x1b[B" | b"\x1bOB" if self.browsing < self.history.len() => {
                self.browse(self.browsing + 1, echo);
            }
            _ => {} // Bracketed paste's brackets among others: what is between them is typed.
        }
    }

    fn browse(&mut self, to: usize, echo: &mut Vec<u8>) {
        self.browsing = to;
        let line = self.history.get(to).cloned().unwrap_or_default();
        self.replace(0, self.line.len(), &line, echo);
    }

    fn previous(&self) -> usize {
        let mut at = self.cursor.saturating_sub(1);
        while at > 0 && self.line[at] & 0xc0 == 0x80 {
            at -= 1;
        }
        at
    }

    fn next(&self) -> usize {
        let mut at = (self.cursor + 1).min(self.line.len());
        while at < self.line.len() && self.line[at] & 0xc0 == 0x80 {
            at += 1;
        }
        at
    }

    fn move_to(&mut self, to: usize, echo: &mut Vec<u8>) {
        let columns = |bytes: &[u8]| bytes.iter().filter(|b| **b & 0xc0 != 0x80).count();
        if to < self.cursor {
            echo.extend(std::iter::repeat_n(8, columns(&self.line[to..self.cursor])));
        } else {
            echo.extend_from_slice(&self.line[self.cursor..to]);
        }
        self.cursor = to;
    }

    /// Replaces a range and redraws what is behind it; the cursor ends behind the new text.
    fn replace(&mut self, from: usize, to: usize, with: &[u8], echo: &mut Vec<u8>) {
        if from == to && with.is_empty() {
            return;
        }
        self.move_to(from, echo);
        self.line.splice(from..to, with.iter().copied());
        self.cursor = from + with.len();
        echo.extend_from_slice(&self.line[from..]);
        echo.extend_from_slice(b"\x1b[K");
        let tail = self.line[self.cursor..].iter().filter(|b| **b & 0xc0 != 0x80).count();
        echo.extend(std::iter::repeat_n(8, tail));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(bytes: &[u8]) -> Option<Event> {
        Editor::default().feed(bytes).2
    }

    #[test]
    fn editing_keys_change_the_line_before_it_is_run() {
        assert_eq!(typed(b"ab\x7fc\n"), Some(Event::Line(b"ac".to_vec())));
        assert_eq!(typed(b"junk\x05\x15ls\r"), Some(Event::Line(b"ls".to_vec())));
        assert_eq!(typed(b"b\x01a\x05c\n"), Some(Event::Line(b"abc".to_vec())));
        assert_eq!(typed(b"\x1b[200~x y\x1b[201~\n"), Some(Event::Line(b"x y".to_vec())));
        assert_eq!(typed(b"ls\n\x1b[A\n"), Some(Event::Line(b"ls".to_vec())));
    }

    #[test]
    fn control_d_ends_only_an_empty_line() {
        assert_eq!(typed(b"\x04"), Some(Event::End));
        assert_eq!(typed(b"x\x04"), None);
        assert_eq!(typed(b"x\x03"), Some(Event::Interrupt));
    }
}
