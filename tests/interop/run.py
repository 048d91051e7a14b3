#!/usr/bin/env python3
"""WebSocket libraries that others use, through P-8, before both kinds of backend.

The clients are `ws` of npm and `websockets` of PyPI; the backends are `websockets` and an echo over HTTP. Each
exchanges 10,000 messages of random sizes and fragmentations, with and without compression, and each such
exchange is a test: every message must come back as it was, and the close with its code.

The packages go to target/venv-interop and target/interop-node. P8_SIM_SEED replays the messages; P8_BIN is
the program to test, by default the release build.

usage: run.py [MESSAGES]
"""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, ".ci"))

import program  # noqa: E402
from prepared import TARGET, digest, shell, stamp, stamped, venv  # noqa: E402

DEADLINE_SECS = 300


def node_packages():
    """The folder that the packages of package.json are in; npm runs again when that changed."""
    folder = os.path.join(TARGET, "interop-node")
    manifest = os.path.join(HERE, "package.json")
    mark, wanted = os.path.join(folder, "stamp"), digest(manifest)
    if not stamped(mark, wanted):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        shutil.copy(manifest, folder)
        shell("npm", "install", "--no-audit", "--no-fund", "--silent", cwd=folder)
        stamp(mark, wanted)
    return folder


def start_backend(python, folder):
    """Both echoes in one process: it, and their ports."""
    with open(os.path.join(folder, "backend.log"), "wb") as log:
        process = subprocess.Popen([python, os.path.join(HERE, "backend.py")], stdout=subprocess.PIPE, stderr=log)
    line = process.stdout.readline()
    if not line:
        sys.exit("the backend ended: %s" % open(log.name).read())
    return process, [int(port) for port in line.split()]


def start_p8(folder, ports, compression):
    """P-8 before both: its process, and the port of clients."""
    routes = ('[proxy]\nsig_key = "changeme"\n'
              '[[routes]]\nhost = "*"\npath_beg = "/http/"\n'
              'targets = [{ url = "http://127.0.0.1:%d", over_http = true }]\n'
              '[[routes]]\nhost = "*"\ntargets = [{ url = "http://127.0.0.1:%d" }]\n' % tuple(ports))
    http = "allow_compression = %s\n" % ("true" if compression else "false")
    return program.start(folder, program.config(routes, http), name="p-8-%d" % compression)[:2]


def exchange(command, url, seed, count, compression):
    """Runs a client; gives what is wrong with its exchange, None if nothing."""
    env = dict(os.environ, P8_NODE_MODULES=os.path.join(TARGET, "interop-node", "package.json"),
               PYTHONDONTWRITEBYTECODE="1")
    arguments = [url, str(seed), str(count), str(compression)]
    try:
        ran = subprocess.run(command + arguments, env=env, timeout=DEADLINE_SECS, capture_output=True, text=True)
    except subprocess.TimeoutExpired:
        return "not at the end after %d s" % DEADLINE_SECS
    try:
        said = json.loads(ran.stdout)
    except ValueError:
        return "%s%s" % (ran.stdout, ran.stderr[-1500:])
    wanted = {"equal": count, "extensions": ["permessage-deflate"] if compression else [], "code": 4001}
    return None if said == wanted else "%s, wanted %s %s" % (said, wanted, ran.stderr[-1500:])


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    seed = int(os.environ.get("P8_SIM_SEED") or random.randrange(1 << 32))
    print("%d messages each, seed %d" % (count, seed), flush=True)
    python = venv("venv-interop", os.path.join(HERE, "requirements.txt"))
    node_packages()
    clients = {"websockets": [python, os.path.join(HERE, "client.py")],
               "ws": ["node", os.path.join(HERE, "client.mjs")]}
    processes, passed, failed = [], 0, 0
    with tempfile.TemporaryDirectory() as folder:
        try:
            backend, ports = start_backend(python, folder)
            processes.append(backend)
            for compression in (0, 1):
                p8, port = start_p8(folder, ports, compression)
                processes.append(p8)
                for name, command in clients.items():
                    for path, kind in (("/http/echo", "over HTTP"), ("/echo", "in pass-through")):
                        start = time.monotonic()
                        url = "ws://127.0.0.1:%d%s" % (port, path)
                        wrong = exchange(command, url, seed, count, compression)
                        passed, failed = passed + (not wrong), failed + bool(wrong)
                        print("%s %s, %s compression: %s in %.1f s" % (
                            name, kind, "with" if compression else "without", wrong or "ok",
                            time.monotonic() - start), flush=True)
            if failed:
                program.ends_of_logs(folder)
        finally:
            for process in processes:
                process.kill()
                process.wait()
    program.outcome(passed, failed)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
