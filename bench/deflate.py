#!/usr/bin/env python3
"""A fan-out to WebSockets that take compressed messages, in place of pushload, which takes none.

Each client offers permessage-deflate and must get it; with --plain none does, so that the two can be
compared. A message is published when all have the one before it. Bytes are counted, not inflated; the
first client inflates, and checks.

usage: deflate.py fanout [--plain] --target HOST:PORT --ws --path PATH --conns N --messages M --size BYTES
                         --publish-url URL --json --server-pid PID
"""

import argparse
import http.client
import json
import os
import selectors
import socket
import sys
import time
import urllib.parse
import zlib

TICK = os.sysconf("SC_CLK_TCK")
OFFER = "Sec-WebSocket-Extensions: permessage-deflate\r\n"


def cpu(pid):
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


class Client:
    def __init__(self, address, path, is_plain):
        self.first = 0x81 if is_plain else 0xC1
        self.socket = socket.create_connection(address)
        self.socket.sendall(("GET %s HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n%s"
                             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
                             % (path, "" if is_plain else OFFER)).encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.socket.recv(1)
        if b" 101 " not in head or (b"permessage-deflate" in head) == is_plain:
            sys.exit("not as asked for: %r" % head)
        self.socket.setblocking(False)
        self.unread = b""

    def read(self):
        """How many whole frames have come; each must be a text message, compressed or not."""
        try:
            self.unread += self.socket.recv(65536)
        except BlockingIOError:
            return []
        frames = []
        while len(self.unread) >= 2:
            length, start = self.unread[1], 2
            if length == 126:
                length, start = int.from_bytes(self.unread[2:4], "big"), 4
            if len(self.unread) < start + length:
                break
            if self.unread[0] != self.first:
                sys.exit("not such a text message: %r" % self.unread[:10])
            frames.append(self.unread[start:start + length])
            self.unread = self.unread[start + length:]
        return frames


def text(size, number):
    """Text as an application might send: JSON, some of it always the same."""
    row = '{"id":%d,"user":"user-%d","text":"the quick brown fox jumps over the lazy dog"},' % (number, number % 97)
    return (row * (size // len(row) + 1))[:size]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("test")
    for name in ("target", "path", "publish-url"):
        parser.add_argument("--" + name)
    for name in ("conns", "messages", "size", "server-pid"):
        parser.add_argument("--" + name, type=int)
    for name in ("json", "ws", "plain"):
        parser.add_argument("--" + name, action="store_true")
    args = parser.parse_args()
    host, port = args.target.split(":")
    path = args.path.replace("{channel}", "c0")
    clients = [Client((host, int(port)), path, args.plain) for _ in range(args.conns)]
    selector = selectors.EpollSelector()
    for client in clients:
        selector.register(client.socket, selectors.EVENT_READ, client)
    url = urllib.parse.urlsplit(args.publish_url)
    publisher = http.client.HTTPConnection(url.hostname, url.port)
    before, start, deliveries = cpu(args.server_pid), time.monotonic(), 0
    for number in range(args.messages):
        content = text(args.size, number)
        item = {"channel": "c0", "formats": {"ws-message": {"content": content}}}
        publisher.request("POST", url.path, json.dumps({"items": [item]}))
        assert publisher.getresponse().read() is not None
        wanted = deliveries + args.conns
        while deliveries < wanted:
            for key, _ in selector.select(30):
                frames = key.data.read()
                deliveries += len(frames)
                if key.data is clients[0]:
                    for frame in frames:
                        if not args.plain:
                            frame = zlib.decompressobj(-15).decompress(frame + b"\0\0\xff\xff")
                        assert frame.decode() == content, frame
    used, took = cpu(args.server_pid) - before, time.monotonic() - start
    print(json.dumps({"test": "fanout", "deliveries": deliveries, "deliveries_per_s": round(deliveries / took),
                      "server_cpu_s_per_million": round(used / deliveries * 1e6, 2), "lost": 0, "duplicate": 0,
                      "out_of_order": 0, "corrupt": 0, "closed": 0}))


main()
