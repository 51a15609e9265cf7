# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_proximityctl_global_optspecs
    string join \n socket= o/output= q/quiet y/yes timeout= no-color v/verbose h/help V/version
end

function __fish_proximityctl_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_proximityctl_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_proximityctl_using_subcommand
    set -l cmd (__fish_proximityctl_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c proximityctl -n "__fish_proximityctl_needs_command" -l socket -d 'The daemon\'s socket [default: $PROXIMITY_SOCKET, /run/proximity/proximityd.sock, or the user\'s own in $XDG_RUNTIME_DIR or ~/.local/share]' -r -F
complete -c proximityctl -n "__fish_proximityctl_needs_command" -s o -l output -d 'How to write data: table, json or csv' -r -f -a "table\t'For people'
json\t'For programs: the stable interface'
csv\t'For spreadsheets (RFC 4180)'"
complete -c proximityctl -n "__fish_proximityctl_needs_command" -l timeout -d 'Wait no longer than this (30s, 5m, 1h30m), then exit with 124; the work goes on in the daemon' -r
complete -c proximityctl -n "__fish_proximityctl_needs_command" -s q -l quiet -d 'Say nothing but errors'
complete -c proximityctl -n "__fish_proximityctl_needs_command" -s y -l yes -d 'Answer every question with yes'
complete -c proximityctl -n "__fish_proximityctl_needs_command" -l no-color -d 'Use no colours (as NO_COLOR does)'
complete -c proximityctl -n "__fish_proximityctl_needs_command" -s v -l verbose -d 'Say more: each step as it begins, what it says, each call to the daemon'
complete -c proximityctl -n "__fish_proximityctl_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c proximityctl -n "__fish_proximityctl_needs_command" -s V -l version -d 'Print version'
complete -c proximityctl -n "__fish_proximityctl_needs_command" -f -a "try" -d 'Try Proximity with a throw-away daemon, without Proxmox VE'
complete -c proximityctl -n "__fish_proximityctl_needs_command" -f -a "init" -d 'Connect a Proxmox VE host'
complete -c proximityctl -n "__fish_proximityctl_needs_command" -f -a "doctor" -d 'Check everything that a deployment depends on'
complete -c proximityctl -n "__fish_proximityctl_needs_command" -f -a "deploy" -d 'Deploy an app: a container of its own, Docker Compose in it, a URL that answers'
complete -c proximityctl -n "__fish_proximityctl_needs_command" -f -a "ls" -d 'List the apps'
complete -c proximityctl -n "__fish_proximityctl_needs_command" -f -a "info" -d 'Show an app: address, settings, services, what was done to it'
complete -c proximityctl -n "__fish_proximityctl_needs_command" -f -a "open" -d 'Print an app\'s URL, and open it where there is a display'
complete -c proximityctl -n "__fish_proximityctl_needs_command" -f -a "start" -d 'Start apps, and wait until they answer'
complete -c proximityctl -n "__fish_proximityctl_needs_command" -f -a "stop" -d 'Stop apps'
complete -c proximityctl -n "__fish_proximityctl_needs_command" -f -a "restart" -d 'Restart apps, and wait until they answer'
complete -c proximityctl -n "__fish_proximityctl_needs_command" -f -a "rm" -d 'Remove apps, with their containers and data'
complete -c proximityctl -n "__fish_proximityctl_needs_command" -f -a "host" -d 'Connect, list, test and forget Proxmox VE hosts'
complete -c proximityctl -n "__fish_proximityctl_needs_command" -f -a "catalog" -d 'See what can be deployed, and check templates of your own'
complete -c proximityctl -n "__fish_proximityctl_needs_command" -f -a "op" -d 'See, await and cancel operations'
complete -c proximityctl -n "__fish_proximityctl_needs_command" -f -a "events" -d 'Show what happened; with -f, what happens'
complete -c proximityctl -n "__fish_proximityctl_needs_command" -f -a "status" -d 'Show the daemon: version, uptime, what it does'
complete -c proximityctl -n "__fish_proximityctl_needs_command" -f -a "completions" -d 'Print the completions for a shell'
complete -c proximityctl -n "__fish_proximityctl_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand try" -l dir -d 'The directory to use; it must be empty [default: a new one]' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand try" -l stop -d 'End a daemon that was left running, and remove its directory [default: the last one]' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand try" -l socket -d 'The daemon\'s socket [default: $PROXIMITY_SOCKET, /run/proximity/proximityd.sock, or the user\'s own in $XDG_RUNTIME_DIR or ~/.local/share]' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand try" -s o -l output -d 'How to write data: table, json or csv' -r -f -a "table\t'For people'
json\t'For programs: the stable interface'
csv\t'For spreadsheets (RFC 4180)'"
complete -c proximityctl -n "__fish_proximityctl_using_subcommand try" -l timeout -d 'Wait no longer than this (30s, 5m, 1h30m), then exit with 124; the work goes on in the daemon' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand try" -l once -d 'Check that the app answers, then remove app, daemon and directory'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand try" -l keep -d 'Leave daemon and directory there when it fails, to look at them'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand try" -s q -l quiet -d 'Say nothing but errors'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand try" -s y -l yes -d 'Answer every question with yes'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand try" -l no-color -d 'Use no colours (as NO_COLOR does)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand try" -s v -l verbose -d 'Say more: each step as it begins, what it says, each call to the daemon'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand try" -s h -l help -d 'Print help'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand init" -l endpoint -d 'Address of a node, host or host:port; may be repeated for the nodes of one cluster' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand init" -l token-id -d 'The API token\'s id, such as proximity@pve!app' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand init" -l token-file -d 'A file with the API token\'s secret; `-` is standard input. Else $PROXIMITY_PVE_TOKEN, else it is asked for' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand init" -l user -d 'A user such as root@pam, in place of a token' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand init" -l password-file -d 'A file with the user\'s password; `-` is standard input. Else it is asked for' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand init" -l fingerprint -d 'SHA-256 fingerprint that the host\'s certificate must have (`pvenode cert info` shows it)' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand init" -l ca-file -d 'PEM file of the authority that signed the host\'s certificate, such as /etc/pve/pve-root-ca.pem' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand init" -l pool -d 'The pool for our containers [default: proximity]' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand init" -l storage -d 'The storage for containers [default: the one with most room]' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand init" -l bridge -d 'The network bridge [default: the first one]' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand init" -l ssh-host-key -d 'Reach containers by SSH to their node where the version gives a token no console: the node\'s public host key, `ssh-ed25519 AAAA…` or @FILE, one a line for the nodes of a cluster' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand init" -l ssh-user -d 'The account on the node; one other than root runs pct by sudo [default: root]' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand init" -l ssh-port -d 'The port [default: 22]' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand init" -l ssh-key-file -d 'The private key, mode 0600, on the daemon\'s machine [default: the agent of the daemon\'s user]' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand init" -l name -d 'The host\'s name here [default: default]' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand init" -l from -d 'Take what is not given from this TOML file; `-` is standard input' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand init" -l socket -d 'The daemon\'s socket [default: $PROXIMITY_SOCKET, /run/proximity/proximityd.sock, or the user\'s own in $XDG_RUNTIME_DIR or ~/.local/share]' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand init" -s o -l output -d 'How to write data: table, json or csv' -r -f -a "table\t'For people'
json\t'For programs: the stable interface'
csv\t'For spreadsheets (RFC 4180)'"
complete -c proximityctl -n "__fish_proximityctl_using_subcommand init" -l timeout -d 'Wait no longer than this (30s, 5m, 1h30m), then exit with 124; the work goes on in the daemon' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand init" -l unchecked -d 'Add it though it cannot be tried now'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand init" -l replace -d 'There is a host of that name: take over these credentials, endpoints and trust for it; its apps stay'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand init" -l print-token-setup -d 'Print the commands that make a least-privilege token on the host, and do nothing else'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand init" -s q -l quiet -d 'Say nothing but errors'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand init" -s y -l yes -d 'Answer every question with yes'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand init" -l no-color -d 'Use no colours (as NO_COLOR does)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand init" -s v -l verbose -d 'Say more: each step as it begins, what it says, each call to the daemon'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand init" -s h -l help -d 'Print help'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand doctor" -l socket -d 'The daemon\'s socket [default: $PROXIMITY_SOCKET, /run/proximity/proximityd.sock, or the user\'s own in $XDG_RUNTIME_DIR or ~/.local/share]' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand doctor" -s o -l output -d 'How to write data: table, json or csv' -r -f -a "table\t'For people'
json\t'For programs: the stable interface'
csv\t'For spreadsheets (RFC 4180)'"
complete -c proximityctl -n "__fish_proximityctl_using_subcommand doctor" -l timeout -d 'Wait no longer than this (30s, 5m, 1h30m), then exit with 124; the work goes on in the daemon' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand doctor" -s q -l quiet -d 'Say nothing but errors'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand doctor" -s y -l yes -d 'Answer every question with yes'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand doctor" -l no-color -d 'Use no colours (as NO_COLOR does)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand doctor" -s v -l verbose -d 'Say more: each step as it begins, what it says, each call to the daemon'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand deploy" -s f -l file -d 'Deploy a Compose file in place of a template; `-` reads it from standard input' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand deploy" -s n -l name -d 'The app\'s name, also its host name [default: the template\'s]' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand deploy" -s s -l set -d 'A setting; may be repeated. KEY=@FILE reads a file, KEY=- standard input' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand deploy" -l env-file -d 'A file with settings, one KEY=VALUE a line' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand deploy" -l memory -d 'Memory of the container: 512M, 2G' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand deploy" -l cores -d 'CPU cores of the container' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand deploy" -l disk -d 'Disk of the container: 8G' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand deploy" -l host -d 'The host, where several are configured' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand deploy" -l node -d 'The node [default: the one with most room]' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand deploy" -l storage -d 'The storage of the root file system' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand deploy" -l bridge -d 'The network bridge' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand deploy" -l ip -d 'The address: dhcp, or IPv4 in CIDR notation such as 192.0.2.7/24 [default: dhcp]' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand deploy" -l gateway -d 'The IPv4 gateway, with a fixed address' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand deploy" -l socket -d 'The daemon\'s socket [default: $PROXIMITY_SOCKET, /run/proximity/proximityd.sock, or the user\'s own in $XDG_RUNTIME_DIR or ~/.local/share]' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand deploy" -s o -l output -d 'How to write data: table, json or csv' -r -f -a "table\t'For people'
json\t'For programs: the stable interface'
csv\t'For spreadsheets (RFC 4180)'"
complete -c proximityctl -n "__fish_proximityctl_using_subcommand deploy" -l timeout -d 'Wait no longer than this (30s, 5m, 1h30m), then exit with 124; the work goes on in the daemon' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand deploy" -l explain -d 'Say what would be done, step by step, and change nothing'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand deploy" -l no-wait -d 'Print the operation\'s id in place of waiting'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand deploy" -l keep-failed -d 'Keep what was made when it fails, to look at it'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand deploy" -s q -l quiet -d 'Say nothing but errors'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand deploy" -s y -l yes -d 'Answer every question with yes'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand deploy" -l no-color -d 'Use no colours (as NO_COLOR does)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand deploy" -s v -l verbose -d 'Say more: each step as it begins, what it says, each call to the daemon'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand deploy" -s h -l help -d 'Print help'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand ls" -l host -d 'Only those on this host' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand ls" -l socket -d 'The daemon\'s socket [default: $PROXIMITY_SOCKET, /run/proximity/proximityd.sock, or the user\'s own in $XDG_RUNTIME_DIR or ~/.local/share]' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand ls" -s o -l output -d 'How to write data: table, json or csv' -r -f -a "table\t'For people'
json\t'For programs: the stable interface'
csv\t'For spreadsheets (RFC 4180)'"
complete -c proximityctl -n "__fish_proximityctl_using_subcommand ls" -l timeout -d 'Wait no longer than this (30s, 5m, 1h30m), then exit with 124; the work goes on in the daemon' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand ls" -s a -l all -d 'Also those that were removed'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand ls" -s q -l quiet -d 'Say nothing but errors'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand ls" -s y -l yes -d 'Answer every question with yes'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand ls" -l no-color -d 'Use no colours (as NO_COLOR does)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand ls" -s v -l verbose -d 'Say more: each step as it begins, what it says, each call to the daemon'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand ls" -s h -l help -d 'Print help'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand info" -l socket -d 'The daemon\'s socket [default: $PROXIMITY_SOCKET, /run/proximity/proximityd.sock, or the user\'s own in $XDG_RUNTIME_DIR or ~/.local/share]' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand info" -s o -l output -d 'How to write data: table, json or csv' -r -f -a "table\t'For people'
json\t'For programs: the stable interface'
csv\t'For spreadsheets (RFC 4180)'"
complete -c proximityctl -n "__fish_proximityctl_using_subcommand info" -l timeout -d 'Wait no longer than this (30s, 5m, 1h30m), then exit with 124; the work goes on in the daemon' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand info" -s q -l quiet -d 'Say nothing but errors'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand info" -s y -l yes -d 'Answer every question with yes'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand info" -l no-color -d 'Use no colours (as NO_COLOR does)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand info" -s v -l verbose -d 'Say more: each step as it begins, what it says, each call to the daemon'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand info" -s h -l help -d 'Print help'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand open" -l socket -d 'The daemon\'s socket [default: $PROXIMITY_SOCKET, /run/proximity/proximityd.sock, or the user\'s own in $XDG_RUNTIME_DIR or ~/.local/share]' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand open" -s o -l output -d 'How to write data: table, json or csv' -r -f -a "table\t'For people'
json\t'For programs: the stable interface'
csv\t'For spreadsheets (RFC 4180)'"
complete -c proximityctl -n "__fish_proximityctl_using_subcommand open" -l timeout -d 'Wait no longer than this (30s, 5m, 1h30m), then exit with 124; the work goes on in the daemon' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand open" -l print -d 'Only print the URL'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand open" -s q -l quiet -d 'Say nothing but errors'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand open" -s y -l yes -d 'Answer every question with yes'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand open" -l no-color -d 'Use no colours (as NO_COLOR does)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand open" -s v -l verbose -d 'Say more: each step as it begins, what it says, each call to the daemon'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand open" -s h -l help -d 'Print help'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand start" -l socket -d 'The daemon\'s socket [default: $PROXIMITY_SOCKET, /run/proximity/proximityd.sock, or the user\'s own in $XDG_RUNTIME_DIR or ~/.local/share]' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand start" -s o -l output -d 'How to write data: table, json or csv' -r -f -a "table\t'For people'
json\t'For programs: the stable interface'
csv\t'For spreadsheets (RFC 4180)'"
complete -c proximityctl -n "__fish_proximityctl_using_subcommand start" -l timeout -d 'Wait no longer than this (30s, 5m, 1h30m), then exit with 124; the work goes on in the daemon' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand start" -l all -d 'All apps'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand start" -l no-wait -d 'Print the operation\'s id in place of waiting'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand start" -s q -l quiet -d 'Say nothing but errors'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand start" -s y -l yes -d 'Answer every question with yes'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand start" -l no-color -d 'Use no colours (as NO_COLOR does)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand start" -s v -l verbose -d 'Say more: each step as it begins, what it says, each call to the daemon'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand start" -s h -l help -d 'Print help'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand stop" -l grace -d 'How long services and container get to end by themselves [default: 60s]' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand stop" -l socket -d 'The daemon\'s socket [default: $PROXIMITY_SOCKET, /run/proximity/proximityd.sock, or the user\'s own in $XDG_RUNTIME_DIR or ~/.local/share]' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand stop" -s o -l output -d 'How to write data: table, json or csv' -r -f -a "table\t'For people'
json\t'For programs: the stable interface'
csv\t'For spreadsheets (RFC 4180)'"
complete -c proximityctl -n "__fish_proximityctl_using_subcommand stop" -l timeout -d 'Wait no longer than this (30s, 5m, 1h30m), then exit with 124; the work goes on in the daemon' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand stop" -l all -d 'All apps'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand stop" -l force -d 'End what still runs then hard, in place of failing'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand stop" -l no-wait -d 'Print the operation\'s id in place of waiting'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand stop" -s q -l quiet -d 'Say nothing but errors'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand stop" -s y -l yes -d 'Answer every question with yes'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand stop" -l no-color -d 'Use no colours (as NO_COLOR does)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand stop" -s v -l verbose -d 'Say more: each step as it begins, what it says, each call to the daemon'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand stop" -s h -l help -d 'Print help'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand restart" -l grace -d 'How long services and container get to end by themselves [default: 60s]' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand restart" -l socket -d 'The daemon\'s socket [default: $PROXIMITY_SOCKET, /run/proximity/proximityd.sock, or the user\'s own in $XDG_RUNTIME_DIR or ~/.local/share]' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand restart" -s o -l output -d 'How to write data: table, json or csv' -r -f -a "table\t'For people'
json\t'For programs: the stable interface'
csv\t'For spreadsheets (RFC 4180)'"
complete -c proximityctl -n "__fish_proximityctl_using_subcommand restart" -l timeout -d 'Wait no longer than this (30s, 5m, 1h30m), then exit with 124; the work goes on in the daemon' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand restart" -l all -d 'All apps'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand restart" -l force -d 'End what still runs then hard, in place of failing'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand restart" -l no-wait -d 'Print the operation\'s id in place of waiting'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand restart" -s q -l quiet -d 'Say nothing but errors'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand restart" -s y -l yes -d 'Answer every question with yes'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand restart" -l no-color -d 'Use no colours (as NO_COLOR does)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand restart" -s v -l verbose -d 'Say more: each step as it begins, what it says, each call to the daemon'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand restart" -s h -l help -d 'Print help'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand rm" -l grace -d 'How long a container gets to end by itself before it is stopped hard [default: 30s]' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand rm" -l socket -d 'The daemon\'s socket [default: $PROXIMITY_SOCKET, /run/proximity/proximityd.sock, or the user\'s own in $XDG_RUNTIME_DIR or ~/.local/share]' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand rm" -s o -l output -d 'How to write data: table, json or csv' -r -f -a "table\t'For people'
json\t'For programs: the stable interface'
csv\t'For spreadsheets (RFC 4180)'"
complete -c proximityctl -n "__fish_proximityctl_using_subcommand rm" -l timeout -d 'Wait no longer than this (30s, 5m, 1h30m), then exit with 124; the work goes on in the daemon' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand rm" -l all -d 'All apps'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand rm" -l no-wait -d 'Print the operation\'s id in place of waiting'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand rm" -s q -l quiet -d 'Say nothing but errors'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand rm" -s y -l yes -d 'Answer every question with yes'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand rm" -l no-color -d 'Use no colours (as NO_COLOR does)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand rm" -s v -l verbose -d 'Say more: each step as it begins, what it says, each call to the daemon'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand rm" -s h -l help -d 'Print help'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and not __fish_seen_subcommand_from add ls test rm help" -l socket -d 'The daemon\'s socket [default: $PROXIMITY_SOCKET, /run/proximity/proximityd.sock, or the user\'s own in $XDG_RUNTIME_DIR or ~/.local/share]' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and not __fish_seen_subcommand_from add ls test rm help" -s o -l output -d 'How to write data: table, json or csv' -r -f -a "table\t'For people'
json\t'For programs: the stable interface'
csv\t'For spreadsheets (RFC 4180)'"
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and not __fish_seen_subcommand_from add ls test rm help" -l timeout -d 'Wait no longer than this (30s, 5m, 1h30m), then exit with 124; the work goes on in the daemon' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and not __fish_seen_subcommand_from add ls test rm help" -s q -l quiet -d 'Say nothing but errors'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and not __fish_seen_subcommand_from add ls test rm help" -s y -l yes -d 'Answer every question with yes'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and not __fish_seen_subcommand_from add ls test rm help" -l no-color -d 'Use no colours (as NO_COLOR does)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and not __fish_seen_subcommand_from add ls test rm help" -s v -l verbose -d 'Say more: each step as it begins, what it says, each call to the daemon'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and not __fish_seen_subcommand_from add ls test rm help" -s h -l help -d 'Print help'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and not __fish_seen_subcommand_from add ls test rm help" -f -a "add" -d 'Connect a host or cluster'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and not __fish_seen_subcommand_from add ls test rm help" -f -a "ls" -d 'List the hosts'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and not __fish_seen_subcommand_from add ls test rm help" -f -a "test" -d 'Check that a host has what a deployment needs'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and not __fish_seen_subcommand_from add ls test rm help" -f -a "rm" -d 'Forget a host that has no apps; nothing is changed on it'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and not __fish_seen_subcommand_from add ls test rm help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from add" -l endpoint -d 'Address of a node, host or host:port; may be repeated for the nodes of one cluster' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from add" -l token-id -d 'The API token\'s id, such as proximity@pve!app' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from add" -l token-file -d 'A file with the API token\'s secret; `-` is standard input. Else $PROXIMITY_PVE_TOKEN, else it is asked for' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from add" -l user -d 'A user such as root@pam, in place of a token' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from add" -l password-file -d 'A file with the user\'s password; `-` is standard input. Else it is asked for' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from add" -l fingerprint -d 'SHA-256 fingerprint that the host\'s certificate must have (`pvenode cert info` shows it)' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from add" -l ca-file -d 'PEM file of the authority that signed the host\'s certificate, such as /etc/pve/pve-root-ca.pem' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from add" -l pool -d 'The pool for our containers [default: proximity]' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from add" -l storage -d 'The storage for containers [default: the one with most room]' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from add" -l bridge -d 'The network bridge [default: the first one]' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from add" -l ssh-host-key -d 'Reach containers by SSH to their node where the version gives a token no console: the node\'s public host key, `ssh-ed25519 AAAA…` or @FILE, one a line for the nodes of a cluster' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from add" -l ssh-user -d 'The account on the node; one other than root runs pct by sudo [default: root]' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from add" -l ssh-port -d 'The port [default: 22]' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from add" -l ssh-key-file -d 'The private key, mode 0600, on the daemon\'s machine [default: the agent of the daemon\'s user]' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from add" -l socket -d 'The daemon\'s socket [default: $PROXIMITY_SOCKET, /run/proximity/proximityd.sock, or the user\'s own in $XDG_RUNTIME_DIR or ~/.local/share]' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from add" -s o -l output -d 'How to write data: table, json or csv' -r -f -a "table\t'For people'
json\t'For programs: the stable interface'
csv\t'For spreadsheets (RFC 4180)'"
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from add" -l timeout -d 'Wait no longer than this (30s, 5m, 1h30m), then exit with 124; the work goes on in the daemon' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from add" -l unchecked -d 'Add it though it cannot be tried now'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from add" -l replace -d 'There is a host of that name: take over these credentials, endpoints and trust for it; its apps stay'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from add" -s q -l quiet -d 'Say nothing but errors'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from add" -s y -l yes -d 'Answer every question with yes'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from add" -l no-color -d 'Use no colours (as NO_COLOR does)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from add" -s v -l verbose -d 'Say more: each step as it begins, what it says, each call to the daemon'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from ls" -l socket -d 'The daemon\'s socket [default: $PROXIMITY_SOCKET, /run/proximity/proximityd.sock, or the user\'s own in $XDG_RUNTIME_DIR or ~/.local/share]' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from ls" -s o -l output -d 'How to write data: table, json or csv' -r -f -a "table\t'For people'
json\t'For programs: the stable interface'
csv\t'For spreadsheets (RFC 4180)'"
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from ls" -l timeout -d 'Wait no longer than this (30s, 5m, 1h30m), then exit with 124; the work goes on in the daemon' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Say nothing but errors'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from ls" -s y -l yes -d 'Answer every question with yes'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from ls" -l no-color -d 'Use no colours (as NO_COLOR does)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from ls" -s v -l verbose -d 'Say more: each step as it begins, what it says, each call to the daemon'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from test" -l socket -d 'The daemon\'s socket [default: $PROXIMITY_SOCKET, /run/proximity/proximityd.sock, or the user\'s own in $XDG_RUNTIME_DIR or ~/.local/share]' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from test" -s o -l output -d 'How to write data: table, json or csv' -r -f -a "table\t'For people'
json\t'For programs: the stable interface'
csv\t'For spreadsheets (RFC 4180)'"
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from test" -l timeout -d 'Wait no longer than this (30s, 5m, 1h30m), then exit with 124; the work goes on in the daemon' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from test" -s q -l quiet -d 'Say nothing but errors'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from test" -s y -l yes -d 'Answer every question with yes'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from test" -l no-color -d 'Use no colours (as NO_COLOR does)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from test" -s v -l verbose -d 'Say more: each step as it begins, what it says, each call to the daemon'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from test" -s h -l help -d 'Print help'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from rm" -l socket -d 'The daemon\'s socket [default: $PROXIMITY_SOCKET, /run/proximity/proximityd.sock, or the user\'s own in $XDG_RUNTIME_DIR or ~/.local/share]' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from rm" -s o -l output -d 'How to write data: table, json or csv' -r -f -a "table\t'For people'
json\t'For programs: the stable interface'
csv\t'For spreadsheets (RFC 4180)'"
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from rm" -l timeout -d 'Wait no longer than this (30s, 5m, 1h30m), then exit with 124; the work goes on in the daemon' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from rm" -s q -l quiet -d 'Say nothing but errors'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from rm" -s y -l yes -d 'Answer every question with yes'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from rm" -l no-color -d 'Use no colours (as NO_COLOR does)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from rm" -s v -l verbose -d 'Say more: each step as it begins, what it says, each call to the daemon'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from rm" -s h -l help -d 'Print help'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from help" -f -a "add" -d 'Connect a host or cluster'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from help" -f -a "ls" -d 'List the hosts'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from help" -f -a "test" -d 'Check that a host has what a deployment needs'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from help" -f -a "rm" -d 'Forget a host that has no apps; nothing is changed on it'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand host; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and not __fish_seen_subcommand_from ls search show validate help" -l socket -d 'The daemon\'s socket [default: $PROXIMITY_SOCKET, /run/proximity/proximityd.sock, or the user\'s own in $XDG_RUNTIME_DIR or ~/.local/share]' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and not __fish_seen_subcommand_from ls search show validate help" -s o -l output -d 'How to write data: table, json or csv' -r -f -a "table\t'For people'
json\t'For programs: the stable interface'
csv\t'For spreadsheets (RFC 4180)'"
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and not __fish_seen_subcommand_from ls search show validate help" -l timeout -d 'Wait no longer than this (30s, 5m, 1h30m), then exit with 124; the work goes on in the daemon' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and not __fish_seen_subcommand_from ls search show validate help" -s q -l quiet -d 'Say nothing but errors'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and not __fish_seen_subcommand_from ls search show validate help" -s y -l yes -d 'Answer every question with yes'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and not __fish_seen_subcommand_from ls search show validate help" -l no-color -d 'Use no colours (as NO_COLOR does)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and not __fish_seen_subcommand_from ls search show validate help" -s v -l verbose -d 'Say more: each step as it begins, what it says, each call to the daemon'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and not __fish_seen_subcommand_from ls search show validate help" -s h -l help -d 'Print help'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and not __fish_seen_subcommand_from ls search show validate help" -f -a "ls" -d 'List the templates'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and not __fish_seen_subcommand_from ls search show validate help" -f -a "search" -d 'Search name, category and description, best match first'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and not __fish_seen_subcommand_from ls search show validate help" -f -a "show" -d 'Show a template: needs, settings, images'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and not __fish_seen_subcommand_from ls search show validate help" -f -a "validate" -d 'Check templates or Compose files; exits with 2 when one cannot be deployed'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and not __fish_seen_subcommand_from ls search show validate help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from ls" -l socket -d 'The daemon\'s socket [default: $PROXIMITY_SOCKET, /run/proximity/proximityd.sock, or the user\'s own in $XDG_RUNTIME_DIR or ~/.local/share]' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from ls" -s o -l output -d 'How to write data: table, json or csv' -r -f -a "table\t'For people'
json\t'For programs: the stable interface'
csv\t'For spreadsheets (RFC 4180)'"
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from ls" -l timeout -d 'Wait no longer than this (30s, 5m, 1h30m), then exit with 124; the work goes on in the daemon' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Say nothing but errors'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from ls" -s y -l yes -d 'Answer every question with yes'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from ls" -l no-color -d 'Use no colours (as NO_COLOR does)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from ls" -s v -l verbose -d 'Say more: each step as it begins, what it says, each call to the daemon'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from search" -l socket -d 'The daemon\'s socket [default: $PROXIMITY_SOCKET, /run/proximity/proximityd.sock, or the user\'s own in $XDG_RUNTIME_DIR or ~/.local/share]' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from search" -s o -l output -d 'How to write data: table, json or csv' -r -f -a "table\t'For people'
json\t'For programs: the stable interface'
csv\t'For spreadsheets (RFC 4180)'"
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from search" -l timeout -d 'Wait no longer than this (30s, 5m, 1h30m), then exit with 124; the work goes on in the daemon' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from search" -s q -l quiet -d 'Say nothing but errors'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from search" -s y -l yes -d 'Answer every question with yes'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from search" -l no-color -d 'Use no colours (as NO_COLOR does)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from search" -s v -l verbose -d 'Say more: each step as it begins, what it says, each call to the daemon'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from search" -s h -l help -d 'Print help'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from show" -l socket -d 'The daemon\'s socket [default: $PROXIMITY_SOCKET, /run/proximity/proximityd.sock, or the user\'s own in $XDG_RUNTIME_DIR or ~/.local/share]' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from show" -s o -l output -d 'How to write data: table, json or csv' -r -f -a "table\t'For people'
json\t'For programs: the stable interface'
csv\t'For spreadsheets (RFC 4180)'"
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from show" -l timeout -d 'Wait no longer than this (30s, 5m, 1h30m), then exit with 124; the work goes on in the daemon' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Say nothing but errors'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from show" -s y -l yes -d 'Answer every question with yes'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from show" -l no-color -d 'Use no colours (as NO_COLOR does)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say more: each step as it begins, what it says, each call to the daemon'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from validate" -l socket -d 'The daemon\'s socket [default: $PROXIMITY_SOCKET, /run/proximity/proximityd.sock, or the user\'s own in $XDG_RUNTIME_DIR or ~/.local/share]' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from validate" -s o -l output -d 'How to write data: table, json or csv' -r -f -a "table\t'For people'
json\t'For programs: the stable interface'
csv\t'For spreadsheets (RFC 4180)'"
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from validate" -l timeout -d 'Wait no longer than this (30s, 5m, 1h30m), then exit with 124; the work goes on in the daemon' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from validate" -s q -l quiet -d 'Say nothing but errors'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from validate" -s y -l yes -d 'Answer every question with yes'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from validate" -l no-color -d 'Use no colours (as NO_COLOR does)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from validate" -s v -l verbose -d 'Say more: each step as it begins, what it says, each call to the daemon'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from validate" -s h -l help -d 'Print help'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from help" -f -a "ls" -d 'List the templates'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from help" -f -a "search" -d 'Search name, category and description, best match first'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show a template: needs, settings, images'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from help" -f -a "validate" -d 'Check templates or Compose files; exits with 2 when one cannot be deployed'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand catalog; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and not __fish_seen_subcommand_from ls show wait cancel help" -l socket -d 'The daemon\'s socket [default: $PROXIMITY_SOCKET, /run/proximity/proximityd.sock, or the user\'s own in $XDG_RUNTIME_DIR or ~/.local/share]' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and not __fish_seen_subcommand_from ls show wait cancel help" -s o -l output -d 'How to write data: table, json or csv' -r -f -a "table\t'For people'
json\t'For programs: the stable interface'
csv\t'For spreadsheets (RFC 4180)'"
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and not __fish_seen_subcommand_from ls show wait cancel help" -l timeout -d 'Wait no longer than this (30s, 5m, 1h30m), then exit with 124; the work goes on in the daemon' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and not __fish_seen_subcommand_from ls show wait cancel help" -s q -l quiet -d 'Say nothing but errors'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and not __fish_seen_subcommand_from ls show wait cancel help" -s y -l yes -d 'Answer every question with yes'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and not __fish_seen_subcommand_from ls show wait cancel help" -l no-color -d 'Use no colours (as NO_COLOR does)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and not __fish_seen_subcommand_from ls show wait cancel help" -s v -l verbose -d 'Say more: each step as it begins, what it says, each call to the daemon'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and not __fish_seen_subcommand_from ls show wait cancel help" -s h -l help -d 'Print help'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and not __fish_seen_subcommand_from ls show wait cancel help" -f -a "ls" -d 'List operations, newest first'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and not __fish_seen_subcommand_from ls show wait cancel help" -f -a "show" -d 'Show an operation with its steps'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and not __fish_seen_subcommand_from ls show wait cancel help" -f -a "wait" -d 'Wait for operations to end; the exit status is theirs'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and not __fish_seen_subcommand_from ls show wait cancel help" -f -a "cancel" -d 'Ask an operation to stop at its next step, and to undo what it did'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and not __fish_seen_subcommand_from ls show wait cancel help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from ls" -l app -d 'Only those of this app' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from ls" -l limit -d 'At most this many' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from ls" -l socket -d 'The daemon\'s socket [default: $PROXIMITY_SOCKET, /run/proximity/proximityd.sock, or the user\'s own in $XDG_RUNTIME_DIR or ~/.local/share]' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from ls" -s o -l output -d 'How to write data: table, json or csv' -r -f -a "table\t'For people'
json\t'For programs: the stable interface'
csv\t'For spreadsheets (RFC 4180)'"
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from ls" -l timeout -d 'Wait no longer than this (30s, 5m, 1h30m), then exit with 124; the work goes on in the daemon' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from ls" -l active -d 'Only those that have not ended'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from ls" -s q -l quiet -d 'Say nothing but errors'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from ls" -s y -l yes -d 'Answer every question with yes'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from ls" -l no-color -d 'Use no colours (as NO_COLOR does)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from ls" -s v -l verbose -d 'Say more: each step as it begins, what it says, each call to the daemon'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from ls" -s h -l help -d 'Print help'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from show" -l socket -d 'The daemon\'s socket [default: $PROXIMITY_SOCKET, /run/proximity/proximityd.sock, or the user\'s own in $XDG_RUNTIME_DIR or ~/.local/share]' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from show" -s o -l output -d 'How to write data: table, json or csv' -r -f -a "table\t'For people'
json\t'For programs: the stable interface'
csv\t'For spreadsheets (RFC 4180)'"
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from show" -l timeout -d 'Wait no longer than this (30s, 5m, 1h30m), then exit with 124; the work goes on in the daemon' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Say nothing but errors'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from show" -s y -l yes -d 'Answer every question with yes'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from show" -l no-color -d 'Use no colours (as NO_COLOR does)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say more: each step as it begins, what it says, each call to the daemon'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from wait" -l socket -d 'The daemon\'s socket [default: $PROXIMITY_SOCKET, /run/proximity/proximityd.sock, or the user\'s own in $XDG_RUNTIME_DIR or ~/.local/share]' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from wait" -s o -l output -d 'How to write data: table, json or csv' -r -f -a "table\t'For people'
json\t'For programs: the stable interface'
csv\t'For spreadsheets (RFC 4180)'"
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from wait" -l timeout -d 'Wait no longer than this (30s, 5m, 1h30m), then exit with 124; the work goes on in the daemon' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from wait" -s q -l quiet -d 'Say nothing but errors'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from wait" -s y -l yes -d 'Answer every question with yes'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from wait" -l no-color -d 'Use no colours (as NO_COLOR does)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from wait" -s v -l verbose -d 'Say more: each step as it begins, what it says, each call to the daemon'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from wait" -s h -l help -d 'Print help'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from cancel" -l socket -d 'The daemon\'s socket [default: $PROXIMITY_SOCKET, /run/proximity/proximityd.sock, or the user\'s own in $XDG_RUNTIME_DIR or ~/.local/share]' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from cancel" -s o -l output -d 'How to write data: table, json or csv' -r -f -a "table\t'For people'
json\t'For programs: the stable interface'
csv\t'For spreadsheets (RFC 4180)'"
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from cancel" -l timeout -d 'Wait no longer than this (30s, 5m, 1h30m), then exit with 124; the work goes on in the daemon' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from cancel" -l no-wait -d 'Do not wait until it has ended'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from cancel" -s q -l quiet -d 'Say nothing but errors'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from cancel" -s y -l yes -d 'Answer every question with yes'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from cancel" -l no-color -d 'Use no colours (as NO_COLOR does)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from cancel" -s v -l verbose -d 'Say more: each step as it begins, what it says, each call to the daemon'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from cancel" -s h -l help -d 'Print help'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from help" -f -a "ls" -d 'List operations, newest first'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from help" -f -a "show" -d 'Show an operation with its steps'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from help" -f -a "wait" -d 'Wait for operations to end; the exit status is theirs'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from help" -f -a "cancel" -d 'Ask an operation to stop at its next step, and to undo what it did'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand op; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand events" -l since -d 'Begin after the event with this number; 0 begins with the oldest' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand events" -l app -d 'Only those about this app' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand events" -l operation -d 'Only those of this operation' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand events" -l socket -d 'The daemon\'s socket [default: $PROXIMITY_SOCKET, /run/proximity/proximityd.sock, or the user\'s own in $XDG_RUNTIME_DIR or ~/.local/share]' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand events" -s o -l output -d 'How to write data: table, json or csv' -r -f -a "table\t'For people'
json\t'For programs: the stable interface'
csv\t'For spreadsheets (RFC 4180)'"
complete -c proximityctl -n "__fish_proximityctl_using_subcommand events" -l timeout -d 'Wait no longer than this (30s, 5m, 1h30m), then exit with 124; the work goes on in the daemon' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand events" -s f -l follow -d 'Go on with those to come'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand events" -s q -l quiet -d 'Say nothing but errors'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand events" -s y -l yes -d 'Answer every question with yes'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand events" -l no-color -d 'Use no colours (as NO_COLOR does)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand events" -s v -l verbose -d 'Say more: each step as it begins, what it says, each call to the daemon'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand events" -s h -l help -d 'Print help'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand status" -l socket -d 'The daemon\'s socket [default: $PROXIMITY_SOCKET, /run/proximity/proximityd.sock, or the user\'s own in $XDG_RUNTIME_DIR or ~/.local/share]' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand status" -s o -l output -d 'How to write data: table, json or csv' -r -f -a "table\t'For people'
json\t'For programs: the stable interface'
csv\t'For spreadsheets (RFC 4180)'"
complete -c proximityctl -n "__fish_proximityctl_using_subcommand status" -l timeout -d 'Wait no longer than this (30s, 5m, 1h30m), then exit with 124; the work goes on in the daemon' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand status" -s q -l quiet -d 'Say nothing but errors'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand status" -s y -l yes -d 'Answer every question with yes'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand status" -l no-color -d 'Use no colours (as NO_COLOR does)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand status" -s v -l verbose -d 'Say more: each step as it begins, what it says, each call to the daemon'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand status" -s h -l help -d 'Print help'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand completions" -l socket -d 'The daemon\'s socket [default: $PROXIMITY_SOCKET, /run/proximity/proximityd.sock, or the user\'s own in $XDG_RUNTIME_DIR or ~/.local/share]' -r -F
complete -c proximityctl -n "__fish_proximityctl_using_subcommand completions" -s o -l output -d 'How to write data: table, json or csv' -r -f -a "table\t'For people'
json\t'For programs: the stable interface'
csv\t'For spreadsheets (RFC 4180)'"
complete -c proximityctl -n "__fish_proximityctl_using_subcommand completions" -l timeout -d 'Wait no longer than this (30s, 5m, 1h30m), then exit with 124; the work goes on in the daemon' -r
complete -c proximityctl -n "__fish_proximityctl_using_subcommand completions" -s q -l quiet -d 'Say nothing but errors'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand completions" -s y -l yes -d 'Answer every question with yes'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand completions" -l no-color -d 'Use no colours (as NO_COLOR does)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand completions" -s v -l verbose -d 'Say more: each step as it begins, what it says, each call to the daemon'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand completions" -s h -l help -d 'Print help'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand help; and not __fish_seen_subcommand_from try init doctor deploy ls info open start stop restart rm host catalog op events status completions help" -f -a "try" -d 'Try Proximity with a throw-away daemon, without Proxmox VE'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand help; and not __fish_seen_subcommand_from try init doctor deploy ls info open start stop restart rm host catalog op events status completions help" -f -a "init" -d 'Connect a Proxmox VE host'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand help; and not __fish_seen_subcommand_from try init doctor deploy ls info open start stop restart rm host catalog op events status completions help" -f -a "doctor" -d 'Check everything that a deployment depends on'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand help; and not __fish_seen_subcommand_from try init doctor deploy ls info open start stop restart rm host catalog op events status completions help" -f -a "deploy" -d 'Deploy an app: a container of its own, Docker Compose in it, a URL that answers'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand help; and not __fish_seen_subcommand_from try init doctor deploy ls info open start stop restart rm host catalog op events status completions help" -f -a "ls" -d 'List the apps'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand help; and not __fish_seen_subcommand_from try init doctor deploy ls info open start stop restart rm host catalog op events status completions help" -f -a "info" -d 'Show an app: address, settings, services, what was done to it'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand help; and not __fish_seen_subcommand_from try init doctor deploy ls info open start stop restart rm host catalog op events status completions help" -f -a "open" -d 'Print an app\'s URL, and open it where there is a display'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand help; and not __fish_seen_subcommand_from try init doctor deploy ls info open start stop restart rm host catalog op events status completions help" -f -a "start" -d 'Start apps, and wait until they answer'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand help; and not __fish_seen_subcommand_from try init doctor deploy ls info open start stop restart rm host catalog op events status completions help" -f -a "stop" -d 'Stop apps'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand help; and not __fish_seen_subcommand_from try init doctor deploy ls info open start stop restart rm host catalog op events status completions help" -f -a "restart" -d 'Restart apps, and wait until they answer'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand help; and not __fish_seen_subcommand_from try init doctor deploy ls info open start stop restart rm host catalog op events status completions help" -f -a "rm" -d 'Remove apps, with their containers and data'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand help; and not __fish_seen_subcommand_from try init doctor deploy ls info open start stop restart rm host catalog op events status completions help" -f -a "host" -d 'Connect, list, test and forget Proxmox VE hosts'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand help; and not __fish_seen_subcommand_from try init doctor deploy ls info open start stop restart rm host catalog op events status completions help" -f -a "catalog" -d 'See what can be deployed, and check templates of your own'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand help; and not __fish_seen_subcommand_from try init doctor deploy ls info open start stop restart rm host catalog op events status completions help" -f -a "op" -d 'See, await and cancel operations'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand help; and not __fish_seen_subcommand_from try init doctor deploy ls info open start stop restart rm host catalog op events status completions help" -f -a "events" -d 'Show what happened; with -f, what happens'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand help; and not __fish_seen_subcommand_from try init doctor deploy ls info open start stop restart rm host catalog op events status completions help" -f -a "status" -d 'Show the daemon: version, uptime, what it does'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand help; and not __fish_seen_subcommand_from try init doctor deploy ls info open start stop restart rm host catalog op events status completions help" -f -a "completions" -d 'Print the completions for a shell'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand help; and not __fish_seen_subcommand_from try init doctor deploy ls info open start stop restart rm host catalog op events status completions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand help; and __fish_seen_subcommand_from host" -f -a "add" -d 'Connect a host or cluster'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand help; and __fish_seen_subcommand_from host" -f -a "ls" -d 'List the hosts'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand help; and __fish_seen_subcommand_from host" -f -a "test" -d 'Check that a host has what a deployment needs'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand help; and __fish_seen_subcommand_from host" -f -a "rm" -d 'Forget a host that has no apps; nothing is changed on it'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand help; and __fish_seen_subcommand_from catalog" -f -a "ls" -d 'List the templates'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand help; and __fish_seen_subcommand_from catalog" -f -a "search" -d 'Search name, category and description, best match first'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand help; and __fish_seen_subcommand_from catalog" -f -a "show" -d 'Show a template: needs, settings, images'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand help; and __fish_seen_subcommand_from catalog" -f -a "validate" -d 'Check templates or Compose files; exits with 2 when one cannot be deployed'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand help; and __fish_seen_subcommand_from op" -f -a "ls" -d 'List operations, newest first'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand help; and __fish_seen_subcommand_from op" -f -a "show" -d 'Show an operation with its steps'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand help; and __fish_seen_subcommand_from op" -f -a "wait" -d 'Wait for operations to end; the exit status is theirs'
complete -c proximityctl -n "__fish_proximityctl_using_subcommand help; and __fish_seen_subcommand_from op" -f -a "cancel" -d 'Ask an operation to stop at its next step, and to undo what it did'
