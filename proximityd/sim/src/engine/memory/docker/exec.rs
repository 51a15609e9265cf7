//! Programs in a service's own small world: its files, volumes and environment, and the programs every image has.

use std::sync::Arc;

use super::lifecycle;
use super::state::Container;
use crate::engine::memory::commands::{self, Ctx};
use crate::engine::memory::guest::Guest;
use crate::engine::memory::shell::Place;
use crate::engine::memory::world::files::Files;
use crate::engine::memory::world::vfs::Root;

/// Runs a program in a service.
pub(super) async fn exec_in(
    ctx: &mut Ctx,
    container: &Container,
    command: &[String],
    extra: &[(String, String)],
    dir: Option<String>,
) -> i32 {
    let guest: Arc<Guest> = ctx.guest();
    let mut mounts: Vec<(String, String)> = container
        .mounts
        .iter()
        .map(|m| (m.target.trim_end_matches('/').to_owned(), m.source.clone()))
        .collect();
    mounts.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
    let root = Arc::new(Root { prefix: lifecycle::root_of(&container.id), mounts });
    let files = Files { guest, root };
    // The directories volumes are mounted on exist in the image.
    for mount in &container.mounts {
        let parent = crate::engine::memory::world::vfs::parent(&mount.target).to_owned();
        let _ = files.mkdir_all(&parent, 0o755);
    }
    let mut env = container.environment.clone();
    env.insert("HOSTNAME".to_owned(), container.id[..12].to_owned());
    env.entry("HOME".to_owned()).or_insert_with(|| "/root".to_owned());
    env.extend(extra.iter().cloned());
    let place = Place::Service(container.id.clone());
    let name = command[0].clone();
    if commands::find(&files, &place, &name, "/").is_none() {
        ctx.fail(format!(
            "OCI runtime exec failed: exec failed: unable to start container process: exec: \"{name}\": executable file not found in $PATH: unknown"
        ));
        return 127;
    }
    let mut child = Ctx::new(files, place, command.to_vec(), env);
    child.cwd = dir.unwrap_or_else(|| container.working_dir.clone());
    child.fds = ctx.fds.clone();
    child.tty.clone_from(&ctx.tty);
    child.depth = ctx.depth;
    "sh".clone_into(&mut child.shell_name);
    commands::run(child).await
}
