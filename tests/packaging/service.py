#!/usr/bin/env python3
"""The Debian package as a service of a real systemd, the first process of a Debian system of its own.

The package is installed, started, reloaded, replaced, frozen until the watchdog fires, stopped, given a
wrong configuration, a unix socket and a port below 1024, activated by its socket, removed and purged. Each
check is a test. Needs root, debootstrap and systemd-nspawn (Debian: systemd-container).

The system is made once, in target/debian-root; what happens to it is forgotten. `--shell` ends in a
shell in it.

usage: service.py PACKAGE.deb [--shell]
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, ".ci"))

import program  # noqa: E402
from prepared import TARGET, shell, stamp, stamped  # noqa: E402

SUITE, MIRROR = "bookworm", "http://deb.debian.org/debian"
INCLUDED = "systemd,systemd-sysv,dbus,curl,procps,libnss-systemd"
DEADLINE_SECS = 60
READY = "http://127.0.0.1:5561/ready"
EVENTS = "http://127.0.0.1:7999/p8-demo/events"
ROUTES = '[[routes]]\nhost = "*"\ntargets = [{ test = true }]\n'


def debian():
    """The folder of a small Debian with systemd, made once."""
    folder = os.path.join(TARGET, "debian-root")
    wanted, mark = "%s %s" % (SUITE, INCLUDED), folder + ".stamp"
    if not stamped(mark, wanted):
        shutil.rmtree(folder, ignore_errors=True)
        shell("debootstrap", "--variant=minbase", "--include=" + INCLUDED, SUITE, folder, MIRROR,
              stdout=subprocess.DEVNULL)
        stamp(mark, wanted)
    return folder


class Machine:
    """A running system, without a network but its own loopback."""

    def __init__(self, root, package, log):
        # Another first process than this one's parent would wait for ever if the start fails.
        self.nspawn = subprocess.Popen(
            ["systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--private-network",
             "--volatile=overlay", "--machine=p-8", "--directory=" + root,
             "--bind-ro=%s:/mnt/p-8.deb" % package],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.first = None
        self.wait("the system starts", lambda: self.find_first() and self.is_up())

    def find_first(self):
        path = "/proc/%d/task/%d/children" % (self.nspawn.pid, self.nspawn.pid)
        with open(path, encoding="ascii") as f:
            children = f.read().split()
        for child in children:
            with open("/proc/%s/comm" % child, encoding="ascii") as f:
                if f.read().strip() == "systemd":
                    self.first = child
        return self.first

    def is_up(self):
        return self.run("systemctl", "is-system-running").stdout.strip() in ("running", "degraded")

    def command(self, *command):
        return ("nsenter", "--target", self.first, "--all", *command)

    def run(self, *command):
        return subprocess.run(self.command(*command), capture_output=True, text=True, timeout=2 * DEADLINE_SECS)

    def sh(self, script):
        """The output of a script, errors among it; what it ends with is not looked at."""
        done = self.run("sh", "-c", script)
        return (done.stdout + done.stderr).strip()

    def wait(self, what, holds, within=DEADLINE_SECS):
        end = time.monotonic() + within
        while not holds():
            if self.nspawn.poll() is not None:
                sys.exit("the system has ended with %d" % self.nspawn.returncode)
            if time.monotonic() > end:
                raise TimeoutError("not within %d s: %s" % (within, what))
            time.sleep(0.1)

    def show(self, name, unit="p-8"):
        return self.run("systemctl", "show", "--property=" + name, "--value", unit).stdout.strip()

    def journal(self):
        return self.sh("journalctl --no-pager --output=cat --unit=p-8")

    def status(self, url, *options):
        """The status of an answer, 000 if there is none."""
        done = self.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-m", "20", *options, url)
        return done.stdout

    def hold(self):
        """A client that is held, and has read the first of its stream."""
        client = subprocess.Popen(self.command("curl", "-sN", EVENTS), stdout=subprocess.PIPE)
        client.stdout.readline()
        return client

    def configure(self, text):
        script = "cat > /etc/p-8/p-8.toml"
        subprocess.run(self.command("sh", "-c", script), input=text, text=True, check=True)

    def end(self):
        self.nspawn.terminate()
        try:
            self.nspawn.wait(DEADLINE_SECS)
        except subprocess.TimeoutExpired:
            self.nspawn.kill()
            self.nspawn.wait()


def installed(machine):
    """The package installs its files, and starts nothing."""
    done = machine.run("dpkg", "--install", "/mnt/p-8.deb")
    assert done.returncode == 0, done.stdout + done.stderr
    files = machine.sh("dpkg --listfiles p-8").split("\n")
    for wanted in ("/usr/bin/p-8", "/etc/p-8/p-8.toml", "/usr/lib/systemd/system/p-8.service",
                   "/usr/lib/systemd/system/p-8.socket", "/usr/share/man/man1/p-8.1.gz",
                   "/usr/share/man/man1/p-8-publish.1.gz", "/usr/share/doc/p-8/copyright",
                   "/usr/share/doc/p-8/changelog.Debian.gz", "/usr/share/bash-completion/completions/p-8",
                   "/usr/share/zsh/vendor-completions/_p-8", "/usr/share/fish/vendor_completions.d/p-8.fish"):
        assert wanted in files, "no %s among %s" % (wanted, files)
    assert machine.sh("dpkg-query --show --showformat='${Conffiles}' p-8").startswith("/etc/p-8/p-8.toml ")
    assert machine.sh("dpkg --verify p-8") == ""
    assert machine.sh("p-8 --version").startswith("p-8 ")
    assert machine.sh("systemctl is-enabled p-8 p-8.socket") == "disabled\ndisabled"
    assert machine.sh("systemctl is-active p-8 p-8.socket") == "inactive\ninactive"


def understood(machine):
    """systemd finds no fault with the units."""
    said = machine.sh("systemd-analyze verify p-8.service p-8.socket")
    # There is no program `man` in a small system.
    assert [line for line in said.split("\n") if line and "man " not in line] == [], said


def started(machine):
    """A start returns when P-8 serves, as a user with no rights but low ports."""
    done = machine.run("systemctl", "start", "p-8")
    assert done.returncode == 0, done.stderr + machine.journal()
    assert machine.sh("systemctl is-active p-8") == "active"
    assert machine.status(READY) == "200"
    status = machine.sh("cat /proc/%s/status" % machine.show("MainPID"))
    uid = int(re.search(r"Uid:\s+(\d+)", status)[1])
    assert uid >= 1000, uid
    assert re.search(r"CapEff:\s+0+400\n", status), status
    assert re.search(r"NoNewPrivs:\s+1\n", status) and re.search(r"Seccomp:\s+2\n", status), status
    assert re.search(r"clients +http://0.0.0.0:7999/", machine.journal())


def reloaded(machine):
    """A reload reads the configuration again, and disturbs no held client."""
    client, before = machine.hold(), machine.show("MainPID")
    machine.sh("sed -i 's/^#debug = false/debug = true/' /etc/p-8/p-8.toml")
    done = machine.run("systemctl", "reload", "p-8")
    assert done.returncode == 0, done.stderr
    machine.wait("the reload", lambda: "the configuration was read again" in machine.journal())
    assert machine.show("MainPID") == before
    machine.sh("curl -s -d message=hello http://127.0.0.1:7999/p8-demo/publish")
    read = b""
    while b"hello" not in read:
        line = client.stdout.readline()
        assert line, "the stream has ended"
        read += line
    client.kill()
    client.wait()


def replaced(machine):
    """A process that takes over is the service: it is watched, and a stop drains it."""
    before = machine.show("MainPID")
    machine.sh("systemctl kill --signal=USR2 --kill-whom=main p-8")
    machine.wait("another process", lambda: machine.show("MainPID") not in (before, "0"))
    machine.wait("the end of the first", lambda: not machine.sh("test -e /proc/%s || echo gone" % before) == "")
    assert machine.sh("systemctl is-active p-8") == "active"
    assert machine.show("NRestarts") == "0"
    assert machine.status(READY) == "200"
    drained(machine)
    assert "not our child" not in machine.journal(), machine.journal()


def drained(machine):
    """A stop ends held clients well, and the service with 0."""
    client = machine.hold()
    done = machine.run("systemctl", "stop", "p-8")
    assert done.returncode == 0, done.stderr
    client.stdout.read()
    # curl's word for a proper end.
    assert client.wait(DEADLINE_SECS) == 0
    ended = [machine.show(name) for name in ("Result", "ExecMainStatus", "ActiveState")]
    assert ended == ["success", "0", "inactive"], (ended, machine.journal())


def watched(machine):
    """A process that gives no sign of life is ended and started again."""
    folder = "/run/systemd/system/p-8.service.d"
    machine.sh("mkdir -p %s; printf '[Service]\\nWatchdogSec=2\\n' > %s/watchdog.conf; systemctl daemon-reload"
               % (folder, folder))
    machine.run("systemctl", "start", "p-8")
    before = machine.show("MainPID")
    machine.sh("systemctl kill --signal=STOP --kill-whom=main p-8")
    machine.wait("a restart", lambda: machine.show("NRestarts") == "1" and machine.status(READY) == "200")
    assert machine.show("MainPID") != before
    assert machine.show("NotifyAccess") == "main"
    machine.run("systemctl", "stop", "p-8")


def refused(machine):
    """A wrong configuration fails the start once, and the journal says where it is wrong."""
    machine.configure("[http]\nlisen = 1\n")
    machine.sh("systemctl reset-failed p-8")
    done = machine.run("systemctl", "start", "p-8")
    assert done.returncode != 0
    machine.wait("the failure", lambda: machine.show("ActiveState") == "failed")
    assert machine.show("NRestarts") == "0", machine.journal()
    assert "[http] lisen: unknown key" in machine.journal()


def bound(machine):
    """A unix socket below /run/p-8 and a port below 1024 are served."""
    machine.configure('[http]\nlisten = ["0.0.0.0:80"]\nunix_listen = ["/run/p-8/clients.sock?mode=666"]\n' + ROUTES)
    machine.sh("systemctl reset-failed p-8")
    done = machine.run("systemctl", "start", "p-8")
    assert done.returncode == 0, machine.journal()
    assert machine.status("http://127.0.0.1/") == "200"
    assert machine.status("http://localhost/", "--unix-socket", "/run/p-8/clients.sock") == "200"
    machine.run("systemctl", "stop", "p-8")
    assert machine.sh("ls /run/p-8 2>&1").startswith("ls: cannot access")


def activated(machine):
    """Its socket unit starts it, and clients that come while it restarts wait."""
    machine.configure("[http]\nlisten = 7999\n" + ROUTES)
    done = machine.run("systemctl", "start", "p-8.socket")
    assert done.returncode == 0, done.stderr
    assert machine.show("ActiveState") == "inactive"
    assert machine.status("http://127.0.0.1:7999/") == "200"
    assert "inherited socket" not in machine.journal()
    failures = machine.sh(
        "systemctl restart p-8 & n=0; while kill -0 $! 2>/dev/null || [ $n -lt 5 ]; do n=$((n+1)); "
        "curl -s -m 20 -o /dev/null http://127.0.0.1:7999/ || echo failed; done")
    assert failures == "", failures
    machine.run("systemctl", "stop", "p-8.socket", "p-8")


def removed(machine):
    """Removing it leaves the configuration, purging does not."""
    machine.run("systemctl", "start", "p-8")
    done = machine.run("dpkg", "--remove", "p-8")
    assert done.returncode == 0, done.stderr
    assert machine.sh("systemctl is-active p-8") == "inactive"
    assert machine.sh("ls /usr/bin/p-8 /etc/p-8/p-8.toml 2>/dev/null") == "/etc/p-8/p-8.toml"
    done = machine.run("dpkg", "--purge", "p-8")
    assert done.returncode == 0, done.stderr
    assert machine.sh("ls -d /etc/p-8 /usr/share/doc/p-8 2>/dev/null") == ""


CHECKS = (installed, understood, started, reloaded, drained, started, replaced, watched, refused, bound, activated,
          removed)


def run(machine):
    """What came of each check."""
    for check in CHECKS:
        error = None
        try:
            check(machine)
        except (AssertionError, TimeoutError) as wrong:
            line = wrong.__traceback__.tb_next.tb_lineno
            error = "line %d: %s\n%s" % (line, wrong, machine.journal()[-2000:])
        if not error:
            print("ok: %s" % check.__doc__, flush=True)
        yield check.__doc__, error


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--shell"]
    if len(arguments) != 1:
        sys.exit(__doc__)
    root = debian()
    with tempfile.TemporaryFile() as log:
        machine = Machine(root, os.path.abspath(arguments[0]), log)
        try:
            well = program.report(list(run(machine)))
            if "--shell" in sys.argv:
                subprocess.run(machine.command("bash"))
        finally:
            machine.end()
    sys.exit(not well)


if __name__ == "__main__":
    main()
