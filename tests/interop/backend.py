"""Both kinds of backend: an echo by WebSocket, from the library websockets, and one over HTTP.

Prints the two ports on one line, and serves until it is killed. The WebSocket sends one in three messages
back in fragments. The other knows just as much of HTTP as P-8 needs.
"""

import asyncio
import random

from websockets.asyncio.server import serve

EVENTS = "application/websocket-events"


async def websocket_echo(socket):
    rng = random.Random(8)
    async for message in socket:
        if message and rng.random() < 0.33:
            await socket.send(cut(message, rng))
        else:
            await socket.send(message)


def cut(message, rng):
    """The message in up to five parts."""
    at = sorted(rng.randrange(len(message) + 1) for _ in range(rng.randrange(1, 5)))
    return [message[a:b] for a, b in zip([0] + at, at + [len(message)])]


def decode(body):
    """The events of a request."""
    while body:
        line, body = body.split(b"\r\n", 1)
        kind, _, size = line.partition(b" ")
        content = None
        if size:
            length = int(size, 16)
            content, body = body[:length], body[length + 2:]
        yield kind, content


def encode(kind, content):
    if content is None:
        return kind + b"\r\n"
    return b"%s %x\r\n%s\r\n" % (kind, len(content), content)


def answer(body):
    """What is sent back for a request's events."""
    out = b""
    for kind, content in decode(body):
        if kind != b"DISCONNECT":
            out += encode(b"PONG" if kind == b"PING" else kind, content)
    return out


async def http_echo(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
            body = answer(await reader.readexactly(int(headers.get("content-length", 0))))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (
                EVENTS.encode(), len(body), body))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main():
    http = await asyncio.start_server(http_echo, "127.0.0.1", 0, limit=1 << 22)
    async with serve(websocket_echo, "127.0.0.1", 0, max_size=None) as upgraded:
        ports = [server.sockets[0].getsockname()[1] for server in (http, upgraded)]
        print(*ports, flush=True)
        await asyncio.Future()


if __name__ == "__main__":
    asyncio.run(main())
