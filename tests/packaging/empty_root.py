#!/usr/bin/env python3
"""The program of `make static` in a root of its own: no library, no shell, no user file, no rights.

In the root are the program, a configuration and /etc/hosts. It must resolve `localhost` and another name
there, answer as alive, hold a client and push to it, publish by its own command, and drain. Each check is a
test. Needs root, for chroot.

usage: empty_root.py PROGRAM
"""

import http.client
import http.server
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, ".ci"))

import program  # noqa: E402

NOBODY = 65532
DEADLINE_SECS = 20
NAMES = ("localhost", "backend.internal")


class Holding(http.server.BaseHTTPRequestHandler):
    """A backend that has every request held as a stream."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b"open\n"
        self.send_response(200)
        for name, value in (("Grip-Hold", "stream"), ("Grip-Channel", "a"), ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def chroot(folder, *command):
    user = "--userspec=%d:%d" % (NOBODY, NOBODY)
    return ("chroot", user, folder, "/p-8") + command


def needs(binary):
    """What the dynamic linker would have to find for it: None if nothing."""
    said = subprocess.run(["readelf", "-ld", binary], check=True, capture_output=True, text=True).stdout
    wanted = [line.strip() for line in said.splitlines() if "NEEDED" in line or "interpreter" in line]
    return "; ".join(wanted) or None


def get(port, host, path):
    """The answer to a request, its body unread."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_SECS)
    client.request("GET", path, headers={"Host": host})
    return client.getresponse()


def expect(what, found, wanted):
    return what, None if found == wanted else "%r, not %r" % (found, wanted)


def held(folder, port, control, name):
    """Holds a client by that name of the backend, and pushes to it."""
    answer = get(port, name, "/")
    opened = answer.readline() if answer.status == 200 else answer.read()
    yield expect("a client is held by a backend called %s" % name, opened, b"open\n")
    if answer.status != 200:
        return
    url = "http://localhost:%d" % control
    sent = subprocess.run(chroot(folder, "publish", "--spec", url, "a", "news of " + name),
                          capture_output=True, text=True, timeout=DEADLINE_SECS)
    yield expect("the publish command of that root publishes", (sent.returncode, sent.stderr), (0, ""))
    yield expect("the client is pushed to", answer.readline(), b"news of %s\n" % name.encode())


def checks(binary, folder):
    yield "the program needs no library", needs(binary)
    backend = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Holding)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    shutil.copy(binary, os.path.join(folder, "p-8"))
    os.mkdir(os.path.join(folder, "etc"))
    with open(os.path.join(folder, "etc", "hosts"), "w", encoding="utf-8") as f:
        f.write("127.0.0.1 %s\n" % " ".join(NAMES))
    routes = ['[[routes]]\nhost = "%s"\ntargets = [{ url = "http://%s:%d" }]\n' % (name, name, backend.server_port)
              for name in NAMES]
    # It reads /p-8.toml, the same file.
    path = os.path.join(folder, "p-8.toml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(program.config("".join(routes)))
    os.chmod(folder, 0o755)
    checked = subprocess.run(chroot(folder, "check", "/p-8.toml"), capture_output=True, text=True)
    yield "the configuration is read", checked.stderr if checked.returncode else None
    # The path that it has outside is the shell's name, and goes no further.
    start = ("sh", "-c", "exec " + shlex.join(chroot(folder, "/p-8.toml")))
    process, port, control = program.start(folder, program.config("".join(routes)), start)
    try:
        with open("/proc/%d/status" % process.pid, encoding="utf-8") as f:
            uids = next(line.split()[1:] for line in f if line.startswith("Uid:"))
        yield expect("it has no user's rights", uids, [str(NOBODY)] * 4)
        yield expect("it is alive", get(control, "localhost", "/live").status, 200)
        for name in NAMES:
            yield from held(folder, port, control, name)
        process.terminate()
        yield expect("it drains and ends with 0", process.wait(DEADLINE_SECS), 0)
    finally:
        process.kill()
        process.wait()
        backend.shutdown()


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    # Others may enter a folder below /var/tmp.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        well = program.report(list(checks(os.path.abspath(sys.argv[1]), folder)))
        if not well:
            program.ends_of_logs(folder)
    sys.exit(not well)


if __name__ == "__main__":
    main()
