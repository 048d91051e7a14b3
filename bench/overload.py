#!/usr/bin/env python3
"""Finds the peak of a server, drives twice that, and says what came of it; see overload.sh."""

import argparse
import asyncio
import collections
import json
import time

GOAL = 0.8
PATIENCE = 5.0              # seconds after which a client has no use for an answer
RAMP = 2.0                  # seconds of load before it is looked at: until what waits has filled up
POOL = 1_500                # connections of the generator
COLUMNS = ["server", "case", "peak_per_s", "offered_per_s", "good_per_s", "share_of_peak", "p50_ms", "p99_ms",
           "refused_p99_ms", "codes", "held_missing", "recovery_s"]


async def backend(port, ms, at_a_time):
    """Answers so many requests at a time, each after the same time, in the order in which they came."""
    turns = asyncio.Semaphore(at_a_time)

    async def serve(reader, writer):
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                async with turns:
                    await asyncio.sleep(ms / 1000)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


class Clients:
    """Requests over connections that are used again; each is answered, or given up after PATIENCE."""

    def __init__(self, to, request):
        self.host, self.port = to.split(":")[0], int(to.split(":")[1])
        self.request, self.idle, self.open = request, [], 0
        self.codes, self.good, self.refused = collections.Counter(), [], []

    def forget(self):
        self.codes, self.good, self.refused = collections.Counter(), [], []

    def close_idle(self):
        """Servers close idle connections after some seconds, which is nobody's failure."""
        for _, writer in self.idle:
            writer.close()
        self.open -= len(self.idle)
        self.idle = []

    async def once(self):
        start = time.perf_counter()
        connection = self.idle.pop() if self.idle else None
        try:
            async with asyncio.timeout(PATIENCE):
                if connection is None:
                    self.open += 1
                    connection = await asyncio.open_connection(self.host, self.port)
                code, is_kept = await self.exchange(*connection)
        except (TimeoutError, OSError, asyncio.IncompleteReadError) as error:
            code, is_kept = ("timeout" if isinstance(error, TimeoutError) else "cut"), False
        took = (time.perf_counter() - start) * 1000
        self.codes[str(code)] += 1
        (self.good if code == 200 else self.refused).append(took)
        if is_kept:
            self.idle.append(connection)
        else:
            self.open -= 1
            if connection is not None:
                connection[1].close()
        return code, took

    async def exchange(self, reader, writer):
        writer.write(self.request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0]) if b"content-length:" in head else None
        if length is None:
            await reader.read()
        else:
            await reader.readexactly(length)
        return int(head[9:12]), length is not None and b"connection: close" not in head

    async def closed(self, conns, secs):
        """As many as the server takes with so many at a time: its peak."""
        until = time.perf_counter() + secs

        async def loop():
            while time.perf_counter() < until:
                await self.once()

        await asyncio.gather(*(loop() for _ in range(conns)))

    async def offered(self, rate, secs):
        """So many in a second, whatever becomes of them; returns how many were sent and how many answered
        well in a second behind the ramp, and the time of recovery."""
        self.close_idle()
        start, sent, tasks, before = time.perf_counter(), 0, set(), None
        while (now := time.perf_counter()) < start + secs:
            due = int((now - start) * rate)
            if before is None and now >= start + RAMP:
                before = len(self.good)
            while sent < due:
                sent += 1
                if self.open - len(self.idle) >= POOL:
                    self.codes["generator-full"] += 1
                    continue
                task = asyncio.create_task(self.once())
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            await asyncio.sleep(0.002)
        within = len(self.good) - (before or 0)
        recovered = await self.recovery(time.perf_counter())
        await asyncio.gather(*tasks)
        return sent / secs, within / (secs - RAMP), recovered

    async def recovery(self, ended):
        """Seconds from the end of the load until ten in a row are answered well."""
        limit, row = 10 * at(sorted(self.base), 0.5) + 20, 0
        first = None
        while time.perf_counter() < ended + 30:
            begun = time.perf_counter()
            code, took = await self.once()
            is_well = code == 200 and took < limit
            first = (first or begun) if is_well else None
            row = row + 1 if is_well else 0
            if row == 10:
                return round(first - ended, 2)
            await asyncio.sleep(0.02)
        return None


def at(sorted_list, share):
    return sorted_list[min(len(sorted_list) - 1, int(len(sorted_list) * share))] if sorted_list else 0.0


async def hold(to, channel):
    """A stream; its reader."""
    host, port = to.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /stream?channel=%s HTTP/1.1\r\nHost: localhost\r\n\r\n" % channel)
    head = await reader.readuntil(b"\r\n\r\n")
    if head[9:12] != b"200":
        raise SystemExit("no stream: %r" % head[:200])
    return reader, writer


class Held:
    """Clients that were there before the load, and an item for them now and then."""

    def __init__(self, given, count):
        self.given, self.count, self.items, self.seen = given, count, 0, 0

    async def begin(self):
        self.streams = [await hold(self.given.to, b"held") for _ in range(self.count)]
        self.reading = [asyncio.create_task(self.read(reader)) for reader, _ in self.streams]
        await asyncio.sleep(2)          # Pushpin subscribes behind the response

    async def read(self, reader):
        while data := await reader.read(65536):
            self.seen += data.count(b"#")

    async def publish_for(self, secs):
        until = time.perf_counter() + secs
        item = {"channel": "held", "formats": {"http-stream": {"content": "#\n"}}}
        publisher = Clients(self.given.publish_to, post([item]))
        while time.perf_counter() < until:
            code, _ = await publisher.once()
            self.items += code == 200
            await asyncio.sleep(0.2)

    async def missing(self):
        for _ in range(50):
            if self.seen >= self.items * self.count:
                break
            await asyncio.sleep(0.1)
        return self.items * self.count - self.seen


def post(items):
    body = json.dumps({"items": items}).encode()
    head = b"POST /publish/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


async def drive(given, clients, peak_conns, record):
    """Peak, then twice that with held clients beside it."""
    clients.close_idle()
    await clients.closed(peak_conns, 1)
    clients.forget()
    secs = given.secs / 2
    await clients.closed(peak_conns, secs)
    peak = len(clients.good) / secs
    clients.base = clients.good
    clients.forget()
    held = Held(given, 50)
    await held.begin()
    publishing = asyncio.create_task(held.publish_for(given.secs))
    offered, good, recovered = await clients.offered(2 * peak, given.secs)
    await publishing
    accepted, refused = sorted(clients.good), sorted(clients.refused)
    record.update({
        "peak_per_s": round(peak, 1), "offered_per_s": round(offered, 1), "good_per_s": round(good, 1),
        "share_of_peak": round(good / peak, 3) if peak else None, "p50_ms": round(at(accepted, 0.5), 1),
        "p99_ms": round(at(accepted, 0.99), 1), "refused_p99_ms": round(at(refused, 0.99), 1),
        "codes": dict(clients.codes), "held_missing": await held.missing(), "recovery_s": recovered,
    })


async def requests(given, record):
    request = b"GET / HTTP/1.1\r\nHost: slow.example\r\n\r\n"
    await drive(given, Clients(given.to, request), 8, record)


async def publishes(given, record):
    """To a channel with many streams, so that it is the fan-out which is too slow."""
    streams = [await hold(given.to, b"busy") for _ in range(given.streams)]

    async def drain(reader):
        while await reader.read(1 << 18):
            pass

    draining = [asyncio.create_task(drain(reader)) for reader, _ in streams]
    item = {"channel": "busy", "formats": {"http-stream": {"content": "x" * 200 + "\n"}}}
    await asyncio.sleep(2)
    await drive(given, Clients(given.publish_to, post([item])), 64, record)
    del draining


async def connections(given, record):
    """As many as there may be are held; then others come, twice as many, and some of the first leave."""
    streams = [await hold(given.to, b"held") for _ in range(given.maxconn)]
    clients = Clients(given.to, b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
    start = time.perf_counter()
    for _ in range(20):
        await asyncio.gather(*(clients.once() for _ in range(given.maxconn // 10)))
    secs = time.perf_counter() - start
    codes, refused = dict(clients.codes), sorted(clients.refused)
    ended = time.perf_counter()
    for _, writer in streams[:10]:
        writer.close()
    clients.base = [5.0]
    record.update({"offered_per_s": round(len(refused) / secs, 1), "codes": codes, "held_missing": None,
                   "refused_p99_ms": round(at(refused, 0.99), 1), "recovery_s": await clients.recovery(ended)})


async def measure(given):
    record = dict.fromkeys(COLUMNS)
    record.update({"server": given.server, "case": given.case})
    await {"requests": requests, "publishes": publishes, "connections": connections}[given.case](given, record)
    print(json.dumps(record), flush=True)


def table(path):
    with open(path) as lines:
        records = [json.loads(line) for line in lines]
    head, runs = records[0], [record for record in records if "case" in record]
    print("# Overload\n")
    print(", ".join("%s: %s" % (key, value) for key, value in head.items()) + "\n")
    print("| " + " | ".join(COLUMNS) + " |\n|" + " --- |" * len(COLUMNS))
    for record in runs:
        codes = record["codes"] and ", ".join("%s: %d" % pair for pair in sorted(record["codes"].items()))
        print("| " + " | ".join(str(codes if column == "codes" else record[column]) for column in COLUMNS) + " |")
    print("\nGood is an answer of 200 within %d s. p50 and p99 are of good ones; peak is what so many clients got as"
          " wait for each other's answers (8 for requests, 64 publishers). Goodput is that behind the first %d s."
          % (PATIENCE, RAMP))
    for record in runs:
        if record["server"] == "p-8" and record["share_of_peak"] is not None:
            verdict = "met" if record["share_of_peak"] > GOAL else "**missed**"
            print("\nGoal for %s, over %d %% of the peak at twice the load: %s (%.0f %%)."
                  % (record["case"], 100 * GOAL, verdict, 100 * record["share_of_peak"]))


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--table")
    for text in ["server", "case", "to", "publish-to", "slow"]:
        arguments.add_argument("--" + text)
    for number in ["backend", "ms", "at-a-time", "streams", "maxconn", "secs"]:
        arguments.add_argument("--" + number, type=int)
    given = arguments.parse_args()
    if given.table:
        table(given.table)
    elif given.backend:
        asyncio.run(backend(given.backend, given.ms, given.at_a_time))
    else:
        asyncio.run(measure(given))


if __name__ == "__main__":
    main()
