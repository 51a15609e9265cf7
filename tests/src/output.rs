//! What a command printed, and how it ended.

use serde_json::Value;

/// The outcome of a command.
#[derive(Debug, Clone)]
pub struct Output {
    /// The command, for messages.
    pub command: String,
    /// Its exit status; 128 and the signal when it was killed.
    pub status: i32,
    /// Data.
    pub stdout: String,
    /// Talk.
    pub stderr: String,
}

impl Output {
    /// From what the system gives.
    pub fn new(command: String, output: &std::process::Output) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let signal = output.status.signal().unwrap_or_default();
        Self {
            command,
            status: output.status.code().unwrap_or(128 + signal),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Asserts its exit status.
    #[track_caller]
    pub fn exits(self, status: i32) -> Self {
        assert_eq!(
            self.status, status,
            "`{}` ended with {}\n--- stdout\n{}\n--- stderr\n{}",
            self.command, self.status, self.stdout, self.stderr
        );
        self
    }

    /// Asserts that it ended well.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.exits(0)
    }

    /// Its data as one JSON value.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("`{}` printed no JSON: {error}\n{}", self.command, self.stdout))
    }

    /// The error as a person reads it, from `error:` on, with operation ids and directories replaced.
    pub fn error(&self, dir: &std::path::Path) -> String {
        let begin = self.stderr.find("error:").unwrap_or_default();
        let mut text = self.stderr[begin..].replace(&dir.display().to_string(), "DIR");
        for marker in ["op show ", "op wait ", "operation "] {
            let mut done = String::new();
            let mut rest = text.as_str();
            while let Some(at) = rest.find(marker) {
                let (head, tail) = rest.split_at(at + marker.len());
                done.push_str(head);
                let end = tail.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(tail.len());
                done.push_str(if end == 14 { "ID" } else { &tail[..end] });
                rest = &tail[end..];
            }
            done.push_str(rest);
            text = done;
        }
        text
    }
}
