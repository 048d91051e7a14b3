"""Python's own server, or with --asgi a module for uvicorn, that answers by path; prints its port."""

import http.server
import sys

SIZED = b"sized" * 1000


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body=None, headers=()):
        self.send_response(status)
        self.send_header("X-Port", str(self.client_address[1]))
        for name, value in headers:
            self.send_header(name, value)
        if body is not None:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if body and self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        if self.path == "/sized":
            self.answer(200, SIZED)
        elif self.path == "/chunked":
            self.answer(200, headers=[("Transfer-Encoding", "chunked")])
            for _ in range(3):
                self.wfile.write(b"7\r\nchunked\r\n")
            self.wfile.write(b"0\r\n\r\n")
        elif self.path == "/until-close":
            self.answer(200, headers=[("Connection", "close")])
            self.wfile.write(b"until close")
        elif self.path in ("/204", "/304"):
            self.answer(int(self.path[1:]))
        else:
            self.answer(int(self.path[1:]), b"failed")

    do_HEAD = do_GET

    def do_POST(self):
        self.answer(200, self.rfile.read(int(self.headers["Content-Length"])))

    def log_message(self, *_):
        pass


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    path, status, body, headers = scope["path"], 200, [b""], []
    if path == "/sized":
        body = [SIZED]
        headers = [(b"content-length", b"%d" % len(SIZED))]
    elif path == "/chunked":
        body = [b"chunked"] * 3
    elif path == "/echo":
        got, more = b"", True
        while more:
            message = await receive()
            got, more = got + message.get("body", b""), message.get("more_body")
        body, headers = [got], [(b"content-length", b"%d" % len(got))]
    else:
        status = int(path[1:])
        if status >= 400:
            body, headers = [b"failed"], [(b"content-length", b"6")]
    headers.append((b"x-port", b"%d" % scope["client"][1]))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    for part in body:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


if __name__ == "__main__" and "--asgi" in sys.argv:
    import socket

    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    uvicorn.run(app, fd=listener.fileno(), log_level="error")
elif __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    if "--tls" in sys.argv:
        import ssl

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain("server.crt", "server.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()
