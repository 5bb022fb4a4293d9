"""The client's half of RFC 6455, as far as listening needs it."""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
from typing import BinaryIO, Tuple

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

NORMAL, PROTOCOL_ERROR, UNSUPPORTED, NO_CODE, LOST, INVALID_TEXT, TOO_BIG = 1000, 1002, 1003, 1005, 1006, 1007, 1009

ACCEPT = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Closed(Exception):
    """The connection has ended. ours: the other side broke the protocol, and we have ended it."""

    def __init__(self, code: int, reason: str, ours: bool = False) -> None:
        super().__init__(code, reason)
        self.code, self.reason, self.ours = code, reason, ours


class Refused(Exception):
    """The answer to the handshake is no WebSocket."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        super().__init__(response.status)
        self.response = response


class WebSocket:
    def __init__(self, connection: http.client.HTTPConnection, path: str, user_agent: str, limit: int) -> None:
        """Open it. limit: the bytes that a message may have."""
        key = base64.b64encode(os.urandom(16)).decode()
        connection.request(
            "GET",
            path,
            headers={
                "Upgrade": "websocket",
                "Connection": "Upgrade",
                "Sec-WebSocket-Key": key,
                "Sec-WebSocket-Version": "13",
                "User-Agent": user_agent,
            },
        )
        # The response would close the socket that it thinks is at its end.
        self._socket = connection.sock
        response = connection.getresponse()
        accept = base64.b64encode(hashlib.sha1((key + ACCEPT).encode()).digest()).decode()
        if response.status != 101 or response.headers.get("Sec-WebSocket-Accept") != accept:
            raise Refused(response)
        # The response, once forgotten, would close what is read from.
        self._connection, self._response, self._limit = connection, response, limit
        self._reader: BinaryIO = response.fp
        self._closing = False

    def settimeout(self, seconds: float) -> None:
        """How long the other side may be silent."""
        self._socket.settimeout(seconds)

    def receive(self) -> str:
        """The next text message. Pings are answered meanwhile."""
        message = bytearray()
        begun = False
        while True:
            final, opcode, payload = self._frame(len(message))
            if opcode == PING:
                self._send(PONG, payload)
            elif opcode == CLOSE:
                raise self._closed(payload)
            elif opcode == BINARY:
                raise self._fail(UNSUPPORTED, "a message is not text")
            elif opcode in (TEXT, CONTINUATION):
                if begun != (opcode == CONTINUATION):
                    raise self._fail(PROTOCOL_ERROR, "the parts of a message are out of order")
                begun = True
                message += payload
                if final:
                    break
            elif opcode != PONG:
                raise self._fail(PROTOCOL_ERROR, "a frame is of no known type")
        try:
            return message.decode()
        except UnicodeDecodeError:
            raise self._fail(INVALID_TEXT, "a message is not UTF-8") from None

    def close(self, code: int = NORMAL) -> None:
        """End it without waiting for the other side to agree."""
        if not self._closing:
            self._closing = True
            try:
                self._send(CLOSE, code.to_bytes(2, "big"))
            except Closed:
                pass
        self._connection.close()

    def _frame(self, before: int) -> Tuple[bool, int, bytes]:
        first, second = self._read(2)
        opcode, size = first & 0x0F, second & 0x7F
        if first & 0x70:
            raise self._fail(PROTOCOL_ERROR, "a frame uses an extension")
        if second & 0x80:
            raise self._fail(PROTOCOL_ERROR, "a frame of the server is masked")
        if opcode >= CLOSE and (size > 125 or not first & 0x80):
            raise self._fail(PROTOCOL_ERROR, "a control frame is too long or in parts")
        if size == 126:
            size = int.from_bytes(self._read(2), "big")
        elif size == 127:
            size = int.from_bytes(self._read(8), "big")
        if before + size > self._limit:
            raise self._fail(TOO_BIG, "a message is too big")
        return bool(first & 0x80), opcode, self._read(size)

    def _read(self, size: int) -> bytes:
        try:
            data = self._reader.read(size)
        except (OSError, ValueError) as error:
            raise Closed(LOST, "the server is silent" if isinstance(error, TimeoutError) else "the connection broke off") from None
        if len(data) < size:
            raise Closed(LOST, "the connection broke off")
        return data

    def _send(self, opcode: int, payload: bytes) -> None:
        """Send a control frame, which has at most 125 bytes."""
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        try:
            self._socket.sendall(bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + masked)
        except OSError:
            raise Closed(LOST, "the connection broke off") from None

    def _closed(self, payload: bytes) -> Closed:
        """The other side has ended it; RFC 6455 wants its code sent back."""
        if len(payload) == 1:
            return self._fail(PROTOCOL_ERROR, "the end has half a code")
        code = int.from_bytes(payload[:2], "big") if payload else NO_CODE
        self.close(code if payload else NORMAL)
        return Closed(code, payload[2:].decode(errors="replace"))

    def _fail(self, code: int, reason: str) -> Closed:
        self.close(code)
        return Closed(code, reason, ours=True)
