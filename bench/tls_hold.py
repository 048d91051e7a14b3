#!/usr/bin/env python3
"""Holds streams over TLS and says what each costs the server; see tls_hold.sh."""

import argparse
import datetime
import json
import platform
import socket
import ssl
import subprocess
import time
import urllib.request


def resident(pid):
    with open("/proc/%d/status" % pid) as status:
        line = next(line for line in status if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def cpu_secs(pid):
    with open("/proc/%d/stat" % pid) as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def snapshot(control):
    with urllib.request.urlopen("http://127.0.0.1:%d/admin/api/snapshot" % control) as answer:
        return json.load(answer)["totals"]


def hold(context, port, n):
    raw = socket.create_connection(("127.0.0.1", port))
    client = context.wrap_socket(raw, server_hostname="localhost")
    client.sendall(b"GET /stream?channel=c%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % (n % 100))
    head = client.recv(4096)
    if not head.startswith(b"HTTP/1.1 200"):
        raise SystemExit("no stream: %r" % head[:200])
    return client


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--pid", type=int, required=True)
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--control", type=int, required=True)
    arguments.add_argument("--held", type=int, nargs="+", required=True)
    arguments.add_argument("--version", default="1.3")
    arguments.add_argument("--out", required=True)
    given = arguments.parse_args()

    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    chosen = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[given.version]
    context.minimum_version = context.maximum_version = chosen

    held = [hold(context, given.port, n) for n in range(50)]     # warm
    start, records = resident(given.pid), []
    for count in given.held:
        before = cpu_secs(given.pid)
        while len(held) < count + 50:
            held.append(hold(context, given.port, len(held)))
        accept = (cpu_secs(given.pid) - before) * 1e6 / count
        time.sleep(3)
        idle = cpu_secs(given.pid)
        time.sleep(3)
        idle = cpu_secs(given.pid) - idle
        now = snapshot(given.control)
        assert now["sessions_parked_current"] == count + 50, now
        records.append({"held": count, "resident": resident(given.pid), "start": start,
                        "per_connection": (resident(given.pid) - start) / count,
                        "accept_us": accept, "idle_cpu_secs": idle, "version": given.version})
    first, last = records[0], records[-1]
    slope = (last["resident"] - first["resident"]) / (last["held"] - first["held"])

    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    with open(given.out + ".jsonl", "w") as out:
        for record in records:
            out.write(json.dumps(record) + "\n")
    with open(given.out + ".md", "w") as out:
        out.write("# tls_hold\n\n%s UTC, commit %s, %s. TLS %s.\n\n" % (
            datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S"), commit,
            platform.platform(), given.version))
        out.write("| held | resident bytes per connection | CPU us per accept, handshake and request | CPU s while idle for 3 s |\n")
        out.write("| --- | --- | --- | --- |\n")
        for r in records:
            out.write("| %d | %d | %d | %.2f |\n" % (r["held"], r["per_connection"], r["accept_us"], r["idle_cpu_secs"]))
        out.write("\nSlope from %d to %d connections: **%d bytes per connection**.\n" % (first["held"], last["held"], slope))
    print(open(given.out + ".md").read())


if __name__ == "__main__":
    main()
