"""P-8 as a process of tests in Python, and their outcome in the words of cargo's tests."""

import os
import re
import subprocess
import sys

from prepared import TARGET

BINARY = os.environ.get("P8_BIN", os.path.join(TARGET, "release", "p-8"))
LISTEN = '[http]\nlisten = ["127.0.0.1:0"]\n%s[control]\nlisten = "127.0.0.1:0"\n'


def config(more, http=""):
    """A configuration on free ports, with more tables, and more keys of [http]."""
    return LISTEN % http + more


def start(folder, text, command=(BINARY,), name="p-8"):
    """P-8 with that configuration: its process, and the ports of clients and publishers. Its log is NAME.log."""
    path = os.path.join(folder, name + ".toml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    with open(os.path.join(folder, name + ".log"), "wb") as log:
        process = subprocess.Popen([*command, path], env=dict({"RUST_LOG": "warn"}, **os.environ),
                                   stdout=subprocess.PIPE, stderr=log)
    banner = b""
    while banner.count(b" -> ") < text.count("[[routes]]"):
        line = process.stdout.readline()
        if not line:
            with open(log.name, errors="replace", encoding="utf-8") as f:
                sys.exit("P-8 ended: %s" % f.read())
        banner += line
    ports = [re.search(rb"%s +http://127.0.0.1:(\d+)/" % what, banner) for what in (b"clients", b"publish")]
    return process, *(int(port[1]) for port in ports)


def ends_of_logs(folder):
    """Prints the end of each log in a folder."""
    for name in sorted(os.listdir(folder)):
        if name.endswith(".log"):
            with open(os.path.join(folder, name), errors="replace", encoding="utf-8") as f:
                print("--- the end of %s\n%s" % (name, f.read()[-2000:]))


def report(results):
    """Prints the outcome of (check, error) pairs; true if all is well."""
    for name, error in results:
        if error:
            print("FAILED: %s: %s" % (name, error))
    failed = sum(error is not None for _, error in results)
    outcome(len(results) - failed, failed)
    return not failed


def outcome(passed, failed):
    """Prints the line that .ci/run adds up."""
    print("test result: %s. %d passed; %d failed" % ("FAILED" if failed else "ok", passed, failed))
