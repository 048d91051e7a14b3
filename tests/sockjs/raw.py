"""SockJS by plain HTTP: what its client does not look at, and JSON-P, for which it needs a browser.

Each method of `Checks` is a check; those of `Slow` are waited for together. `Dialect` is where SockJS's own
server, which tests these tests, answers otherwise than P-8.
"""

import collections
import http.client
import json
import threading
import time
import uuid
from urllib.parse import quote, urlsplit

Answer = collections.namedtuple("Answer", "status headers body")
Dialect = collections.namedtuple("Dialect", "name sent crlf plain script")

P8 = Dialect("p8", (200, b"ok"), b"\n", "text/plain", "application/javascript")
REFERENCE = Dialect("reference", (204, b""), b"\r\n", "application/json; charset=UTF-8",
                    "application/javascript; charset=UTF-8")

NOT_STORED = "no-store"
SECOND = b'c[2010,"Another connection still open"]\n'
GO_AWAY = b'c[3000,"Go away!"]\n'
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
TIMEOUT_SECS = 40


def equal(found, wanted, what=""):
    if found != wanted:
        raise AssertionError("%s%r, not %r" % (what and what + ": ", found, wanted))


def until(condition, what, seconds=15):
    """Waits for a condition."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("%s: not within %d s" % (what, seconds))
        time.sleep(0.05)


class Site:
    """A SockJS service: its base, its dialect, and the backend's log if it can be read."""

    def __init__(self, base, dialect, backend=None):
        self.dialect, self.backend = dialect, backend
        parts = urlsplit(base)
        self.address, self.prefix = (parts.hostname, parts.port), parts.path

    def begin(self, method, path, body=None, headers=None, prefix=None):
        """Sends a request; the connection, whose answer is to be read."""
        connection = http.client.HTTPConnection(*self.address, timeout=TIMEOUT_SECS)
        connection.request(method, (self.prefix if prefix is None else prefix) + path, body, headers or {})
        return connection

    def end(self, connection):
        response = connection.getresponse()
        answer = Answer(response.status, response.headers, response.read())
        connection.close()
        return answer

    def ask(self, *args, **kw):
        return self.end(self.begin(*args, **kw))

    def get(self, path, **kw):
        return self.ask("GET", path, **kw)

    def post(self, path, body=b"", **kw):
        return self.ask("POST", path, body, **kw)


class Session:
    """A polling session."""

    def __init__(self, site, prefix=None, query=""):
        self.site, self.prefix = site, prefix
        self.name = uuid.uuid4().hex
        self.path = "/000/" + self.name
        self.query = "?%ss=%s" % (query, self.name)  # so that the backend knows it

    def poll(self):
        return self.site.post(self.path + "/xhr" + self.query, prefix=self.prefix)

    def open(self):
        equal(self.poll()[::2], (200, b"o\n"), "open")
        return self

    def send(self, *texts):
        answer = self.site.post(self.path + "/xhr_send", json.dumps(texts).encode(), prefix=self.prefix)
        equal(answer[::2], self.site.dialect.sent, "send")

    def receive(self, *texts):
        """Polls until so many messages have come."""
        found = []
        while len(found) < len(texts):
            answer = self.poll()
            equal((answer.status, answer.body[:1]), (200, b"a"), "poll")
            found += json.loads(answer.body[1:])
        equal(found, list(texts))

    def call(self, name="cb", encoded=None):
        answer = self.site.get("%s/jsonp%s&c=%s" % (self.path, self.query, encoded or name))
        start, end = b"/**/%s(" % name.encode(), b");" + self.site.dialect.crlf
        if answer.status != 200 or not (answer.body.startswith(start) and answer.body.endswith(end)):
            raise AssertionError("%d %r" % (answer.status, answer.body))
        equal(answer.headers["Content-Type"], self.site.dialect.script)
        return json.loads(answer.body[len(start):-len(end)])


class Checks:
    """What is answered at once."""

    def __init__(self, site):
        self.site = site
        self.is_p8 = site.dialect.name == "p8"

    def what_the_server_can_do(self):
        answers = [self.site.get("/info", headers={"Origin": "https://a.test"}) for _ in range(2)]
        found = [json.loads(answer.body) for answer in answers]
        assert found[0].pop("entropy") != found[1].pop("entropy")
        equal(found[0], {"websocket": True, "cookie_needed": False, "origins": ["*:*"]})
        equal(answers[0].headers["Content-Type"], self.site.dialect.plain)
        self.open_to(answers[0], "https://a.test")

    def open_to(self, answer, origin):
        equal(answer.headers["Access-Control-Allow-Origin"], origin)
        if origin != "*" or self.is_p8:
            equal(answer.headers["Access-Control-Allow-Credentials"], "true")
        assert NOT_STORED in ", ".join(answer.headers.get_all("Cache-Control"))

    def every_answer_may_be_read_by_any_page(self):
        path = Session(self.site).open().path
        asked = [("POST", path + "/xhr_send", b'["x"]'), ("POST", path + "/xhr", b"")]
        if self.is_p8:
            asked += [("GET", "/nothing", None), ("POST", path + "/xhr_send", b"{"), ("OPTIONS", "/info", None)]
        for method, path, body in asked:
            self.open_to(self.site.ask(method, path, body), "*")
            self.open_to(self.site.ask(method, path, body or b'["y"]', headers={"Origin": "null"}), "null")

    def preflights_have_no_content(self):
        for path in ["/info", "/0/s/xhr", "/0/s/xhr_send"]:
            answer = self.site.ask("OPTIONS", path, headers={"Origin": "https://a.test"})
            equal(answer[::2], (204, b""))
            equal(answer.headers["Access-Control-Allow-Origin"], "https://a.test")

    def the_iframe_page_is_kept(self):
        first = self.site.get("/iframe-1.6.1.html?t=1")
        equal((first.status, first.headers["Content-Type"]), (200, "text/html; charset=UTF-8"))
        assert b'<script src="/sockjs.min.js"></script>' in first.body, first.body
        assert "max-age=31536000" in first.headers.get_all("Cache-Control")[0]
        again = self.site.get("/iframe.html", headers={"If-None-Match": first.headers["ETag"]})
        equal(again[::2], (304, b""))

    def other_paths_are_not_found(self):
        for path in ["/a", "/a.html", "//", "/a/a", "/a/a/a", "/iframe.htm", "/IFRAME.HTML", "/iframe"]:
            equal(self.site.get(path).status, 404, path)
        for path in ["///xhr", "/a./a/xhr", "/a/a./xhr", "/./././xhr", "/xhr", "/a/xhr"]:
            equal(self.site.post(path).status, 404, path)
        if self.is_p8:
            for path in ["", "/a/b/xhr_streaming", "/a/b/eventsource", "/a/b/htmlfile?c=x"]:
                equal(self.site.get(path)[::2], (404, b"Not Found\n"), path)
                equal(self.site.post(path).status, 404, path)

    def polls_bring_what_was_sent(self):
        session = Session(self.site).open()
        session.send("a")
        session.receive("a")
        session.send("b", "c")
        session.receive("b", "c")
        session.send()
        session.send("\u20ac\u2028\U0001f600\0")
        session.receive("\u20ac\u2028\U0001f600\0")

    def one_poll_brings_all_that_waits(self):
        session = Session(self.site).open()
        for text in ["a", "b", "c"]:
            session.send(text)
        self.settle(session, 3)
        equal(session.poll()[::2], (200, b'a["a","b","c"]\n'))

    def settle(self, session, count):
        """Waits until the echoes of all that was sent wait for the next poll."""
        if self.site.backend:
            until(lambda: self.site.backend.answered(session.name) >= count, "echoes")
        time.sleep(0.2)  # the last answer is on its way

    def the_server_plays_no_part(self):
        session = Session(self.site).open()
        session.send("a")
        session.path = session.path.replace("/000/", "/999/")
        session.receive("a")

    def a_second_poll_is_told_so(self):
        session = Session(self.site).open()
        first = self.site.begin("POST", session.path + "/xhr", b"")
        time.sleep(0.3)
        equal(session.poll()[::2], (200, SECOND))
        session.send("a")
        equal(self.site.end(first)[::2], (200, b'a["a"]\n'))

    def a_close_is_repeated(self):
        session = Session(self.site).open()
        session.send("a", "close:3000:Go away!")
        session.receive("a")
        for _ in range(3):
            equal(session.poll()[::2], (200, GO_AWAY))
        if self.is_p8:
            sent = self.site.post(session.path + "/xhr_send", b'["x"]')
            equal(sent[::2], (200, GO_AWAY), "xhr_send")

    def a_close_answers_the_poll_that_waits(self):
        session = Session(self.site).open()
        first = self.site.begin("POST", session.path + "/xhr", b"")
        time.sleep(0.2)
        session.send("close:3000:Go away!")
        equal(self.site.end(first)[::2], (200, GO_AWAY))

    def unknown_sessions_are_not_found(self):
        for path in ["/000/%s/xhr_send", "/000/%s/jsonp_send"]:
            equal(self.site.post(path % uuid.uuid4(), b'["x"]').status, 404, path)

    def wrong_payloads_are_refused(self):
        session = Session(self.site).open()
        for body in [b'["x', b"", b"{}", b"[1]"] if self.is_p8 else [b'["x', b""]:
            answer = self.site.post(session.path + "/xhr_send", body)
            if self.is_p8:
                equal(answer[::2], (400, b"Payload expected\n"), body)
            else:
                equal(answer.status, 500, body)
        session.send("a")
        session.receive("a")

    def calls_bring_what_was_sent(self):
        session = Session(self.site)
        equal(session.call("callback", "%63allback"), "o")
        sent = self.site.post(session.path + "/jsonp_send", b"d=%5B%22a+b%22%5D", headers=FORM)
        equal(sent[::2], (200, b"ok"))
        equal(session.call("_jp.a1b2"), 'a["a b"]')
        plain = {"Content-Type": "text/plain"}
        equal(self.site.post(session.path + "/jsonp_send", b'["%61\xe2\x82\xac"]', headers=plain)[::2], (200, b"ok"))
        equal(session.call(), 'a["%61\u20ac"]')
        equal(self.site.post(session.path + "/jsonp_send", b"d=%5B%5D", headers=FORM)[::2], (200, b"ok"))
        self.site.post(session.path + "/jsonp_send", b"d=" + quote('["close:3000:Go away!"]').encode(), headers=FORM)
        equal(session.call(), 'c[3000,"Go away!"]')
        equal(session.call(), 'c[3000,"Go away!"]')

    def calls_need_a_name(self):
        path = "/000/%s/jsonp" % uuid.uuid4()
        for query in ["", "?c=%20", "?c=*", "?c=abc(", "?c=abc%28"]:
            answer = self.site.get(path + query)
            if self.is_p8:
                equal(answer[::2], (400, b"Bad Request\n"), query)
            else:
                equal(answer.status, 500, query)

    def wrong_forms_are_refused(self):
        session = Session(self.site)
        equal(session.call(), "o")
        for body in [b"d=%5B%22x", b"", b"d=", b"p=p"]:
            answer = self.site.post(session.path + "/jsonp_send", body, headers=FORM)
            equal(answer.status, 400 if self.is_p8 else 500, body)


class P8Checks(Checks):
    """What only P-8 promises."""

    def calls_send_by_query_too(self):
        session = Session(self.site)
        equal(session.call(), "o")
        equal(self.site.get(session.path + "/jsonp_send?d=" + quote('["q&"]'))[::2], (200, b"ok"))
        equal(session.call(), 'a["q&"]')

    def requests_are_bounded(self):
        session = Session(self.site).open()
        large = b'["%s"]' % (b"x" * 100_000)
        equal(self.site.post(session.path + "/xhr_send", large)[::2], (400, b"Request too large.\n"))
        session.send("a")
        session.receive("a")

    def the_backend_sees_the_base_and_the_query(self):
        for prefix, path in [(None, "/echo"), ("/as", "/seen")]:
            session = Session(self.site, prefix, "a=b%20c&").open()
            equal(self.site.backend.target(session.name), path + session.query)
        session = Session(self.site, query="a=b&")
        equal(session.call(), "o")
        equal(self.site.backend.target(session.name), "/echo" + session.query)

    def a_refusal_is_relayed(self):
        answer = Session(self.site, query="refuse&").poll()
        equal(answer[::2], (403, b"not you\n"))
        self.open_to(answer, "*")

    def what_is_published_reaches_a_poll_that_waits(self):
        session, channel = Session(self.site).open(), uuid.uuid4().hex
        session.send("subscribe:" + channel)
        session.receive("subscribed")
        poll = self.site.begin("POST", session.path + "/xhr", b"")
        time.sleep(0.2)
        self.site.backend.publish(channel, "pushed")
        equal(self.site.end(poll)[::2], (200, b'a["pushed"]\n'))

    def a_client_that_leaves_its_poll_is_gone(self):
        for body in [b"", None]:
            session = Session(self.site).open()
            poll = self.site.begin("POST", session.path + "/xhr", body)
            time.sleep(0.3)
            poll.close()
            until(lambda: "DISCONNECT" in self.site.backend.events(session.name), "DISCONNECT")


class Slow:
    """What takes its time."""

    def __init__(self, site):
        self.site = site

    def a_silent_poll_gets_a_heartbeat(self):
        session, begin = Session(self.site).open(), time.monotonic()
        equal(session.poll()[::2], (200, b"h\n"))
        took = time.monotonic() - begin
        assert 24.5 < took < 30, took

    def a_session_without_a_poll_ends(self):
        session = Session(self.site).open()
        time.sleep(4)
        session.send("a")
        time.sleep(3)
        equal(self.site.post(session.path + "/xhr_send", b'["x"]').status, 404)
        if self.site.backend:
            until(lambda: "DISCONNECT" in self.site.backend.events(session.name), "DISCONNECT")
        session.open()

    def a_close_is_forgotten(self):
        session = Session(self.site).open()
        session.send("close:3000:Go away!")
        equal(session.poll()[::2], (200, GO_AWAY))
        time.sleep(7)
        equal(self.site.post(session.path + "/xhr_send", b'["x"]').status, 404)
        session.open()


def checks(of):
    names = [name for kind in reversed(type(of).__mro__) for name in vars(kind)]
    names = [name for name in dict.fromkeys(names) if not name.startswith("_")]
    return [name for name in names if name not in ("open_to", "settle") and callable(getattr(of, name))]


def attempt(of, name):
    """(name, what went wrong or None)"""
    try:
        getattr(of, name)()
        return name, None
    except Exception as error:  # noqa: BLE001 - each fault is one failed check
        return name, "%s: %s" % (type(error).__name__, error)


def run(site):
    """Runs all; gives (name, error) for each."""
    slow, found = Slow(site), []
    threads = [threading.Thread(target=lambda n=name: found.append(attempt(slow, n))) for name in checks(slow)]
    for thread in threads:
        thread.start()
    quick = (P8Checks if site.dialect is P8 else Checks)(site)
    found += [attempt(quick, name) for name in checks(quick)]
    for thread in threads:
        thread.join()
    return [("raw: " + name.replace("_", " "), error) for name, error in found]
