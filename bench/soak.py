#!/usr/bin/env python3
"""Streams, long-polls and WebSockets that come and go while items are published; see soak.sh.

A client is of three kinds in turn. It leaves with a FIN or a reset, before or after its first item, as a
seeded choice says. Each sample of the server is a line of JSON; the last line says what clients saw.
"""

import argparse
import collections
import http.client
import json
import os
import random
import re
import select
import socket
import statistics
import struct
import time

from measure import resident

KINDS = ["stream", "poll", "websocket"]
LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)\r")
ITEM = re.compile(rb"#(\d+):(\d+) \n")
IN_FLIGHT, PATIENCE_SECS, SAMPLE_SECS, SETTLE_SECS = 300, 300, 5, 180
NO_PORT_YET, RESET = 24, struct.pack("ii", 1, 0)
WS_CLOSE = b"\x88\x82\0\0\0\0\x03\xe8"

Client = collections.namedtuple("Client", "number kind channel leaves_after reset")


class State:
    """What a client that is there has seen."""
    __slots__ = ("client", "socket", "phase", "tail", "last", "items", "since")

    def __init__(self, client, sock):
        self.client, self.socket = client, sock
        self.phase, self.tail, self.last, self.items, self.since = "connecting", b"", None, 0, time.monotonic()


class Soak:
    def __init__(self, given):
        self.given, self.rng = given, random.Random(given.seed)
        self.to = address(given.to)
        self.poller, self.states = select.epoll(), {}
        self.waiting = 0                      # clients whose first answer is not there
        self.counts = collections.Counter()
        self.numbers = [0] * given.channels   # the last item of each channel
        self.published_at = 0.0
        self.control = http.client.HTTPConnection(given.publish_to, timeout=30)
        self.out = open(given.out, "a", encoding="utf-8")
        self.sampled_at = self.looked_at = 0.0
        self.start = time.monotonic()

    # -- clients

    def arrive(self):
        number = self.counts["arrived"]
        self.counts["arrived"] += 1
        kind = KINDS[number % 3]
        # In turns: a quarter does not wait for an item. Held: until it is picked to leave.
        leaves_after = None if self.given.hold else (0 if self.rng.random() < 0.25 else 1)
        client = Client(number, kind, self.rng.randrange(self.given.channels), leaves_after, self.rng.random() < 0.5)
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_IP, NO_PORT_YET, 1)
        sock.bind(("127.1.%d.%d" % (number // 250 % 4, number % 250 + 1), 0))
        state = self.states[sock.fileno()] = State(client, sock)
        self.waiting += 1
        if sock.connect_ex(self.to) == 0:
            self.connected(sock.fileno(), state, True)
        else:
            self.poller.register(sock.fileno(), select.EPOLLOUT)

    def connected(self, fd, state, at_once=False):
        request = "GET /%s?channel=%d HTTP/1.1\r\nHost: soak\r\n" % (
            {"websocket": "ws"}.get(state.client.kind, state.client.kind), state.client.channel)
        if state.client.kind == "websocket":
            request += ("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")
        try:
            state.socket.send((request + "\r\n").encode())
        except OSError:
            return self.gone(fd, state, "refused")
        state.phase = "asked"
        (self.poller.register if at_once else self.poller.modify)(fd, select.EPOLLIN)
        if state.client.kind == "poll":       # no answer says that it is held
            self.answered(state)
            if state.client.leaves_after == 0:
                self.leave(fd, state)

    def answered(self, state):
        if state.phase == "asked":
            state.phase = "held"
            self.waiting -= 1

    def readable(self, fd, state):
        try:
            more = state.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            more = b""
        if not more:
            expected = state.phase == "closing"
            return self.gone(fd, state, "left" if expected else "lost")
        state.tail += more
        if state.phase == "asked" or state.client.kind == "poll":
            head = state.tail.find(b"\r\n\r\n")
            if head < 0:
                return
            if not state.tail.startswith((b"HTTP/1.1 200", b"HTTP/1.1 101")):
                return self.gone(fd, state, "refused")
            length = LENGTH.search(state.tail, 0, head + 2) if state.client.kind == "poll" else None
            if length and len(state.tail) < head + 4 + int(length[1]):
                return
            self.answered(state)
        self.items(fd, state)

    def items(self, fd, state):
        end = 0
        for found in ITEM.finditer(state.tail):
            channel, number, end = int(found[1]), int(found[2]), found.end()
            state.items += 1
            self.counts["deliveries"] += 1
            in_order = state.last is None or number == state.last + 1
            # A long-poll misses what is published while it asks again.
            if state.client.kind == "poll":
                in_order = state.last is None or number > state.last
            if channel != state.client.channel or not in_order:
                self.counts["out_of_order_lost_or_doubled"] += 1
            state.last = number
        if state.phase != "held":
            return
        # A long-poll whose time was over is answered too.
        state.tail = b"" if state.client.kind == "poll" else (state.tail[end:] if end else state.tail[-4096:])
        state.since = time.monotonic()
        if state.client.leaves_after is not None and state.items >= state.client.leaves_after:
            self.leave(fd, state)
        elif state.client.kind == "poll":
            state.phase = "asked"
            self.waiting += 1
            self.connected_again(fd, state)

    def connected_again(self, fd, state):
        try:
            state.socket.send(b"GET /poll?channel=%d HTTP/1.1\r\nHost: soak\r\n\r\n" % state.client.channel)
        except OSError:
            return self.gone(fd, state, "lost")
        self.answered(state)

    def leave(self, fd, state):
        if state.client.kind == "websocket" and not state.client.reset:
            try:
                state.socket.send(WS_CLOSE)
                state.phase, state.since = "closing", time.monotonic()
                return
            except OSError:
                pass
        if state.client.reset:
            state.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.gone(fd, state, "left")

    def gone(self, fd, state, how):
        if state.phase in ("connecting", "asked"):
            self.waiting -= 1
        self.counts[how] += 1
        self.counts["left_or_lost_" + state.client.kind] += 1
        del self.states[fd]
        state.socket.close()

    # -- publishes and samples

    def publish(self, channels):
        items = []
        for channel in channels:
            self.numbers[channel] += 1
            number = self.numbers[channel]
            text = "#%d:%d \n" % (channel, number)
            items.append({"channel": str(channel), "id": str(number), "prev-id": str(number - 1), "formats": {
                "http-stream": {"content": text}, "http-response": {"body": text}, "ws-message": {"content": text}}})
        status = self.post(json.dumps({"items": items}))
        self.counts["published"] += len(items)
        if status != 200:
            self.counts["publishes_refused"] += len(items)

    def post(self, body):
        """The status; a connection that was closed while it was idle is opened again, and ids tell items apart."""
        for _ in range(3):
            try:
                self.control.request("POST", "/publish/", body)
                answer = self.control.getresponse()
                answer.read()
                if answer.status == 200:
                    return 200
            except (OSError, http.client.HTTPException):
                self.control.close()
            self.counts["publishes_tried_again"] += 1
        return None

    def sample(self, phase):
        user, system = processor_secs(self.given.pid)
        line = {"phase": phase, "at_secs": round(time.monotonic() - self.start, 1), "rss": resident(self.given.pid),
                "files": files(self.given.pid), "clients": len(self.states), "user_secs": user, "system_secs": system}
        line.update((key, self.counts[key]) for key in ("arrived", "left", "lost", "refused", "deliveries", "published"))
        self.write(line)
        return line

    def write(self, line):
        self.out.write(json.dumps(line) + "\n")
        self.out.flush()

    def tick(self):
        """Publishes and samples when it is time."""
        now, given = time.monotonic(), self.given
        if now - self.published_at >= given.publish_every:
            self.published_at = now
            share = given.channels // given.publish_shares
            turn = int(now / given.publish_every) % given.publish_shares
            self.publish(range(turn * share, (turn + 1) * share))
        if now - self.sampled_at >= SAMPLE_SECS:
            self.sampled_at = now
            self.sample("soak")
            for fd, state in list(self.states.items()):
                if now - state.since > PATIENCE_SECS:
                    self.gone(fd, state, "never_closed" if state.phase == "closing" else "unanswered")

    def turn(self, wait):
        for fd, events in self.poller.poll(wait):
            state = self.states.get(fd)
            if state is None:
                continue
            if state.phase == "connecting":
                self.connected(fd, state) if events == select.EPOLLOUT else self.gone(fd, state, "refused")
            else:
                self.readable(fd, state)
        self.tick()

    def in_turns(self):
        given = self.given
        while self.counts["arrived"] < given.clients or self.states:
            while (len(self.states) < given.at_once and self.waiting < IN_FLIGHT
                   and self.counts["arrived"] < given.clients):
                self.arrive()
            self.turn(0.01)

    def held(self):
        given, came = self.given, 0.0
        while len(self.states) < given.clients:
            if self.waiting < IN_FLIGHT:
                self.arrive()
            self.turn(0 if self.waiting < IN_FLIGHT else 0.01)
        self.start = time.monotonic()
        self.counts["arrived_before"] = self.counts["arrived"]
        while time.monotonic() - self.start < given.secs:
            due = (time.monotonic() - self.start) * given.churn
            while came < due:
                came += 1
                fd = next((fd for fd, state in self.states.items() if state.phase == "held"), None)  # the oldest
                if fd is None:
                    break
                self.leave(fd, self.states[fd])
            while len(self.states) < given.clients and self.waiting < IN_FLIGHT:
                self.arrive()
            self.turn(0.02)
        for fd, state in list(self.states.items()):
            if state.phase != "closing":
                self.leave(fd, state)
        while self.states:
            self.turn(0.05)

    def run(self):
        first = self.sample("start")
        self.held() if self.given.hold else self.in_turns()
        lasted = time.monotonic() - self.start
        since, last = time.monotonic(), self.sample("end")
        while last["files"] > first["files"] and time.monotonic() - since < SETTLE_SECS:
            time.sleep(1)
            last = self.sample("end")
        self.write({"phase": "sum", "what": self.given.what, "secs": round(lasted, 1), "files_at_start": first["files"],
                    "files_at_end": last["files"], "rss_at_start": first["rss"], "rss_at_end": last["rss"],
                    **self.counts})


def address(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


def files(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def processor_secs(pid):
    with open("/proc/%d/stat" % pid, encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    tick = os.sysconf("SC_CLK_TCK")
    return int(fields[11]) / tick, int(fields[12]) / tick


# -- the table


def table(path):
    with open(path, encoding="utf-8") as f:
        lines = [json.loads(line) for line in f]
    head = lines[0]
    print("# soak\n\n%s, commit %s, %s, %s GiB, Linux %s, %s, %s open files a process.\n" % tuple(
        head[key] for key in ("date", "commit", "machine", "memory_gib", "kernel", "rustc", "open_files")))
    samples = []
    for line in lines[1:]:
        if line["phase"] == "sum":
            part(line, samples)
            samples = []
        else:
            samples.append(line)


def part(total, samples):
    soak = [s for s in samples if s["phase"] == "soak"]
    half = [s for s in soak if s["at_secs"] >= total["secs"] / 2 and s["at_secs"] <= total["secs"]]
    sizes = [s["rss"] / 2**20 for s in half or soak]
    minute = 60 // SAMPLE_SECS
    minutes = [statistics.median(sizes[n:n + minute]) for n in range(0, max(len(sizes) - minute + 1, 1), minute)]
    fifth = max(len(sizes) // 5, 1)
    drift = statistics.median(sizes[-fifth:]) / statistics.median(sizes[:fifth]) - 1
    print("## %s\n" % total["what"])
    print("| | |\n| --- | --- |")
    for name, value in [
            ("lasted", "%d s" % total["secs"]),
            ("clients that came", total["arrived"]),
            ("of them: left, lost, refused, unanswered, not closed", ", ".join(str(total.get(key, 0)) for key in (
                "left", "lost", "refused", "unanswered", "never_closed"))),
            ("items published, refused; publishes tried again", "%d, %d; %d" % (
                total["published"], total.get("publishes_refused", 0), total.get("publishes_tried_again", 0))),
            ("deliveries", total["deliveries"]),
            ("deliveries lost, doubled or out of order", total.get("out_of_order_lost_or_doubled", 0)),
            ("resident MiB at the start", "%.1f" % (total["rss_at_start"] / 2**20)),
            ("in the last half: smallest, median, largest", "%.1f, %.1f, %.1f" % (
                min(sizes), statistics.median(sizes), max(sizes))),
            ("largest sample beyond smallest in the last half", "%.1f %%" % ((max(sizes) / min(sizes) - 1) * 100)),
            ("**largest median of a minute beyond smallest there**", "**%.1f %%**" % (
                (max(minutes) / min(minutes) - 1) * 100)),
            ("median of its last fifth beyond that of its first", "%+.1f %%" % (drift * 100)),
            ("resident MiB after all left", "%.1f" % (total["rss_at_end"] / 2**20)),
            ("open files before the first client, after the last", "%d, %d" % (
                total["files_at_start"], total["files_at_end"])),
            ("processor s, user and system", "%.0f, %.0f" % (
                samples[-1]["user_secs"] - samples[0]["user_secs"],
                samples[-1]["system_secs"] - samples[0]["system_secs"]))]:
        print("| %s | %s |" % (name, value))
    print()


def main():
    parser = argparse.ArgumentParser()
    for name, kind, default in [
            ("to", str, None), ("publish-to", str, None), ("pid", int, None), ("out", str, None), ("what", str, ""),
            ("table", str, None), ("clients", int, 1000), ("at-once", int, 2000), ("secs", float, 60),
            ("churn", float, 50), ("channels", int, 100), ("publish-every", float, 0.1), ("publish-shares", int, 2),
            ("seed", int, 1)]:
        parser.add_argument("--" + name, type=kind, default=default)
    parser.add_argument("--hold", action="store_true")
    given = parser.parse_args()
    if given.table:
        table(given.table)
    else:
        Soak(given).run()


main()
