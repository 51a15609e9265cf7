//! The guest's shell and programs, driven through its console.
#![allow(clippy::unwrap_used)]

mod memory_rig;

use memory_rig::Rig;

async fn check(cases: &[(&str, &str, i32)]) {
    let rig = Rig::new().await;
    let guest = rig.guest(100).await;
    let mut wrong = Vec::new();
    for (script, output, status) in cases {
        let got = rig.sh(&guest, &format!("({script}\n) 2>&1")).await;
        if got != ((*output).to_owned(), *status) {
            wrong.push(format!("{script:?}: wanted {:?}, got {got:?}", (output, status)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn quoting_and_expansion_are_bashs() {
    check(&[
        ("echo 'a  b' \"c $((1+2))\" d\\ e", "a  b c 3 d e\n", 0),
        ("x='a b'; printf '<%s>' $x \"$x\"; echo", "<a><b><a b>\n", 0),
        ("echo ${u:-def} ${u-def} ${#HOME} ${HOME%oot} ${HOME##*/}", "def def 5 /r root\n", 0),
        (
            "f=a.tar.gz; echo ${f%.*} ${f%%.*} ${f#*.} ${f##*.} ${f/tar/zip} ${f:2:3}",
            "a.tar a tar.gz gz a.zip.gz tar\n",
            0,
        ),
        ("set -- 'x y' z; printf '<%s>' \"$@\" $# \"$*\" $1; echo", "<x y><z><2><x y z><x><y>\n", 0),
        ("set --; printf '<%s>' a \"$@\" b; echo", "<a><b>\n", 0),
        ("echo \"$(echo nested \"$(echo deep)\")\" `echo old`", "nested deep old\n", 0),
        ("echo {a,b}{1..3} '{x,y}'", "a1 a2 a3 b1 b2 b3 {x,y}\n", 0),
        ("mkdir -p /srv/g; cd /srv/g; touch b.x a.x c; echo *.x [!a]* no*", "a.x b.x b.x c no*\n", 0),
        ("echo $((2**10)) $((7/2)) $((7%4)) $((1<2&&3>2)) $((x=5)) $x", "1024 3 3 1 5 5\n", 0),
        (
            "a=(one 'two three'); a+=(four); echo ${#a[@]} \"${a[1]}\"; printf '<%s>' \"${a[@]}\"; echo",
            "3 two three\n<one><two three><four>\n",
            0,
        ),
        ("echo $'a\\tb' \"it's ${u:-its}\"", "a\tb it's its\n", 0),
        ("unset u; echo \"${u:?is needed}\"; echo no", "bash: u: is needed\n", 1),
        ("IFS=:; x=a:b::c; printf '<%s>' $x; echo", "<a><b><><c>\n", 0),
        ("case abc in a*) echo yes;; *) echo no;; esac; case '*' in \\*) echo lit;; esac", "yes\nlit\n", 0),
        ("[[ abc == a* && ! -e /nope && 3 -gt 2 ]] && echo t; [[ 'a b' =~ ^a.b$ ]] && echo r", "t\nr\n", 0),
    ])
    .await;
}

#[tokio::test]
async fn pipes_lists_and_statuses_are_bashs() {
    check(&[
        ("printf 'b\\na\\n' | sort | head -n 1", "a\n", 0),
        ("false || echo or; true && echo and; ! true; echo $?", "or\nand\n1\n", 0),
        ("(exit 3); echo $?; sh -c 'exit 4' || echo $?", "3\n4\n", 0),
        ("set -o pipefail; false | true", "", 1),
        ("set -e; false; echo no", "", 1),
        ("set -e; if false; then :; fi; false || true; ! true; echo yes", "yes\n", 0),
        ("set -eu; echo $nothere; echo no", "bash: nothere: unbound variable\n", 1),
        ("nosuchcommand", "bash: nosuchcommand: command not found\n", 127),
        ("yes | head -n 2", "y\ny\n", 0),
        ("while :; do echo x; done | head -n 1", "x\n", 0),
        ("i=0; while [ $i -lt 3 ]; do i=$((i+1)); [ $i = 2 ] && continue; echo $i; done", "1\n3\n", 0),
        ("for i in 1 2 3; do for j in a b; do [ $j = b ] && break 2; echo $i$j; done; done", "1a\n", 0),
        ("f() { local x=1; echo $1 $x; return 5; }; x=0; f in; echo $? $x", "in 1\n5 0\n", 0),
        ("trap 'echo bye' EXIT; echo hi; exit 7", "hi\nbye\n", 7),
        ("sleep 0.01 & wait $!; echo $?; (exit 9) & wait $!; echo $?", "0\n9\n", 0),
        ("printf 'a b c\\nd\\n' | while read -r x y; do echo \"$y-$x\"; done", "b c-a\n-d\n", 0),
        ("eval 'x=1; echo $x'; X=2 sh -c 'echo $X'; echo ${X-unset}", "1\n2\nunset\n", 0),
        ("if command -v docker; then echo has; else echo none; fi; command -v cat", "none\n/usr/bin/cat\n", 0),
        ("timeout 0.05 sleep 5; echo $?", "124\n", 0),
        ("echo out; echo err >&2; echo gone >/dev/null", "out\nerr\n", 0),
        ("{ echo a; echo b >&2; } >/tmp/o 2>/tmp/e; cat /tmp/e /tmp/o; echo c >>/tmp/o; wc -l </tmp/o", "b\na\n2\n", 0),
        ("cat <<EOF\n$HOME $(echo x)\nEOF\ncat <<'EOF'\n$HOME\nEOF\ncat <<-EOF\n\tt\n\tEOF", "/root x\n$HOME\nt\n", 0),
        ("exec 3>/tmp/three; echo x >&3; exec 3>&-; cat /tmp/three", "x\n", 0),
        ("printf '#!/bin/sh\\necho script $1 $#\\nexit 6\\n' >/root/s; chmod +x /root/s; /root/s a b; echo $?", "script a 2\n6\n", 0),
        ("/root/none; echo $?; echo x >/root/plain; /root/plain; echo $?", "bash: /root/none: No such file or directory\n127\nbash: /root/plain: Permission denied\n126\n", 0),
        ("f() { f; }; f 2>/dev/null; echo no", "", 1),
    ])
    .await;
}

#[tokio::test]
async fn the_programs_do_what_their_manuals_say() {
    check(&[
        ("printf '%s|%5d|%-4s|%04d|%x|%b|%q\\n' a 7 l 42 255 'x\\ty' 'p q'", "a|    7|l   |0042|ff|x\ty|'p q'\n", 0),
        ("printf '%s\\n' a b c", "a\nb\nc\n", 0),
        ("printf '\\377\\000\\n' | od -An -tx1; printf '\\377\\000' | wc -c", " ff 00 0a\n2\n", 0),
        ("printf hello | base64; printf hello | base64 -w 0 | base64 -d", "aGVsbG8=\nhello", 0),
        ("printf abc | sha256sum; printf abc >/tmp/f; sha256sum /tmp/f | sha256sum -c", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  -\n/tmp/f: OK\n", 0),
        ("printf '1:a\\n2:b\\n' | cut -d: -f2 | tr a-z A-Z", "A\nB\n", 0),
        ("printf 'b\\na\\nb\\n' | sort | uniq -c | sort -rn | head -1", "      2 b\n", 0),
        ("printf 'foo\\nbar\\n' | grep -v foo; printf x | grep -q y; echo $?; printf 'a1b22' | grep -oE '[0-9]+'", "bar\n1\n1\n22\n", 0),
        ("echo 'a/b' | sed 's|/|-|; s/a/<&>/'; printf '1\\n2\\n' | sed -n 2p", "<a>-b\n2\n", 0),
        ("seq 1 5 | tail -n +4; seq 3 | tac | tr '\\n' ' '; printf abcdef | tail -c +3", "4\n5\n3 2 1 cdef", 0),
        ("mkdir -p /srv/t/d; echo x >/srv/t/a; cp -r /srv/t /srv/u; mv /srv/u/a /srv/u/b; ls -1 /srv/u; rm -rf /srv/t; ls /srv", "b\nd\nu\n", 0),
        ("umask 077; echo s >/root/k; stat -c '%a %s %F' /root/k; chmod u+x,g=r /root/k; stat -c %a /root/k", "600 2 regular file\n740\n", 0),
        ("ln -s /etc/hostname /root/l; cat /root/l; readlink /root/l; readlink -f /root/l", "app100\n/etc/hostname\n/etc/hostname\n", 0),
        ("mkdir /srv/f; cd /srv/f; touch a.sh b; find . -name '*.sh' -type f; find . -type f | sort | xargs -n1 basename", "./a.sh\na.sh\nb\n", 0),
        ("mkdir /srv/x; cd /srv/x; echo hi >f; tar cf - f | (mkdir o; cd o; tar xf -; cat f)", "hi\n", 0),
        ("dd if=/dev/zero bs=1k count=3 2>/dev/null | wc -c; head -c 5 /dev/zero | od -An -tx1", "3072\n 00 00 00 00 00\n", 0),
        ("printf 'one\\ntwo\\n' | (head -n 1 >/dev/null; cat)", "two\n", 0),
        ("printf abcdef | (head -c 2; printf -; cat)", "ab-cdef", 0),
        ("hostname; whoami; id -u; nproc; uname -m", "app100\nroot\n0\n2\nx86_64\n", 0),
        ("cat /etc/nope", "cat: /etc/nope: No such file or directory\n", 1),
        ("date -d @0 +%Y-%m-%dT%H:%M:%S; date +%s | grep -cE '^[0-9]{10}$'", "1970-01-01T00:00:00\n1\n", 0),
        ("d=$(mktemp -d); test -d $d && echo dir; flock /run/l echo locked; install -d -m 700 /srv/i; stat -c %a /srv/i", "dir\nlocked\n700\n", 0),
        ("systemctl is-system-running; systemctl is-active ssh; systemctl start nope; echo $?", "running\nactive\nFailed to start nope.service: Unit nope.service not found.\n5\n", 0),
        ("apt-get install -y no-such-pkg 2>&1 | tail -n 1; apt-get -qq install -y docker.io docker-cli; echo $?; command -v docker", "E: Unable to locate package no-such-pkg\n0\n/usr/bin/docker\n", 0),
        ("curl -s http://127.0.0.1:9/; echo $?; curl -fsS http://nowhere.test/; echo $?", "7\ncurl: (6) Could not resolve host: nowhere.test\n6\n", 0),
    ])
    .await;
}

#[tokio::test]
async fn a_guest_never_sees_the_machine_underneath() {
    let rig = Rig::new().await;
    let guest = rig.guest(100).await;
    let marker = rig.dir.path().join("marker");
    std::fs::write(&marker, "host secret").unwrap();
    let path = marker.display();
    let (text, status) = rig.sh(&guest, &format!("cat {path} /../../..{path}; echo hacked >{path}")).await;
    assert_ne!(status, 0);
    assert!(!text.contains("secret"), "{text}");
    assert_eq!(std::fs::read_to_string(&marker).unwrap(), "host secret");
    let passwd = rig.ok(&guest, "cat /etc/passwd").await;
    assert!(passwd.contains("sshd:x:991") && passwd != std::fs::read_to_string("/etc/passwd").unwrap());
    assert_eq!(rig.sh(&guest, "python3 -c 1; cargo --version").await.1, 127);
}
