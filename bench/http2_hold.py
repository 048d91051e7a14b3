#!/usr/bin/env python3
"""Holds streams on one HTTP/2 connection, and says what each further one costs the server.

usage: http2_hold.py CLIENTS CONTROL PID STREAMS[,STREAMS...]

Writes a line of JSON for each number of streams: resident bytes of the server with so many held.
"""

import json
import socket
import struct
import sys
import time
import urllib.request

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, SETTINGS, WINDOW_UPDATE = 1, 4, 8


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name, value):
    return bytes([0, len(name)]) + name + bytes([len(value)]) + value


def request(path):
    """About 300 bytes, as a browser's."""
    fields = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"bench.example.com"),
              (b":path", path), (b"accept", b"text/event-stream"), (b"user-agent", b"x" * 110),
              (b"cookie", b"session=" + b"y" * 90)]
    return b"".join(literal(name, value) for name, value in fields)


def resident(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmRSS:"))


def held(control):
    with urllib.request.urlopen("http://%s/admin/api/snapshot" % control) as answer:
        return json.load(answer)["totals"]["sessions_current"]


def read_for(connection, seconds):
    """Takes what comes, so that nothing waits on the way."""
    until = time.monotonic() + seconds
    connection.settimeout(0.05)
    while time.monotonic() < until:
        try:
            if not connection.recv(1 << 16):
                raise SystemExit("the connection ended")
        except socket.timeout:
            pass
    connection.settimeout(None)


def main():
    clients, control, pid = sys.argv[1], sys.argv[2], int(sys.argv[3])
    host, port = clients.split(":")
    connection = socket.create_connection((host, int(port)))
    connection.sendall(PREFACE + frame(SETTINGS, 0, 0) + frame(SETTINGS, 1, 0))
    connection.sendall(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 30)))
    block, opened = request(b"/stream?channel=a"), 0
    for wanted in map(int, sys.argv[4].split(",")):
        while opened < wanted:
            connection.sendall(frame(HEADERS, 5, 2 * opened + 1, block))
            opened += 1
            if opened % 100 == 0:
                read_for(connection, 0.05)
        while held(control) < wanted:
            read_for(connection, 0.2)
        read_for(connection, 3)
        print(json.dumps({"streams": wanted, "resident": resident(pid)}), flush=True)


if __name__ == "__main__":
    main()
