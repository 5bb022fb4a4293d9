"""What is no nexterm server, or cannot be reached."""

from __future__ import annotations

import http.server
import pathlib
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import traceback
import unittest
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List, Tuple, Type
from unittest import mock

import nexterm
from nexterm import _transport

from .server import address, refusing_port

CANARY = "canary-7f3a"
PAGE = f"<html>{CANARY}</html>"

Handle = Callable[[http.server.BaseHTTPRequestHandler], None]


def answer(status: int, headers: Dict[str, str], body: str = "") -> Handle:
    def handle(request: http.server.BaseHTTPRequestHandler) -> None:
        request.rfile.read(int(request.headers.get("Content-Length", 0)))
        request.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body.encode())

    return handle


def break_off(request: http.server.BaseHTTPRequestHandler) -> None:
    request.rfile.read(int(request.headers.get("Content-Length", 0)))


JSON, HTML = {"Content-Type": "application/json"}, {"Content-Type": "text/html; charset=utf-8"}
OK = answer(200, JSON, "[]")


@contextmanager
def foreign(*answers: Handle, context: ssl.SSLContext | None = None) -> Iterator[Any]:
    """A server that answers one after the other, and the last one again and again."""
    seen: List[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            seen.append(f"{self.command} {self.path}")
            answers[min(len(seen), len(answers)) - 1](self)

        do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = handle_any

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """Clients are meant to hang up."""

    with Server(("127.0.0.1", 0), Handler) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}", seen
        finally:
            server.shutdown()
            thread.join()


class Hostile(unittest.TestCase):
    def fails(self, kind: Type[nexterm.Error], status: int, text: str, call: Callable[[], object]) -> nexterm.Error:
        with self.assertRaises(kind) as failed:
            call()
        error = failed.exception
        self.assertIs(kind, type(error))
        self.assertEqual(status, error.status)
        self.assertIn(text, str(error))
        shown = str(error) + repr(error) + "".join(traceback.format_exception(error))
        self.assertNotIn(CANARY, shown.replace("CANARY", ""))
        return error

    def test_ids_that_lead_elsewhere(self) -> None:
        client = self.client("http://127.0.0.1:1")
        for id in ("", ".", ".."):
            self.fails(nexterm.BadRequest, 0, "nothing that can have", lambda: client.connections.get(id))

    def client(self, url: str, retries: int = 0, **options: Any) -> nexterm.Client:
        return nexterm.Client(url, CANARY, retries=retries, **options)

    def test_wrong_addresses(self) -> None:
        for url, text in {
            "": "is not like https://nexterm.example.com",
            "localhost:6989": "is not like https://nexterm.example.com",
            "ftp://nexterm.example.com": "is not like https://nexterm.example.com",
            "https://": "is not like https://nexterm.example.com",
            "https://a b": "is not like https://nexterm.example.com",
            f"https://ada:{CANARY}@host": "has more to it",
            f"ftp://ada:{CANARY}@host": "has more to it",
            f"https://host/?token={CANARY}": "has more to it",
            f"https://host:{CANARY}": "is not a URL",
        }.items():
            with self.subTest(url):
                self.fails(nexterm.BadRequest, 0, text, lambda: nexterm.Client(url))
        self.fails(nexterm.BadRequest, 0, "the end of a line", lambda: nexterm.Client("http://host", CANARY + "\n"))
        self.assertEqual("<nexterm client of https://host/nexterm>", repr(nexterm.Client("https://host/nexterm/", CANARY)))

    def test_foreign_answers(self) -> None:
        for handle, kind, status, text in (
            (answer(502, HTML, PAGE), nexterm.Unavailable, 502, "Bad Gateway, and the answer is text/html"),
            (answer(403, HTML, PAGE), nexterm.Unexpected, 403, "is there a proxy in between?"),
            (answer(200, HTML, PAGE), nexterm.Unexpected, 200, "text/html, not JSON"),
            (answer(200, {}, PAGE), nexterm.Unexpected, 200, "of no known type"),
            (answer(404, JSON, f'{{"error": "{CANARY}"}}'), nexterm.Unexpected, 404, "Not Found"),
            (answer(799, JSON, "[]"), nexterm.Unexpected, 799, "not a status of HTTP"),
            (answer(200, JSON, f'{{"id": "{CANARY}"}}'), nexterm.Unexpected, 200, "id is not a whole number"),
            (answer(200, JSON, '{"id": 1}'), nexterm.Unexpected, 200, "name is not there"),
            (answer(200, JSON, f'{{"id": {CANARY}'), nexterm.Unexpected, 200, "broken JSON"),
            (answer(200, JSON, "[" * 100000), nexterm.Unexpected, 200, "broken JSON"),
            (answer(200, JSON, "null"), nexterm.Unexpected, 200, "it is not an object"),
            (answer(307, {"Location": f"https://u:p@other.example.com:8443/?token={CANARY}"}), nexterm.Unexpected, 307, "to https://other.example.com:8443;"),
            (answer(200, {**JSON, "Content-Length": "100"}, '{"id": 1'), nexterm.Unexpected, 200, "breaks off (IncompleteRead)"),
            (break_off, nexterm.Unavailable, 0, "does not answer: RemoteDisconnected"),
        ):
            with self.subTest(text), foreign(handle) as (url, _):
                self.fails(kind, status, text, lambda: self.client(url).entries.get(1))
        with foreign(answer(200, HTML, PAGE)) as (url, _):
            self.fails(nexterm.Unexpected, 200, "not JSON", lambda: self.client(url).entries.delete(1))

    def test_answers_are_bounded(self) -> None:
        with mock.patch.object(_transport, "LONGEST_ANSWER", 10), foreign(answer(200, JSON, '["12345678"]')) as (url, _):
            self.fails(nexterm.Unexpected, 200, "too big", self.client(url).entries.list)

    def test_no_server(self) -> None:
        with refusing_port() as port:
            client = self.client(f"http://127.0.0.1:{port}")
            self.fails(nexterm.Unavailable, 0, "entries.list: the server does not answer: Connection refused", client.entries.list)
            # Its token is in the address.
            self.fails(nexterm.Unavailable, 0, "Connection refused", lambda: client.account.get_avatar(1))
            self.fails(nexterm.Unavailable, 0, "Connection refused", lambda: next(client.watch()))
        self.fails(nexterm.Unavailable, 0, "does not answer", self.client("http://no-such-host.invalid").entries.list)

    def test_another_protocol(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def greet() -> None:
                for _ in range(2):
                    connection, _ = listener.accept()
                    with connection:
                        connection.sendall(f"SSH-2.0-{CANARY}\r\n".encode())
                        connection.recv(1 << 16)

            thread = threading.Thread(target=greet)
            thread.start()
            client = self.client(f"http://127.0.0.1:{listener.getsockname()[1]}")
            self.fails(nexterm.Unexpected, 0, "does not speak HTTP", client.entries.list)
            self.fails(nexterm.Unexpected, 0, "does not speak HTTP", lambda: next(client.watch()))
            thread.join()

    def test_silence(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = self.client(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=0.1, retries=4)
            self.fails(nexterm.Unavailable, 0, "does not answer in time", client.entries.list)

    def test_certificate_that_nobody_signed(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            pem = pathlib.Path(folder, "pem")
            command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
            command += ["-subj", "/CN=host", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(pem), "-out", f"{pem}.crt"]
            subprocess.run(command, check=True, capture_output=True)
            own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            own.load_cert_chain(f"{pem}.crt", pem)
            trusting = ssl.create_default_context(cafile=f"{pem}.crt")
        with foreign(OK, context=own) as (url, seen), mock.patch("time.sleep") as pauses:
            client = self.client(url, retries=4)
            self.fails(nexterm.Unavailable, 0, "certificate is not to be trusted: self-signed", client.entries.list)
            self.fails(nexterm.Unavailable, 0, "certificate is not to be trusted", lambda: next(client.watch()))
            pauses.assert_not_called()
            self.assertEqual([], seen)
            self.assertEqual([], self.client(url, context=trusting).entries.list())
        with foreign(OK) as (url, _):
            client = self.client(url.replace("http:", "https:"))
            self.fails(nexterm.Unexpected, 0, "may begin with http://", client.entries.list)

    def test_redirects_do_not_get_the_token(self) -> None:
        with foreign(OK) as (other, seen), foreign(answer(302, {"Location": other})) as (url, _):
            self.fails(nexterm.Unexpected, 302, f"the server redirects to {other}", self.client(url).entries.list)
            self.fails(nexterm.Unexpected, 302, f"the server redirects to {other}", lambda: next(self.client(url).watch()))
            self.assertEqual([], seen)

    def test_wrong_token(self) -> None:
        client = self.client(address(), retries=4)
        self.fails(nexterm.Unauthorized, 401, "(request ", client.entries.list)
        self.fails(nexterm.Unauthorized, 0, "watch: ", lambda: next(client.watch()))

    def test_secrets_of_calls(self) -> None:
        def call() -> object:
            return self.client(address()).identities.create(name="x", type="ssh", password=CANARY, ssh_key={CANARY})  # type: ignore[arg-type]

        self.fails(nexterm.BadRequest, 0, "cannot be written as JSON", call)


class Retries(unittest.TestCase):
    def setUp(self) -> None:
        pauses = mock.patch("time.sleep")
        self.pauses = pauses.start()
        self.addCleanup(pauses.stop)

    def requests(self, call: Callable[[nexterm.Client], object], *answers: Handle, retries: int = 2) -> List[str]:
        with foreign(*answers) as (url, seen):
            try:
                call(nexterm.Client(url, retries=retries))
            except nexterm.Error as error:
                return [*seen, type(error).__name__]
            return [*seen]

    def test_what_is_repeated(self) -> None:
        busy, away, broken = answer(429, JSON, '{"message": "m"}'), answer(503, JSON, '{"message": "m"}'), answer(500, JSON, '{"message": "m"}')
        read, write = "GET /api/tag/list", "DELETE /api/tag/1"

        def reading(client: nexterm.Client) -> object:
            return client.tags.list()

        def writing(client: nexterm.Client) -> None:
            client.tags.delete(1)

        cases: List[Tuple[Callable[[nexterm.Client], object], List[Handle], List[str]]] = [
            (reading, [busy, away, OK], [read, read, read]),
            (reading, [break_off, answer(504, HTML), OK], [read, read, read]),
            (reading, [away], [read, read, read, "Unavailable"]),
            (reading, [broken], [read, "Error"]),
            (reading, [answer(200, HTML)], [read, "Unexpected"]),
            (reading, [answer(200, {**JSON, "Content-Length": "9"}), OK], [read, read]),
            (writing, [busy, OK], [write, write]),
            (writing, [away], [write, "Unavailable"]),
            (writing, [break_off], [write, "Unavailable"]),
        ]
        for call, answers, seen in cases:
            with self.subTest(seen=seen):
                self.assertEqual(seen, self.requests(call, *answers))

    def test_nothing_was_sent(self) -> None:
        with self.assertRaises(nexterm.Unavailable), refusing_port() as port:
            nexterm.Client(f"http://127.0.0.1:{port}", retries=3).tags.delete(1)
        pauses = [call.args[0] for call in self.pauses.call_args_list]
        self.assertEqual(3, len(pauses))
        for pause, longest in zip(pauses, (0.1, 0.2, 0.4)):
            self.assertTrue(longest / 2 <= pause <= longest, pauses)

    def test_retry_after(self) -> None:
        def wait(value: str) -> Handle:
            return answer(429, {**JSON, "Retry-After": value}, '{"message": "m"}')

        seconds = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 8))
        self.requests(lambda client: client.tags.list(), wait("7"), wait(seconds), OK)
        first, second = [call.args[0] for call in self.pauses.call_args_list if call.args and call.args[0] > 1]
        self.assertTrue(7 <= first < 8 and 6 <= second < 9, (first, second))
        self.assertEqual(["GET /api/tag/list", "TooManyRequests"], self.requests(lambda client: client.tags.list(), wait("31")))

    def test_watch_connects_again(self) -> None:
        seen = self.requests(lambda client: next(client.watch()), answer(503, HTML), break_off, answer(404, HTML))
        self.assertEqual(3, sum("/api/ws/state" in request for request in seen))
        self.assertEqual("Unexpected", seen[-1])
