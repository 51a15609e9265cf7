//! Redirections.

use brush_parser::ast::{IoFileRedirectKind, IoFileRedirectTarget, IoRedirect};

use super::{Flow, Shell};
use crate::engine::memory::world::bytes::encode;
use crate::engine::memory::world::files::{Open, join};
use crate::engine::memory::world::stream::{self, Stream};

impl Shell {
    /// Applies one redirection to this shell's files; false (and a message) when it cannot be.
    pub(super) async fn redirect(&mut self, redirect: &IoRedirect) -> Result<bool, Flow> {
        match redirect {
            IoRedirect::HereDocument(fd, here) => {
                let text = match here.requires_expansion {
                    true => self.here_text(&here.doc.value).await?,
                    false => here.doc.value.clone(),
                };
                self.fds.set(fd.unwrap_or(0), stream::here(encode(&text)));
            }
            IoRedirect::HereString(fd, word) => {
                let text = self.single(&word.value).await? + "\n";
                self.fds.set(fd.unwrap_or(0), stream::here(encode(&text)));
            }
            IoRedirect::OutputAndError(word, append) => {
                let path = self.single(&word.value).await?;
                let how = if *append { Open::Append } else { Open::Write };
                let Some(stream) = self.open(&path, how).await else { return Ok(false) };
                self.fds.set(1, stream.clone());
                self.fds.set(2, stream);
            }
            IoRedirect::File(fd, kind, target) => return self.file(*fd, kind, target).await,
        }
        Ok(true)
    }

    async fn file(
        &mut self,
        fd: Option<i32>,
        kind: &IoFileRedirectKind,
        target: &IoFileRedirectTarget,
    ) -> Result<bool, Flow> {
        let (how, default) = match kind {
            IoFileRedirectKind::Read | IoFileRedirectKind::DuplicateInput => (Open::Read, 0),
            IoFileRedirectKind::Write | IoFileRedirectKind::Clobber | IoFileRedirectKind::DuplicateOutput => {
                (Open::Write, 1)
            }
            IoFileRedirectKind::Append => (Open::Append, 1),
            IoFileRedirectKind::ReadAndWrite => (Open::Both, 0),
        };
        let fd = fd.unwrap_or(default);
        match target {
            IoFileRedirectTarget::Fd(source) => return self.duplicate(fd, *source).await,
            IoFileRedirectTarget::Duplicate(word) => {
                let text = self.single(&word.value).await?;
                if text == "-" {
                    self.fds.0.remove(&fd);
                    return Ok(true);
                }
                if let Ok(source) = text.trim_end_matches('-').parse() {
                    return self.duplicate(fd, source).await;
                }
                let Some(stream) = self.open(&text, how).await else { return Ok(false) };
                self.fds.set(1, stream.clone());
                self.fds.set(2, stream);
            }
            IoFileRedirectTarget::Filename(word) => {
                let path = self.single(&word.value).await?;
                let Some(stream) = self.open(&path, how).await else { return Ok(false) };
                self.fds.set(fd, stream);
            }
            IoFileRedirectTarget::ProcessSubstitution(..) => {
                return self.abort("process substitution: not supported").await;
            }
        }
        Ok(true)
    }

    async fn duplicate(&mut self, fd: i32, source: i32) -> Result<bool, Flow> {
        match self.fds.0.get(&source).cloned() {
            Some(stream) => {
                self.fds.set(fd, stream);
                Ok(true)
            }
            None => {
                let _ = self.complain(&format!("{source}: Bad file descriptor")).await;
                Ok(false)
            }
        }
    }

    async fn open(&mut self, path: &str, how: Open) -> Option<Stream> {
        if let Some(fd) = match path {
            "/dev/stdin" => Some(0),
            "/dev/stdout" => Some(1),
            "/dev/stderr" => Some(2),
            _ => None,
        } {
            return Some(self.fds.get(fd));
        }
        let full = join(&self.cwd, path);
        match self.files.open(&full, how, 0o666 & !self.umask, self.tty.as_ref()) {
            Ok(stream) => Some(stream),
            Err(error) => {
                let _ = self.complain(&format!("{path}: {error}")).await;
                None
            }
        }
    }
}
