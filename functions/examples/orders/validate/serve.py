"""The plumbing between Pelton and handle(event): an HTTP server for binary-mode CloudEvents.

You do not need to change this file. It uses sockets and threads directly because importing http.server alone
takes about 20 ms, which every start from zero would pay. It serves one thread per kept-alive connection and, on
SIGTERM, finishes the requests it has and exits.
"""

import json
import math
import os
import signal
import socket
import sys
import threading

MAX_BODY = 64 << 20


class Retry(Exception):
    """Ask for another attempt, after `after` seconds if given, else after the manifest's back-off."""

    def __init__(self, reason, after=None):
        super().__init__(reason)
        self.after = after


class Reject(Exception):
    """Refuse the event for good: it goes to the dead letters with this reason."""


class Event:
    """One event: its CloudEvents attributes, its data, and which attempt this is."""

    def __init__(self, attributes, data, attempt=1, deadline=""):
        self.attributes = attributes
        self.data = data
        self.attempt = attempt
        self.deadline = deadline  # RFC 3339; the attempt is cut then

    def __getattr__(self, name):  # event.id, event.type, event.subject, ...: "" where unset
        if name.startswith("_"):
            raise AttributeError(name)
        return self.attributes.get(name, "")

    def json(self):
        """Return the data read as JSON; data that is not JSON can never be handled, so it is rejected."""
        try:
            return json.loads(self.data)
        except ValueError as e:
            raise Reject(f"data is not JSON: {e}") from e


def serve(handle):
    """Serve handle(event) on $PORT (or the unix socket $PELTON_SOCKET) until SIGTERM."""
    busy = _Busy()
    signal.signal(signal.SIGTERM, _exit)
    signal.signal(signal.SIGINT, _exit)
    try:
        with _listen() as listener:
            while True:
                conn, _ = listener.accept()
                threading.Thread(target=_connection, args=(conn, handle, busy), daemon=True).start()
    except SystemExit:
        busy.wait_idle()
    os._exit(0)  # idle connections have threads that would wait for ever


def answer(handle, event):
    """Call handle and return (status, headers, body): the status decides what Pelton does with the event."""
    try:
        reply = handle(event)
    except Reject as e:
        return 422, {}, str(e).encode()
    except Retry as e:
        headers = {} if e.after is None else {"Retry-After": str(math.ceil(e.after))}
        return 503, headers, str(e).encode()
    except Exception as e:  # a bug or a neighbour that is down: worth another attempt
        sys.excepthook(*sys.exc_info())
        return 500, {}, f"{type(e).__name__}: {e}".encode()
    if reply is None:
        return 204, {}, b""
    return 200, {"Content-Type": "application/cloudevents+json"}, _structured(reply, event)


def _structured(reply, event):
    """Complete a reply ({"type": ..., "data": ...}) to a CloudEvent. The same event always gives the same id."""
    import hashlib  # imported late: the first reply pays, not the start

    namespace, name = os.environ.get("PELTON_NAMESPACE", "default"), os.environ.get("PELTON_FUNCTION", "function")
    return json.dumps({
        "specversion": "1.0",
        "id": hashlib.sha256(f"{event.source}|{event.id}".encode()).hexdigest()[:32],
        "source": f"/functions/{namespace}/{name}",
        "datacontenttype": "application/json",
        **reply,
    }).encode()


class _Busy:
    """Counts requests that are being handled. Every connection's thread writes; only serve waits."""

    def __init__(self):
        self._count, self._changed = 0, threading.Condition()

    def __enter__(self):
        with self._changed:
            self._count += 1

    def __exit__(self, *_):
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def wait_idle(self):
        with self._changed:
            self._changed.wait_for(lambda: self._count == 0)


def _exit(*_):
    raise SystemExit


def _listen():
    path = os.environ.get("PELTON_SOCKET")
    if path:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
    else:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((os.environ.get("PELTON_HOST", "127.0.0.1"), int(os.environ.get("PORT", "8080"))))
    listener.listen(1024)
    return listener


def _connection(conn, handle, busy):
    with conn:
        if conn.family == socket.AF_INET:
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            reader = conn.makefile("rb")
            while _request(conn, reader, handle, busy):
                pass
        except (OSError, ValueError):
            pass  # the caller went away, or does not speak HTTP: closing says so


def _request(conn, reader, handle, busy):
    """Serve one request; returns whether the connection can carry another."""
    line = reader.readline(65536)
    if not line.strip():
        return False
    method, _, version = line.decode("latin-1").split()
    headers = _headers(reader)
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not length.isdigit() or int(length) > MAX_BODY:
        conn.sendall(_response(413, {}, b"want a Content-Length of at most 64 MiB", False))
        return False
    if headers.get("expect", "").lower() == "100-continue":
        conn.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = reader.read(int(length))
    if len(body) < int(length):
        return False
    keep = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
    with busy:
        if method != "POST":
            status, extra, text = 405, {"Allow": "POST"}, b""
        elif headers.get("content-type", "").startswith("application/cloudevents-batch"):
            status, extra, text = 415, {}, b"serve.py takes one event per request: leave batch out of function.yaml"
        else:
            status, extra, text = answer(handle, _event(headers, body))
        conn.sendall(_response(status, extra, text, keep))
    return keep


def _headers(reader):
    headers = {}
    while (line := reader.readline(65536)) not in (b"\r\n", b"\n", b""):
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    return headers


def _event(headers, body):
    attributes = {name[3:]: _decode(value) for name, value in headers.items() if name.startswith("ce-")}
    if "content-type" in headers:
        attributes["datacontenttype"] = headers["content-type"]
    return Event(attributes, body, int(headers.get("pelton-attempt", "1")), headers.get("pelton-deadline", ""))


def _decode(value):
    if "%" not in value:
        return value
    from urllib.parse import unquote  # imported late: few events need it, and every start would pay for it

    return unquote(value)


_REASONS = {200: "OK", 204: "No Content", 405: "Method Not Allowed", 413: "Content Too Large",
            415: "Unsupported Media Type", 422: "Unprocessable Content", 500: "Internal Server Error", 503: "Service Unavailable"}


def _response(status, headers, body, keep):
    lines = [f"HTTP/1.1 {status} {_REASONS[status]}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if status != 204:
        lines.append(f"Content-Length: {len(body)}")
    if not keep:
        lines.append("Connection: close")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
