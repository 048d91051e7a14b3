#!/usr/bin/env python3
"""Runs the conformance suite against P-8's release build, and judges the outcome.

Every test must pass, the slow ones too, and none may be skipped.

This file is also the pytest plugin that reports each outcome (see the hook at the end). The suite is
copied to target/conformance, because its folder may be read-only; Python and Node packages go there and
to target/venv.

usage: conformance.py [--suite DIR] [-- pytest arguments, e.g. tests/test_stream.py -k order]
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time

from prepared import TARGET, digest, shell, stamp, stamped, venv

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
COPY = os.path.join(TARGET, "conformance")


# -- preparing -------------------------------------------------------------------


def prepare(suite):
    """Copies the suite and installs what it needs; gives the Python that runs it."""
    os.makedirs(COPY, exist_ok=True)
    node = os.path.join(COPY, "apps", "node")
    packages = os.path.join(TARGET, "conformance-node_modules")
    if os.path.isdir(os.path.join(node, "node_modules")):
        shutil.rmtree(packages, ignore_errors=True)
        os.rename(os.path.join(node, "node_modules"), packages)
    shutil.rmtree(COPY)
    shutil.copytree(suite, COPY, ignore=shutil.ignore_patterns("node_modules", "__pycache__", ".pytest_cache"))
    for folder, _, files in os.walk(COPY):
        os.chmod(folder, 0o755)
        for name in files:
            os.chmod(os.path.join(folder, name), 0o644)
    if os.path.isdir(packages):
        os.rename(packages, os.path.join(node, "node_modules"))

    wanted = digest(os.path.join(node, "package.json"))
    mark = os.path.join(node, "node_modules", ".stamp")
    if not stamped(mark, wanted):
        shell("npm", "install", "--no-audit", "--no-fund", "--loglevel=error", cwd=node)
        stamp(mark, wanted)
    return venv("venv", os.path.join(COPY, "requirements.txt"))


# -- running and judging -----------------------------------------------------------


def run_pytest(python, arguments, report):
    env = dict(os.environ, CONFORMANCE_TARGET="p8", CONFORMANCE_REQUIRE_ALL="1", P8_STATS="1",
               PYTHONPATH=HERE, P8_CI_REPORT=report, PYTHONDONTWRITEBYTECODE="1")
    env.setdefault("P8_BIN", os.path.join(TARGET, "release", "p-8"))
    if not os.access(env["P8_BIN"], os.X_OK):
        sys.exit("%s is not there: cargo build --release" % env["P8_BIN"])
    command = [python, "-m", "pytest", "-p", "conformance", "-p", "no:cacheprovider",
               "-n", "2", "--dist", "loadfile"] + arguments
    log = os.path.join(TARGET, "conformance.log")
    print("$ %s > %s" % (" ".join(command), os.path.relpath(log, ROOT)), flush=True)
    with open(log, "wb") as out:
        return subprocess.run(command, cwd=COPY, env=env, stdout=out, stderr=subprocess.STDOUT).returncode


def read_report(path):
    """The worst outcome of each test."""
    rank = {"passed": 0, "skipped": 1, "failed": 2}
    outcomes = {}
    with open(path, encoding="utf-8") as f:
        for line in f:
            r = json.loads(line)
            if rank[r["outcome"]] >= rank[outcomes.get(r["id"], ("passed", ""))[0]]:
                outcomes[r["id"]] = (r["outcome"], r["why"])
    return outcomes


def judge(outcomes):
    """Prints what is wrong, and at the end what cargo's tests print; returns how many are wrong."""
    wrong = {n: o for n, o in outcomes.items() if o[0] != "passed"}
    for nodeid, (outcome, why) in sorted(wrong.items()):
        print("\n%s: %s" % (outcome.upper(), nodeid))
        print("\n".join("    " + line for line in why.splitlines()[-60:]))
    passed = len(outcomes) - len(wrong)
    print("test result: %s. %d passed; %d failed" % ("FAILED" if wrong else "ok", passed, len(wrong)))
    return len(wrong)


def main():
    p = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].strip())
    p.add_argument("--suite", default=os.path.join(ROOT, "..", "shared", "conformance"))
    p.add_argument("pytest", nargs="*")
    a = p.parse_args()
    python = prepare(os.path.abspath(a.suite))
    report = os.path.join(TARGET, "conformance-report.jsonl")
    open(report, "w").close()
    start = time.monotonic()
    # The suite leaves slow tests out unless it is given a mark.
    code = run_pytest(python, a.pytest or ["-m", "slow or not slow"], report)
    outcomes = read_report(report)
    print("conformance: pytest ended with %d after %d s" % (code, time.monotonic() - start))
    if code not in (0, 1) or not outcomes:
        with open(os.path.join(TARGET, "conformance.log"), errors="replace") as f:
            print(f.read()[-4000:])
        sys.exit("conformance: pytest did not run the tests")
    failed = judge(outcomes)
    sys.exit(1 if failed else 0)


# -- pytest plugin -------------------------------------------------------------------


def tell(record):
    path = os.environ.get("P8_CI_REPORT")
    if path:
        with open(path, "a", encoding="utf-8") as f:
            f.write(json.dumps(record) + "\n")


def pytest_runtest_logreport(report):
    if os.environ.get("PYTEST_XDIST_WORKER"):
        return  # the controller hears of it too
    if report.when == "call" or report.outcome != "passed":
        why = ""
        if report.outcome != "passed":
            why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        tell({"id": report.nodeid, "outcome": report.outcome, "why": why})


if __name__ == "__main__":
    main()
