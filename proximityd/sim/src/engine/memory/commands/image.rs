//! Programs of well-known images, as far as their services are asked for them by health checks and settings.
//!
//! None does anything: those with a usual answer give it; `php`, by which Nextcloud's settings are changed, says on standard
//! error that it is accepted and not run, and succeeds. Any other is not found, as in a real image without it.

use super::{Command, Ctx};

/// The program, if images are known to have it.
pub(super) fn program(name: &str) -> Option<Command> {
    match name {
        "pg_isready" | "redis-cli" | "valkey-cli" | "mariadb-admin" | "mysqladmin" | "healthcheck.sh" => {
            Some(|ctx| Box::pin(answer(ctx)))
        }
        "php" => Some(|ctx| Box::pin(accept(ctx))),
        _ => None,
    }
}

async fn answer(ctx: &mut Ctx) -> i32 {
    match ctx.name().as_str() {
        "pg_isready" => ctx.say("/var/run/postgresql:5432 - accepting connections"),
        "redis-cli" | "valkey-cli" if ctx.args.iter().any(|a| a.eq_ignore_ascii_case("ping")) => {
            ctx.say("PONG")
        }
        "redis-cli" | "valkey-cli" => ctx.say("OK"),
        "mariadb-admin" | "mysqladmin" => ctx.say("mysqld is alive"),
        _ => {}
    }
    0
}

async fn accept(ctx: &mut Ctx) -> i32 {
    let words = ctx.args.join(" ");
    ctx.fail(format!("stand-in of the embedded node: `{words}` is accepted, and not run"));
    0
}
