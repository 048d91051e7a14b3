#!/usr/bin/env python3
"""SockJS through P-8: its own client from npm, and plain requests, before a backend of WebSocket-over-HTTP.

The client runs in Node by WebSocket and by polling; raw.py asks what it does not look at, and JSON-P, for
which it needs a browser. Each check is a test.

Node's packages go to target/sockjs. P8_BIN is the program to test, by default the release build. With
`--reference` SockJS's own server stands in for P-8 and its backend: it tests these tests.

usage: run.py [--reference]
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(ROOT, ".ci"), HERE]

import program  # noqa: E402
import raw  # noqa: E402
from backend import Backend  # noqa: E402
from prepared import TARGET, digest, shell, stamp, stamped  # noqa: E402

CLIENT_SECS = 240
CONFIG = """
[proxy]
sockjs_url = "/sockjs.min.js"
[[routes]]
sockjs = "/echo"
targets = [{ url = "http://127.0.0.1:%(port)d", over_http = true }]
[[routes]]
path_beg = "/as"
sockjs = "/as"
sockjs_as_path = "/seen"
targets = [{ url = "http://127.0.0.1:%(port)d", over_http = true }]
"""


def packages():
    """The folder of Node's packages, made once."""
    folder = os.path.join(TARGET, "sockjs")
    files = [os.path.join(HERE, name) for name in ("package.json", "package-lock.json")]
    wanted, mark = digest(*files), os.path.join(folder, "stamp")
    if not stamped(mark, wanted):
        os.makedirs(folder, exist_ok=True)
        for path in files:
            shutil.copy(path, folder)
        shell("npm", "ci", "--no-audit", "--no-fund", "--loglevel=error", cwd=folder)
        stamp(mark, wanted)
    return os.path.join(folder, "node_modules")


def node(modules, script, *args, **kw):
    env = dict(os.environ, NODE_PATH=modules, NODE_ENV="production")
    return subprocess.Popen(["node", os.path.join(HERE, script), *args], env=env, stdout=subprocess.PIPE, **kw)


def client(modules, base):
    """Runs SockJS's client; gives (check, error) for each."""
    process = node(modules, "client.js", base, "websocket", "xhr-polling", "sockets", stderr=subprocess.PIPE)
    try:
        out, err = process.communicate(timeout=CLIENT_SECS)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        err += b"\nclient.js: not within %d s" % CLIENT_SECS
    found = [json.loads(line) for line in out.splitlines() if line.startswith(b"{")]
    results = [(one["check"], one["error"]) for one in found]
    if process.returncode != 0 or not found:
        results.append(("client.js ends well", err.decode(errors="replace")[-2000:] or "it did not"))
    return results


def main():
    is_reference = sys.argv[1:] == ["--reference"]
    if sys.argv[1:] and not is_reference:
        sys.exit(__doc__)
    modules, processes = packages(), []
    with tempfile.TemporaryDirectory() as folder:
        try:
            if is_reference:
                server = node(modules, "reference.js")
                processes.append(server)
                base, backend, dialect = "http://127.0.0.1:%d/echo" % int(server.stdout.readline()), None, raw.REFERENCE
            else:
                backend, dialect = Backend(), raw.P8
                p8, port, backend.control = program.start(folder, program.config(CONFIG % {"port": backend.port}))
                processes.append(p8)
                base = "http://127.0.0.1:%d/echo" % port
            results = client(modules, base) + raw.run(raw.Site(base, dialect, backend))
            well = program.report(results)
            if not well and not is_reference:
                program.ends_of_logs(folder)
        finally:
            for process in processes:
                process.kill()
                process.wait()
    sys.exit(not well)


if __name__ == "__main__":
    main()
