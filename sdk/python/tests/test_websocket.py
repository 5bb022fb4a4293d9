from __future__ import annotations

import base64
import hashlib
import http.client
import io
import json
import socket
import threading
import unittest
from contextlib import contextmanager
from typing import Iterator, List, Tuple
from unittest import mock

import nexterm
from nexterm._websocket import ACCEPT, Closed, Refused, WebSocket

FINAL = 0x80


def frame(opcode: int, payload: bytes, final: int = FINAL) -> bytes:
    """As a server sends it."""
    size = len(payload)
    if size < 126:
        head = bytes([final | opcode, size])
    elif size < 1 << 16:
        head = bytes([final | opcode, 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([final | opcode, 127]) + size.to_bytes(8, "big")
    return head + payload


def text(payload: str) -> bytes:
    return frame(1, payload.encode())


def close(code: int, reason: str = "") -> bytes:
    return frame(8, code.to_bytes(2, "big") + reason.encode())


def read_frame(data: bytes) -> Tuple[int, bytes, bytes]:
    """What a client has sent: the opcode, the payload without its mask, and the rest."""
    assert data[0] & 0x80 and data[1] & 0x80, "whole frames, masked"
    size, mask = data[1] & 0x7F, data[2:6]
    payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data[6 : 6 + size]))
    return data[0] & 0x0F, payload, data[6 + size :]


@contextmanager
def server(*connections: bytes, accept: str = "") -> Iterator[Tuple[str, List[bytes]]]:
    """Sends these bytes to one client after the other, and notes what they send."""
    seen: List[bytes] = []

    def serve() -> None:
        for sent in connections:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as reader:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    head += reader.readline()
                key = http.client.parse_headers(io.BytesIO(head.partition(b"\r\n")[2]))["Sec-WebSocket-Key"]
                answer = accept or base64.b64encode(hashlib.sha1((key + ACCEPT).encode()).digest()).decode()
                # In one piece: the first messages may come together with the answer.
                connection.sendall(
                    f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {answer}\r\n\r\n".encode() + sent
                )
                connection.shutdown(socket.SHUT_WR)
                seen.append(reader.read())

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", seen
        thread.join()


class Frames(unittest.TestCase):
    def listen(self, sent: bytes, limit: int = 1 << 20) -> Tuple[List[str], Closed, List[Tuple[int, bytes]]]:
        """What a client receives, how that ends, and what it sends."""
        received: List[str] = []
        with server(sent) as (place, seen):
            client = WebSocket(http.client.HTTPConnection(place), "/", "test", limit)
            client.settimeout(5)
            with self.assertRaises(Closed) as ended:
                while True:
                    received.append(client.receive())
            client.close()
        answers, rest = [], seen[0]
        while rest:
            opcode, payload, rest = read_frame(rest)
            answers.append((opcode, payload))
        return received, ended.exception, answers

    def test_messages(self) -> None:
        long, longer = "ä" * 500, "x" * 100_000
        received, ended, answers = self.listen(text("a") + text("") + text(long) + text(longer) + close(1001, "bye"))
        self.assertEqual(["a", "", long, longer], received)
        self.assertEqual((1001, "bye", False), (ended.code, ended.reason, ended.ours))
        self.assertEqual([(8, b"\x03\xe9")], answers)

    def test_parts(self) -> None:
        # A letter may be cut in two, and control frames come in between.
        whole = "grüße".encode()
        parts = frame(1, whole[:3], final=0) + frame(9, b"are you there") + frame(0, b"", final=0) + frame(10, b"") + frame(0, whole[3:])
        received, _, answers = self.listen(parts + close(1000))
        self.assertEqual(["grüße"], received)
        self.assertEqual([(10, b"are you there"), (8, b"\x03\xe8")], answers)

    def test_ends(self) -> None:
        for sent, code in ((frame(8, b""), 1005), (b"", 1006), (text("cut off")[:4], 1006), (frame(1, b"a", final=0), 1006), (b"\x81", 1006)):
            with self.subTest(sent):
                received, ended, _ = self.listen(sent)
                self.assertEqual(([], code, False), (received, ended.code, ended.ours))

    def test_broken_protocol(self) -> None:
        for name, sent, code in (
            ("masked", bytes([FINAL | 1, 0x80 | 1]) + b"maska", 1002),
            ("an extension", frame(1 | 0x40, b"a"), 1002),
            ("an unknown opcode", frame(3, b"a"), 1002),
            ("an unknown control frame", frame(11, b"a"), 1002),
            ("a part of nothing", frame(0, b"a"), 1002),
            ("a message in a message", frame(1, b"a", final=0) + text("b"), 1002),
            ("a control frame in parts", frame(9, b"a", final=0), 1002),
            ("a long control frame", frame(9, b"a" * 126), 1002),
            ("half a code", frame(8, b"a"), 1002),
            ("bytes", frame(2, b"a"), 1003),
            ("no UTF-8", frame(1, b"\xff"), 1007),
            ("too big", text("a" * 11), 1009),
            ("too big in parts", frame(1, b"a" * 6, final=0) + frame(0, b"a" * 5), 1009),
            ("absurdly big", bytes([FINAL | 1, 127]) + b"\xff" * 8, 1009),
        ):
            with self.subTest(name):
                received, ended, answers = self.listen(sent, limit=10)
                self.assertEqual(([], code, True), (received, ended.code, ended.ours))
                self.assertEqual([(8, code.to_bytes(2, "big"))], answers)

    def test_handshake(self) -> None:
        with server(b"", accept="somebody else's") as (place, _):
            connection = http.client.HTTPConnection(place)
            with self.assertRaises(Refused):
                WebSocket(connection, "/", "test", 10)
            connection.close()


class Feed(unittest.TestCase):
    def test_connects_again(self) -> None:
        update = text(json.dumps({"type": "SNIPPETS", "data": []}))
        news = text(json.dumps({"type": "WEATHER", "data": {"sun": True}}))
        with server(update, news + close(1013, "later"), update + text("{}")) as (place, seen), mock.patch("time.sleep"):
            updates = nexterm.Client(f"http://{place}", "t").watch()
            self.assertEqual(["SNIPPETS", "WEATHER", "SNIPPETS"], [next(updates).type for _ in range(3)])
            with self.assertRaisesRegex(nexterm.Unexpected, "not of the form"):
                next(updates)

    def test_gives_up(self) -> None:
        with server(b"", close(1013, "later"), close(1008, "too many")) as (place, _), mock.patch("time.sleep"):
            with self.assertRaisesRegex(nexterm.TooManyRequests, "1008 too many"):
                next(nexterm.Client(f"http://{place}", "t", retries=2).watch())

    def test_silence(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = nexterm.Client(f"http://127.0.0.1:{listener.getsockname()[1]}", "t", retries=0, timeout=0.1)
            with self.assertRaisesRegex(nexterm.Unavailable, "in time"):
                next(client.watch())

    def test_leaving_closes(self) -> None:
        with server(text(json.dumps({"type": "SNIPPETS", "data": []}))) as (place, seen):
            updates = nexterm.Client(f"http://{place}", "t").watch()
            next(updates)
            updates.close()
        self.assertEqual((8, b"\x03\xe8", b""), read_frame(seen[0]))
