#!/usr/bin/env python3
"""Event streams of a Django site with django-eventstream, through P-8, to clients that come and go.

200 clients listen while 1,000 events are sent from four threads at once. Each client leaves at random
moments, some with a reset, stays away for a while, and comes back with the Last-Event-ID of what it
saw last, as a browser's EventSource does. In the end each must have seen each event once, in order.

The site's packages go to target/venv-eventstream. P8_SIM_SEED replays when the clients leave; P8_BIN is
the program to test, by default the release build.

usage: run.py [CLIENTS [EVENTS [SENDERS]]]
"""

import heapq
import json
import os
import random
import re
import selectors
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from urllib.parse import quote

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, ".ci"))

import program  # noqa: E402
from prepared import venv  # noqa: E402

DEADLINE_SECS = 120
KEY = "a key of enough length for a test"
NOWAIT_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing resets
REQUEST = ("GET /events/?channel=feed HTTP/1.1\r\nHost: site\r\nAccept: text/event-stream\r\n"
           "Last-Event-ID: feed:%d\r\n\r\n")


class Client:
    """One listener: a connection at a time, what it saw, and when it leaves."""

    def __init__(self, number, seed, address, events):
        self.rng = random.Random("%d/%d" % (seed, number))
        self.number, self.address, self.events = number, address, events
        self.seen = []           # (id, n) of each event
        self.faults = []
        self.last = 0            # the id that it comes back with
        self.opened = self.left = self.ended = 0
        self.sock = None

    def connect(self):
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self.sock.connect_ex(self.address)
        self.received, self.head, self.body = b"", None, b""
        self.stay = self.rng.randrange(1, 200)  # events until it leaves

    def leave(self):
        """Leaves in the middle of whatever comes; returns for how long, in seconds."""
        self.left += 1
        if self.rng.random() < 0.5:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NOWAIT_RESET)
        self.sock.close()
        return self.rng.choice((0, self.rng.uniform(0, 0.1), self.rng.uniform(0, 2)))

    def write(self):
        self.sock.sendall((REQUEST % self.last).encode())

    def read(self):
        """Takes what came; "leave" when it is time to, "end" when the connection ended."""
        try:
            received = self.sock.recv(65536)
        except BlockingIOError:
            return None
        except OSError as error:
            return self.fault("%s after %d events" % (error, len(self.seen)))
        if not received:
            return "end"
        self.received += received
        if self.head is None and not self.read_head():
            return None
        if not self.head.startswith(b"HTTP/1.1 200 "):
            return self.fault("answered %r" % self.head.split(b"\r\n")[0])
        ended = self.read_chunks()
        while b"\n\n" in self.body:
            event, self.body = self.body.split(b"\n\n", 1)
            if not self.take(event.decode()):
                return "leave"
        return "end" if ended else None

    def fault(self, text):
        self.faults.append(text)
        return "end"

    def read_head(self):
        head, found, rest = self.received.partition(b"\r\n\r\n")
        if found:
            self.head, self.received = head, rest
            self.counted = re.search(rb"\r\ncontent-length: (\d+)", head, re.I)
        return found

    def read_chunks(self):
        """Moves the body's bytes; true at its end."""
        if self.counted:  # a stream that is not held
            self.body += self.received
            self.received = b""
            return len(self.body) >= int(self.counted[1])
        while b"\r\n" in self.received:
            size, rest = self.received.split(b"\r\n", 1)
            size = int(size, 16)
            if len(rest) < size + 2:
                break
            self.body += rest[:size]
            self.received = rest[size + 2:]
            if size == 0:
                return True
        return False

    def take(self, block):
        """One event; false if the client leaves behind it."""
        fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line and line[0] != ":")
        kind = fields.get("event", "message")
        if kind == "stream-open":
            self.opened += 1
        if kind in ("stream-open", "keep-alive") or block.startswith(":"):
            return True
        if kind != "message":
            self.faults.append("an event %r" % block)
            return True
        channel, number = fields["id"].split(":")
        number = int(number)
        if channel != "feed" or number != self.last + 1:
            self.faults.append("%s behind %d" % (fields["id"], self.last))
        self.seen.append((number, json.loads(fields["data"])["n"]))
        self.last = number
        self.stay -= 1
        return self.stay > 0 or number >= self.events


class Crowd:
    """All clients, in one loop."""

    def __init__(self, clients):
        self.clients = clients
        self.selector = selectors.DefaultSelector()
        self.later = [(0, n) for n in range(len(clients))]  # who connects when

    def run(self, until, deadline):
        """Goes on until the condition holds; false at the deadline."""
        while not until():
            now = time.monotonic()
            if now > deadline:
                return False
            while self.later and self.later[0][0] <= now:
                client = self.clients[heapq.heappop(self.later)[1]]
                client.connect()
                self.selector.register(client.sock, selectors.EVENT_WRITE, client)
            for key, mask in self.selector.select(0.01):
                self.serve(key.data, mask)
        return True

    def serve(self, client, mask):
        if mask & selectors.EVENT_WRITE:
            self.selector.modify(client.sock, selectors.EVENT_READ, client)
            try:
                return client.write()
            except OSError as error:
                outcome = client.fault(str(error))
        else:
            outcome = client.read()
        if outcome is None:
            return
        self.selector.unregister(client.sock)
        if outcome == "leave":
            pause = client.leave()
        else:
            client.ended += 1
            client.sock.close()
            pause = 0.05
        heapq.heappush(self.later, (time.monotonic() + pause, client.number))


class Sending(threading.Thread):
    """Has the site send events; `done` holds when all were accepted, `error` says what went wrong."""

    def __init__(self, site, count, senders):
        super().__init__(daemon=True)
        self.url = "http://127.0.0.1:%d/send?count=%d&threads=%d" % (site, count, senders)
        self.done, self.error, self.seconds = False, None, "too many"
        self.start()

    def run(self):
        start = time.monotonic()
        try:
            urllib.request.urlopen(urllib.request.Request(self.url, method="POST"), timeout=DEADLINE_SECS).read()
        except OSError as error:
            self.error = error
        self.seconds = round(time.monotonic() - start, 1)
        self.done = True


def start_p8(folder, site):
    """P-8 before that port: its process, and the ports of clients and publishers."""
    return program.start(folder, program.config(
        '[handler]\nid_cache_ttl = 60\nmessage_wait = 5000\nupdate_on_first_subscription = true\n'
        '[proxy]\nsig_key = "%s"\n'
        '[[routes]]\nhost = "*"\ntargets = [{ url = "http://127.0.0.1:%d" }]\n' % (KEY, site)))


def start_site(folder, listener, control):
    env = dict(os.environ, FD=str(listener.fileno()), DB=os.path.join(folder, "site.sqlite3"),
               GRIP_URL="http://127.0.0.1:%d/?key=%s&iss=pushpin" % (control, quote(KEY)), PYTHONDONTWRITEBYTECODE="1")
    python = venv("venv-eventstream", os.path.join(HERE, "requirements.txt"))
    with open(os.path.join(folder, "site.log"), "wb") as log:
        return subprocess.Popen([python, os.path.join(HERE, "app.py")], env=env, pass_fds=[listener.fileno()],
                                stdout=log, stderr=subprocess.STDOUT)


def drive(clients, site, events, senders):
    """Runs it; gives what went wrong beside what the clients themselves saw."""
    deadline = time.monotonic() + DEADLINE_SECS
    crowd = Crowd(clients)
    if not crowd.run(lambda: all(c.opened for c in clients), deadline):
        return ["only %d streams opened" % sum(1 for c in clients if c.opened)]
    sending = Sending(site, events, senders)
    arrived = crowd.run(lambda: sending.done and all(c.last >= events for c in clients), deadline)
    print("%d events sent from %d threads in %s s" % (events, senders, sending.seconds))
    if not arrived:
        return ["%d clients did not come to the end in %d s" % (sum(c.last < events for c in clients), DEADLINE_SECS)]
    # one more, so that what would come late or twice has come
    last = Sending(site, 1, 1)
    if not crowd.run(lambda: last.done and all(c.last > events for c in clients), deadline):
        return ["%d clients did not get the last event" % sum(c.last <= events for c in clients)]
    return [str(s.error) for s in (sending, last) if s.error]


def report(clients, wrong, stored):
    """Prints the outcome like cargo's tests, a client a test; true if all is well."""
    left, ended = [c.left for c in clients], sum(c.ended for c in clients)
    print("reconnects: %d by clients that left (%d to %d each, median %d), %d of streams that ended"
          % (sum(left), min(left), max(left), statistics.median(left), ended))
    for what in wrong:
        print("FAILED: %s" % what)
    failed = len(wrong)
    for number, client in enumerate(clients):
        if client.faults or client.seen != stored:
            failed += 1
            if failed < 20:
                print("FAILED: client %d: %d of %d events in %d streams: %s" % (
                    number, len(client.seen), len(stored), client.opened, "; ".join(client.faults[:5]) or "others"))
    passed = sum(not c.faults and c.seen == stored for c in clients)
    program.outcome(passed, failed)
    return not failed


def main():
    count, events, senders = ([int(a) for a in sys.argv[1:]] + [200, 1000, 4][len(sys.argv) - 1:])
    seed = int(os.environ.get("P8_SIM_SEED") or random.randrange(1 << 32))
    print("%d clients, seed %d" % (count, seed), flush=True)
    processes = []
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        site = listener.getsockname()[1]
        try:
            p8, port, control = start_p8(folder, site)
            processes.append(p8)
            processes.append(start_site(folder, listener, control))
            clients = [Client(n, seed, ("127.0.0.1", port), events) for n in range(count)]
            wrong = drive(clients, site, events, senders)
            stored = urllib.request.urlopen("http://127.0.0.1:%d/stored" % site, timeout=60).read()
            well = report(clients, wrong, [tuple(e) for e in json.loads(stored)])
            if not well:
                program.ends_of_logs(folder)
        finally:
            for process in processes:
                process.kill()
                process.wait()
    sys.exit(not well)


if __name__ == "__main__":
    main()
