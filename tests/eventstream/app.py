"""A Django site with django-eventstream, which keeps its events in SQLite and sends them through P-8.

/events/?channel=feed             the stream, through P-8
POST /send?count=N&threads=T      sends N events, from T threads at once, and answers when all are accepted
/stored                           what the events of the storage carry, in their order

It serves the listening socket that it inherits as file descriptor FD; GRIP_URL says where P-8's control
listener is and what it signs with; DB is the file of the database.
"""

import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor

import django
from django.conf import settings

CHANNEL = "feed"

settings.configure(
    SECRET_KEY="a key of enough length for a test that is read by everybody",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django_eventstream"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware", "django_grip.GripMiddleware"],
    DATABASES={"default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["DB"],
        "CONN_MAX_AGE": None,
        # Writers take turns from their beginning on; nothing has to survive the machine.
        "OPTIONS": {"timeout": 60, "transaction_mode": "IMMEDIATE",
                    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF"},
    }},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    GRIP_URL=os.environ["GRIP_URL"],
    EVENTSTREAM_STORAGE_CLASS="django_eventstream.storage.DjangoModelStorage",
    USE_TZ=True,
)
django.setup()

from django.core.management import call_command  # noqa: E402
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection  # noqa: E402
from django.http import HttpResponse, JsonResponse  # noqa: E402
from django.urls import include, path  # noqa: E402
from django_eventstream import send_event  # noqa: E402
from django_eventstream.models import Event  # noqa: E402


def send(request):
    count, threads = int(request.GET["count"]), int(request.GET["threads"])
    numbers = iter(range(count))  # taking the next one is atomic

    def sender():
        for n in numbers:
            send_event(CHANNEL, "message", {"n": n}, async_publish=False)
        connection.close()

    with ThreadPoolExecutor(threads) as pool:
        for sent in [pool.submit(sender) for _ in range(threads)]:
            sent.result()
    return HttpResponse("sent\n")


def stored(request):
    events = Event.objects.filter(channel=CHANNEL, eid__gt=0).order_by("eid")
    return JsonResponse([[e.eid, json.loads(json.loads(e.data))["n"]] for e in events], safe=False)


urlpatterns = [path("send", send), path("stored", stored), path("events/", include("django_eventstream.urls"))]


class Handler(WSGIRequestHandler):
    def log_message(self, *what):
        pass


def main():
    call_command("migrate", verbosity=0)
    server = ThreadedWSGIServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = socket.socket(fileno=int(os.environ["FD"]))
    server.server_name, server.server_port = server.socket.getsockname()
    server.daemon_threads = True
    server.setup_environ()
    server.set_app(get_wsgi_application())
    server.serve_forever()


if __name__ == "__main__":
    main()
