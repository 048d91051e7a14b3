"""A backend of WebSocket-over-HTTP: the application that client.js and raw.py expect, and what it saw.

It echoes, but for "subscribe:NAME" (answered "subscribed"), "push:NAME:N" (publishes "pushed 0" to "pushed N-1"
to NAME) and "close:CODE:REASON". A query "refuse" is refused.
"""

import http.server
import json
import struct
import threading
import urllib.request

EVENTS = "application/websocket-events"


def decode(body):
    """[(type, content)]"""
    events = []
    while body:
        line, _, body = body.partition(b"\r\n")
        kind, _, size = line.decode().partition(" ")
        content = b""
        if size:
            length = int(size, 16)
            content, body = body[:length], body[length + 2:]
        events.append((kind, content))
    return events


def encode(events):
    return b"".join(b"%s %x\r\n%s\r\n" % (kind.encode(), len(content), content) if content
                    else kind.encode() + b"\r\n" for kind, content in events)


class Backend:
    """Serves on a port of its own; `control` is where it publishes."""

    def __init__(self):
        self.control = None
        self.seen = []  # (connection, target, [type]) of each request, in order
        self.lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                outer.serve(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def serve(self, request):
        events = decode(request.rfile.read(int(request.headers["Content-Length"] or 0)))
        connection = request.headers["Connection-Id"]
        if "refuse" in request.path:
            return self.answer(request, 403, "text/plain", b"not you\n")
        answer, pushes = [], []
        for kind, content in events:
            if kind == "OPEN":
                answer.append(("OPEN", b""))
            elif kind in ("TEXT", "BINARY"):
                self.message(kind, content, answer, pushes)
            elif kind == "CLOSE":
                answer.append((kind, content))
            elif kind == "PING":
                answer.append(("PONG", content))
        with self.lock:
            self.seen.append((connection, request.path, [kind for kind, _ in events]))
        for channel, count in pushes:
            for at in range(count):
                self.publish(channel, "pushed %d" % at)
        self.answer(request, 200, EVENTS, encode(answer))

    def message(self, kind, content, answer, pushes):
        verb, *words = content.decode(errors="replace").split(":")
        if verb == "subscribe":
            control = {"type": "subscribe", "channel": words[0]}
            answer += [("TEXT", b"c:" + json.dumps(control).encode()), ("TEXT", b"m:subscribed")]
        elif verb == "push":
            pushes.append((words[0], int(words[1])))
        elif verb == "close":
            answer.append(("CLOSE", struct.pack("!H", int(words[0])) + words[1].encode()))
        else:
            answer.append((kind, b"m:" + content))

    def answer(self, request, status, content_type, body):
        request.send_response(status)
        request.send_header("Content-Type", content_type)
        request.send_header("Content-Length", str(len(body)))
        request.send_header("Sec-WebSocket-Extensions", "grip")
        request.end_headers()
        request.wfile.write(body)

    def publish(self, channel, text):
        item = {"channel": channel, "formats": {"ws-message": {"content": text}}}
        url = "http://127.0.0.1:%d/publish/" % self.control
        urllib.request.urlopen(url, json.dumps({"items": [item]}).encode(), timeout=10).read()

    # What it saw. Polling sessions are told apart by a parameter `s` of the query that they were opened with.

    def seen_of(self, session):
        with self.lock:
            return [one for one in self.seen if "s=" + session in one[1]]

    def target(self, session):
        return self.seen_of(session)[0][1]

    def events(self, session):
        return [kind for _, _, kinds in self.seen_of(session) for kind in kinds]

    def answered(self, session):
        """How many messages of a session were echoed."""
        return self.events(session).count("TEXT")
