"""Sends messages of random sizes and fragmentations to an echo by the library websockets, and compares.

Prints what happened as JSON: how many came back as they were, the extensions agreed on, the close code.

usage: client.py URL SEED COUNT COMPRESSION(0 or 1)
"""

import asyncio
import json
import random
import sys

from websockets.asyncio.client import connect

AHEAD = 200  # messages sent before the first of them is back


def message(rng):
    """Mostly short, sometimes long, one in fifty empty."""
    longest = rng.choices((1, 600, 8_000, 150_000), (2, 90, 7, 1))[0]
    size = rng.randrange(longest)
    if rng.random() < 0.5:
        return "".join(rng.choices("abc žluť☃\U0001f600\n", k=size // 2))
    return rng.randbytes(size)


def cut(whole, rng):
    """One in three messages in up to five parts."""
    if not whole or rng.random() > 0.33:
        return whole
    at = sorted(rng.randrange(len(whole) + 1) for _ in range(rng.randrange(1, 5)))
    return [whole[a:b] for a, b in zip([0] + at, at + [len(whole)])]


async def exchange(url, seed, count, compression):
    rng = random.Random(seed)
    messages = [message(rng) for _ in range(count)]
    room = asyncio.Semaphore(AHEAD)
    options = {"compression": "deflate" if compression else None, "max_size": None, "ping_interval": None, "proxy": None}
    async with connect(url, **options) as socket:
        async def send():
            for whole in messages:
                await room.acquire()
                await socket.send(cut(whole, rng))

        sending = asyncio.create_task(send())
        equal = 0
        for whole in messages:
            if await asyncio.wait_for(socket.recv(), 30) != whole:
                break
            equal += 1
            room.release()
        await sending
        extensions = [extension.name for extension in socket.protocol.extensions]
        await socket.close(4001, "bye")
        return {"equal": equal, "extensions": extensions, "code": socket.close_code}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(exchange(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "1"))))
