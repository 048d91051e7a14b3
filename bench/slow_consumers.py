#!/usr/bin/env python3
"""Holds clients that read and clients that do not, and publishes to all; see slow_consumers.sh."""

import argparse
import base64
import json
import os
import re
import selectors
import socket
import ssl
import struct
import subprocess
import time
import urllib.request

from measure import resident

GOAL_MS = 10
COLUMNS = ["transport", "policy", "stuck", "alone_p50_ms", "alone_p99_ms", "beside_p50_ms", "beside_p99_ms",
           "delayed_p99_ms", "missing", "process_mib", "kernel_mib", "dropped", "held_after"]


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name, value):
    return bytes([0, len(name)]) + name + bytes([len(value)]) + value


def begin(given, transport, channel=b"a"):
    """A held client; what it has read so far is thrown away."""
    port = given.tls_port if transport == "tls" else given.port
    client = socket.create_connection(("127.0.0.1", port))
    path = b"/stream?channel=" + channel
    if transport == "tls":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        client = context.wrap_socket(client, server_hostname="localhost")
    if transport == "http2":
        fields = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"localhost"), (b":path", path)]
        block = b"".join(literal(*field) for field in fields)
        client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0) + frame(4, 1, 0)
                       + frame(1, 5, 1, block))
        return client
    head = b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
    if transport == "websocket":
        key = base64.b64encode(os.urandom(16))
        head = (b"GET /ws?channel=" + channel + b" HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
                b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n")
    client.sendall(head)
    answer = b""
    while b"\r\n\r\n" not in answer:
        more = client.recv(4096)
        if not more:
            raise SystemExit("no answer over %s: %r" % (transport, answer))
        answer += more
    if answer[9:12] not in (b"200", b"101"):
        raise SystemExit("no hold over %s: %r" % (transport, answer[:200]))
    return client


def snapshot(given):
    with urllib.request.urlopen("http://%s/admin/api/snapshot" % given.control) as answer:
        return json.load(answer)


def kernel(given):
    """What the kernel has allocated for P-8's side of its clients' connections."""
    wanted = "( sport = :%d or sport = :%d )" % (given.port, given.tls_port)
    out = subprocess.run(["ss", "-tnmOH", wanted], capture_output=True, text=True).stdout
    total = 0
    for memory in re.findall(r"skmem:\(([^)]*)\)", out):
        parts = dict(re.match(r"([a-z]+)(\d+)", part).groups() for part in memory.split(","))
        total += int(parts["r"]) + int(parts["t"]) + int(parts["f"])
    return total


class Load:
    """Publishes at a rate and takes the time until each quick client has each item."""

    def __init__(self, given, clients):
        self.given, self.clients = given, clients
        self.selector = selectors.DefaultSelector()
        self.tails = {}
        for client in clients:
            client.setblocking(False)
            self.selector.register(client, selectors.EVENT_READ)
            self.tails[client] = b""
        self.publisher, self.sent, self.delays, self.number = None, {}, [], 0

    def connect(self):
        """Anew for each run: idle connections of publishers are closed."""
        if self.publisher:
            self.selector.unregister(self.publisher)
            self.publisher.close()
        host, port = self.given.control.split(":")
        self.publisher = socket.create_connection((host, int(port)))
        self.publisher.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.publisher.setblocking(False)
        self.selector.register(self.publisher, selectors.EVENT_READ)

    def publish(self):
        self.number += 1
        text = "#%d;" % self.number + "x" * self.given.bytes
        formats = {"http-stream": {"content": text}, "ws-message": {"content": text}}
        body = json.dumps({"items": [{"channel": "a", "formats": formats}]}).encode()
        head = b"POST /publish/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
        self.sent[self.number] = time.perf_counter()
        self.publisher.setblocking(True)
        self.publisher.sendall(head + body)
        self.publisher.setblocking(False)

    def read(self, timeout):
        for key, _ in self.selector.select(timeout):
            if key.fileobj is self.publisher:
                self.publisher.recv(65536)
                continue
            try:
                data = key.fileobj.recv(1 << 18)
            except (ssl.SSLWantReadError, BlockingIOError):
                continue
            now = time.perf_counter()
            if not data:
                raise SystemExit("a client that reads was cut off")
            text = self.tails[key.fileobj] + data
            for number in re.findall(rb"#(\d+);", text):
                self.delays.append((now - self.sent[int(number)]) * 1000)
            keep = text.rfind(b"#")
            whole = keep < 0 or b";" in text[keep:]
            self.tails[key.fileobj] = b"" if whole else text[keep:]

    def run(self, secs):
        """Returns the delays in milliseconds, sorted, and how many items never came."""
        self.delays, before = [], self.number
        self.connect()
        start = time.perf_counter()
        due = start
        while time.perf_counter() < start + secs:
            if time.perf_counter() >= due:
                self.publish()
                due += 1 / self.given.rate
            self.read(max(0.0, due - time.perf_counter()))
        end = time.perf_counter() + 5
        expected = (self.number - before) * len(self.clients)
        while len(self.delays) < expected and time.perf_counter() < end:
            self.read(0.05)
        return sorted(self.delays), expected - len(self.delays)


def at(delays, share):
    return round(delays[min(len(delays) - 1, int(len(delays) * share))], 2) if delays else None


def measure(given):
    # Quick ones read in the plain: how the stuck ones are connected is what differs.
    quick_by = "websocket" if given.transport == "websocket" else "http"
    load = Load(given, [begin(given, quick_by) for _ in range(given.quick)])
    load.run(1)
    alone, missing = load.run(given.secs)
    stuck = [begin(given, given.transport) for _ in range(given.stuck)]
    until = time.time() + 20
    while snapshot(given)["totals"]["sessions_current"] < given.stuck + given.quick and time.time() < until:
        time.sleep(0.1)
    before, kernel_before = resident(given.pid), kernel(given)
    beside, more = load.run(given.secs)
    seen = snapshot(given)
    record = {
        "transport": given.transport, "policy": given.policy, "stuck": given.stuck, "quick": given.quick,
        "rate": given.rate, "bytes": given.bytes,
        "alone_p50_ms": at(alone, 0.5), "alone_p99_ms": at(alone, 0.99), "alone_max_ms": at(alone, 1),
        "beside_p50_ms": at(beside, 0.5), "beside_p99_ms": at(beside, 0.99), "beside_max_ms": at(beside, 1),
        "delayed_p99_ms": round(at(beside, 0.99) - at(alone, 0.99), 2), "missing": missing + more,
        "process_mib": round((resident(given.pid) - before) / 2**20, 1),
        "kernel_mib": round((kernel(given) - kernel_before) / 2**20, 1),
        "dropped": seen["dropped"]["slow-client"] + seen["dropped"]["slow-client-closed"],
        "held_after": seen["totals"]["sessions_current"],
    }
    print(json.dumps(record))
    del stuck


def table(path):
    with open(path) as lines:
        records = [json.loads(line) for line in lines]
    head, runs = records[0], [record for record in records if "transport" in record]
    print("# Slow consumers\n")
    print(", ".join("%s: %s" % (key, value) for key, value in head.items()) + "\n")
    print("| " + " | ".join(COLUMNS) + " |\n|" + " --- |" * len(COLUMNS))
    for record in runs:
        print("| " + " | ".join(str(record[column]) for column in COLUMNS) + " |")
    missed = [run for run in runs if run["delayed_p99_ms"] > GOAL_MS]
    print("\nGoal: clients that read are delayed by no more than %d ms (p99 beside stuck ones, less p99 alone):" % GOAL_MS,
          "met." if not missed else "**missed** by " + ", ".join(
              "%s with %s (%s ms)" % (run["transport"], run["policy"], run["delayed_p99_ms"]) for run in missed) + ".")
    lost = sum(run["missing"] for run in runs)
    print("\nItems that clients that read did not get: %d." % lost)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--table")
    arguments.add_argument("--transport")
    arguments.add_argument("--policy")
    arguments.add_argument("--control")
    for number in ["pid", "port", "tls-port", "stuck", "quick", "secs", "rate", "bytes"]:
        arguments.add_argument("--" + number, type=int)
    given = arguments.parse_args()
    table(given.table) if given.table else measure(given)


if __name__ == "__main__":
    main()
