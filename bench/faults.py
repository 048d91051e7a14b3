#!/usr/bin/env python3
"""Holds streams, publishes, injects one fault and says what everybody saw; see faults.sh."""

import argparse
import http.client
import json
import os
import selectors
import signal
import socket
import subprocess
import threading
import time

COLUMNS = ["server", "fault", "clients", "clients_lost", "items_accepted", "publishes_refused",
           "deliveries_lost_to_staying", "deliveries_missed_by_lost", "deliveries_doubled",
           "longest_silence_secs", "publishing_again_after_secs"]


def family(pid):
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout
    children = [int(child) for child in found.split()]
    return children + [below for child in children for below in family(child)]


def named(pid, name):
    """The process below PID whose program has that name."""
    for child in family(pid):
        with open("/proc/%d/cmdline" % child, "rb") as line:
            if name in line.read().split(b"\0")[0].decode():
                return child
    raise SystemExit("no process %s below %d" % (name, pid))


class Clients:
    """Streams that are read as long as they are there."""

    def __init__(self, to, count):
        host, port = to.split(":")
        self.selector, self.ends = selectors.DefaultSelector(), {}
        self.bytes, self.last, self.longest = [bytearray() for _ in range(count)], time.time(), 0.0
        for n in range(count):
            client = socket.create_connection((host, int(port)))
            client.sendall(b"GET /stream?channel=a HTTP/1.1\r\nHost: localhost\r\n\r\n")
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(4096)
            if not head.startswith(b"HTTP/1.1 200"):
                raise SystemExit("no stream: %r" % head[:200])
            self.bytes[n] += head.split(b"\r\n\r\n", 1)[1]
            client.setblocking(False)
            self.selector.register(client, selectors.EVENT_READ, n)

    def read(self, until):
        self.last = time.time()
        while time.time() < until:
            for key, _ in self.selector.select(0.05):
                try:
                    more = key.fileobj.recv(65536)
                except OSError:
                    more = b""
                now = time.time()
                if more:
                    self.longest = max(self.longest, now - self.last)
                    self.last = now
                    self.bytes[key.data] += more
                else:
                    self.ends[key.data] = now
                    self.selector.unregister(key.fileobj)
                    key.fileobj.close()

    def items(self, n):
        return [int(part[1:]) for part in self.bytes[n].decode("latin-1").split()
                if part.startswith("#") and part[1:].isdigit()]


def post(to, item, timeout=15):
    """The status of a publish; none if there was no answer."""
    connection = http.client.HTTPConnection(to, timeout=timeout)
    try:
        connection.request("POST", "/publish/", json.dumps({"items": [item]}))
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


def item_of(n):
    return {"channel": "a", "id": str(n), "formats": {"http-stream": {"content": "#%d \n" % n}}}


class Publisher(threading.Thread):
    """Publishes at a rate; what is refused is published again until it is accepted."""

    def __init__(self, to, until, rate):
        super().__init__()
        self.to, self.until, self.pause = to, until, 1 / rate
        self.accepted, self.refused, self.failed_at, self.again_after = [], 0, None, None

    def run(self):
        n = 0
        while time.time() < self.until:
            n += 1
            while post(self.to, item_of(n)) != 200:
                self.refused += 1
                self.failed_at = self.failed_at or time.time()
                if time.time() > self.until + 20:
                    return
                time.sleep(0.1)
            if self.failed_at and self.again_after is None:
                self.again_after = round(time.time() - self.failed_at, 2)
            self.accepted.append(n)
            time.sleep(self.pause)


def inject(given):
    actor, what = given.fault.split("-")
    if what == "killed":
        os.kill(named(given.pid, "pushpin-" + actor), signal.SIGKILL)
        return
    wish = {"panics": "panic-", "wedges": "wedge-"}[what] + actor
    poison = item_of(0)
    poison["id"], poison["meta"] = "poison", {"p8-chaos": wish, "p8-chaos-ms": "30000"}
    threading.Thread(target=post, args=(given.publish_to, poison), daemon=True).start()


def measure(given):
    clients = Clients(given.to, given.clients)
    time.sleep(2)           # Pushpin subscribes behind the response
    start = time.time()
    publisher = Publisher(given.publish_to, start + given.secs, given.rate)
    publisher.start()
    fault = threading.Timer(given.secs / 3, inject, [given])
    fault.start()
    clients.read(start + given.secs + 5)
    publisher.join()
    clients.read(time.time() + 2)
    lost, missed, doubled = 0, 0, 0
    for n in range(given.clients):
        got = clients.items(n)
        absent = len(set(publisher.accepted) - set(got))
        doubled += len(got) - len(set(got))
        if n in clients.ends:
            missed += absent
        else:
            lost += absent
    values = [given.server, given.fault, given.clients, len(clients.ends), len(publisher.accepted),
              publisher.refused, lost, missed, doubled, round(clients.longest, 2),
              publisher.again_after]
    print(json.dumps(dict(zip(COLUMNS, values))))


def table(path):
    with open(path) as lines:
        runs = [json.loads(line) for line in lines]
    machine = [run for run in runs if "fault" not in run]
    print("# Faults\n")
    print("Pushpin stops all its processes when one is killed; nothing starts it again here.\n")
    for run in machine:
        print(", ".join("%s: %s" % pair for pair in run.items()) + "\n")
    print("| " + " | ".join(COLUMNS) + " |")
    print("| " + " | ".join("---" for _ in COLUMNS) + " |")
    for run in runs:
        if "fault" in run:
            print("| " + " | ".join(str(run[column]) for column in COLUMNS) + " |")


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--table")
    arguments.add_argument("--server")
    arguments.add_argument("--fault")
    arguments.add_argument("--pid", type=int)
    arguments.add_argument("--to")
    arguments.add_argument("--publish-to")
    arguments.add_argument("--clients", type=int)
    arguments.add_argument("--secs", type=float)
    arguments.add_argument("--rate", type=float)
    given = arguments.parse_args()
    table(given.table) if given.table else measure(given)


if __name__ == "__main__":
    main()
