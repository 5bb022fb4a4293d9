from __future__ import annotations

import http.client
import json
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Dict, Generator, List, Literal, Type
from urllib.parse import urlencode, urlsplit

from . import models
from ._decode import Mismatch, decode
from ._failure import Answer, foreign, refused, unreachable
from ._transport import LONGEST_ANSWER, LONGEST_ERROR, Transport, pause
from ._websocket import LOST, Closed, Refused, WebSocket
from .errors import Error, TooManyRequests, Unauthorized, Unavailable, Unexpected

SILENCE = 75.0
"""How many seconds a connection may be without the server's pings, which come every 30."""

# Close codes of the server.
POLICY_VIOLATION, TOKEN_MISSING, TOKEN_INVALID, SESSION_ENDED = 1008, 4001, 4003, 4010


@dataclass(frozen=True)
class StateUpdate:
    """A list as it is now. type says which of the fields is set."""

    type: Literal["ENTRIES", "IDENTITIES", "SNIPPETS", "CONNECTIONS", "LIVE_SESSIONS"]

    data: Any = field(repr=False)
    """Every list as it came."""

    entries: List[models.EntryNode] | None = None
    """What entries.tree() answers."""

    identities: List[models.Identity] | None = None
    """What identities.list() answers."""

    snippets: List[models.Snippet] | None = None
    """What snippets.list() answers."""


LISTS: Dict[str, Any] = {"ENTRIES": List[models.EntryNode], "IDENTITIES": List[models.Identity], "SNIPPETS": List[models.Snippet]}


def watch(transport: Transport) -> Generator[StateUpdate, None, None]:
    attempt = 0
    while True:
        try:
            with closing(_connection(transport)) as updates:
                for update in updates:
                    attempt = 0
                    yield update
        except Error as error:
            if error._repeat == "never" or attempt == transport.retries:
                raise
        pause(attempt)
        attempt += 1


def _connection(transport: Transport) -> Generator[StateUpdate, None, None]:
    socket = _open(transport)
    try:
        while True:
            message = socket.receive()
            try:
                frame = decode(_Frame, json.loads(message))
                # The code that the server closes with says it again.
                if frame.type == "LOGOUT":
                    continue
                lists = {frame.type.lower(): decode(LISTS[frame.type], frame.data)} if frame.type in LISTS else {}
            except (ValueError, RecursionError, Mismatch):
                raise Unexpected("a message is not of the form that the contract says", operation="watch") from None
            yield StateUpdate(frame.type, frame.data, **lists)
    except Closed as closed:
        raise _ended(closed) from None
    finally:
        socket.close()


@dataclass(frozen=True)
class _Frame:
    type: Any
    data: Any


def _open(transport: Transport) -> WebSocket:
    parts = urlsplit(transport.base)
    query = urlencode({"sessionToken": transport.token})
    connection = transport.connection(parts.scheme, parts.netloc)
    socket = None
    try:
        socket = WebSocket(connection, f"{parts.path}/api/ws/state?{query}", transport.user_agent, LONGEST_ANSWER)
    except Refused as error:
        response = error.response
        raise refused(Answer("watch", response.status, response.headers, response.read(LONGEST_ERROR))) from None
    except OSError as error:
        raise unreachable("watch", error) from None
    except http.client.HTTPException:
        raise foreign("watch") from None
    finally:
        if socket is None:
            connection.close()
    socket.settimeout(SILENCE)
    return socket


def _ended(closed: Closed) -> Error:
    if closed.ours:
        return Unexpected(closed.reason, operation="watch")
    if closed.code in (TOKEN_MISSING, TOKEN_INVALID, SESSION_ENDED):
        return Unauthorized(closed.reason, operation="watch")
    kind: Type[Error] = TooManyRequests if closed.code == POLICY_VIOLATION else Unavailable
    reason = closed.reason if closed.code == LOST else f"the server has ended the connection: {closed.code} {closed.reason}".rstrip()
    return kind(reason, operation="watch", repeat="always")
