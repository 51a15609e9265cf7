//! Writes `man/proximityd.8` from the daemon's command line; what no flag can say is below.

use clap::CommandFactory;
use clap_mangen::Man;

/// The sections that the command line's tree does not hold, in roff.
const MORE: &str = r"
.SH SIGNALS
.TP
SIGTERM, SIGINT
Ends the daemon. Operations at work are not undone: each goes on where its journal ends when the daemon runs again. An embedded node that it started is ended too, and keeps its state.
.SH EXIT STATUS
.TP
0
It was told to stop, or the configuration is fine.
.TP
1
It could not start: the data directory, the key or the socket cannot be used, or another daemon uses the data directory.
.TP
2
A flag is wrong.
.TP
78
The configuration is wrong (EX_CONFIG in sysexits(3)).
.SH FILES
.TP
/etc/proximity/proximityd.toml
The configuration, when the daemon runs as root. It need not be there.
.TP
/run/proximity/proximityd.sock
The socket, when the daemon runs as root: mode 0660, given to the group that access.group names.
.TP
/var/lib/proximity/proximity.db
The database: hosts, apps, operations, events. Secrets in it are encrypted.
.TP
/var/lib/proximity/identity.key
The key that they are encrypted to, mode 0600. Without it they are lost: keep a copy apart from the database. It is not there where a systemd credential named proximity\-identity holds the key.
.TP
/var/lib/proximity/node/
The state of the embedded node, with \fB\-\-embedded\fR.
.PP
The paths of other users are those that the options above give.
.SH SEE ALSO
proximityctl(1), systemd\-creds(1)
";

/// The variables that stand for flags.
fn environment(tree: &clap::Command) -> String {
    let mut text = String::from(".SH ENVIRONMENT\n");
    for arg in tree.get_arguments() {
        if let (Some(variable), Some(flag)) = (arg.get_env(), arg.get_long()) {
            let flag = flag.replace('-', "\\-");
            text.push_str(&format!(
                ".TP\n{}\nStands for \\fB\\-\\-{flag}\\fR.\n",
                variable.to_string_lossy()
            ));
        }
    }
    text
}

/// The page.
pub(crate) fn page() -> Vec<u8> {
    let mut page = Vec::new();
    let tree = proximityd::config::Cli::command();
    let environment = environment(&tree);
    let man = Man::new(tree).section("8").source("Proximity").manual("Proximity");
    man.render_title(&mut page).expect("memory can be written to");
    man.render_name_section(&mut page).expect("memory can be written to");
    man.render_synopsis_section(&mut page).expect("memory can be written to");
    man.render_description_section(&mut page).expect("memory can be written to");
    man.render_options_section(&mut page).expect("memory can be written to");
    page.extend_from_slice(environment.as_bytes());
    page.extend_from_slice(MORE.trim_start().as_bytes());
    page
}

fn main() -> std::io::Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../man/proximityd.8");
    std::fs::write(path, page())
}
