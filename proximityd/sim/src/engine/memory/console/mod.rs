//! The console of a running guest: a terminal, a line editor, and the session that joins them to a shell.

pub(crate) mod readline;
pub(crate) mod session;
pub(crate) mod tty;
