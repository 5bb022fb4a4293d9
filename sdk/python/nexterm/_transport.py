"""Sends requests, again where that is safe, and says what went wrong."""

from __future__ import annotations

import enum
import http.client
import json
import random
import ssl
import time
import urllib.error
import urllib.request
from datetime import datetime, timezone
from typing import Any, Dict, Final, Tuple, Type, TypeVar, cast
from urllib.parse import quote, urlencode, urlsplit

from ._decode import Mismatch, decode
from ._failure import Answer, NotSent, broken, foreign, refused, unexpected, unreachable
from .errors import BadRequest, Error

T = TypeVar("T")

FIRST_PAUSE = 0.1
"""Doubled with each attempt, up to MAX_PAUSE."""
MAX_PAUSE = 5.0
PATIENCE = 30.0
"""The longest Retry-After that is waited for; the caller decides about more."""

LONGEST_ANSWER, LONGEST_ERROR = 256 << 20, 64 << 10
"""In bytes."""


class Omit(enum.Enum):
    """The type of OMIT."""

    OMIT = enum.auto()

    def __repr__(self) -> str:
        return "OMIT"


OMIT: Final = Omit.OMIT
"""An argument that is not given; None is JSON's null."""


class _Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        try:
            super().connect()
        except OSError as error:
            raise NotSent(error) from error


class _TLSConnection(http.client.HTTPSConnection):
    def connect(self) -> None:
        try:
            super().connect()
        except OSError as error:
            raise NotSent(error) from error


class _Handler(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    def __init__(self, context: ssl.SSLContext) -> None:
        urllib.request.HTTPHandler.__init__(self)
        self.context = context

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Connection, request)

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(cast(Any, _TLSConnection), request, context=self.context)


class _EveryStatus(urllib.request.HTTPErrorProcessor):
    """Answers outside 2xx are answers. Whom a redirect leads to, the token does not belong to."""

    def http_response(self, request: Any, response: Any) -> Any:
        return response

    https_response = http_response


class Transport:
    def __init__(self, url: str, token: str, retries: int, timeout: float, context: ssl.SSLContext | None, user_agent: str) -> None:
        self.base = _base(url)
        if any(not "!" <= letter <= "~" for letter in token):
            raise BadRequest("the token has characters in it that no token has, such as the end of a line")
        self.token, self.retries, self.timeout, self.user_agent = token, retries, timeout, user_agent
        self.context = context or ssl.create_default_context()
        self._opener = urllib.request.build_opener(_Handler(self.context), _EveryStatus)

    def send(
        self,
        operation: str,
        method: str,
        path: str,
        body: Dict[str, Any] | bytes | None = None,
        query: Dict[str, Any] | None = None,
        token_in_query: bool = False,
    ) -> Answer:
        for part in path[1:].split("/"):
            if part in ("", ".", ".."):  # It would lead to another operation.
                raise BadRequest(f"there is nothing that can have {part!r} for an id", operation=operation)
        headers = {"User-Agent": self.user_agent}
        parameters = {name: _text(value) for name, value in (query or {}).items() if value is not OMIT}
        if token_in_query:
            parameters["token"] = self.token
        elif self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data, content_type = _encode(operation, body)
        if content_type:
            headers["Content-Type"] = content_type
        address = self.base + path + ("?" + urlencode(parameters) if parameters else "")
        attempt = 0
        while True:
            try:
                return self._once(operation, urllib.request.Request(address, data, headers, method=method))
            except Error as error:
                # What changes something is sent again only when it certainly has not been done.
                again = error._repeat == "always" or error._repeat == "reads" and method == "GET"
                if not again or attempt == self.retries or (error.retry_after or 0) > PATIENCE:
                    raise
                wait = error.retry_after or 0
            pause(attempt, wait)
            attempt += 1

    def connection(self, scheme: str, place: str) -> http.client.HTTPConnection:
        if scheme == "https":
            return _TLSConnection(place, timeout=self.timeout, context=self.context)
        return _Connection(place, timeout=self.timeout)

    def _once(self, operation: str, request: urllib.request.Request) -> Answer:
        # What exceptions say may have the address in it, and that may have the token.
        try:
            response = self._opener.open(request, timeout=self.timeout)
        except urllib.error.URLError as error:
            raise unreachable(operation, error.reason) from None
        except OSError as error:
            raise unreachable(operation, error) from None
        except http.client.HTTPException:
            raise foreign(operation) from None
        with response:
            answer = Answer(operation, response.status, response.headers)
            good = 200 <= answer.status < 300
            try:
                answer.body = response.read(LONGEST_ANSWER + 1 if good else LONGEST_ERROR)
            except (OSError, http.client.HTTPException) as error:
                raise broken(answer, error) from None
        if not good:
            raise refused(answer)
        if len(answer.body) > LONGEST_ANSWER:
            raise unexpected(answer, "the answer is too big")
        # What was announced, and has not come.
        if response.length:
            raise broken(answer, http.client.IncompleteRead(b""))
        return answer


class Service:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def _call(self, kind: Type[T], operation: str, method: str, path: str, **rest: Any) -> T:
        answer = self._transport.send(operation, method, path, **rest)
        if kind is bytes:
            return cast(T, answer.body)
        value = self._json(answer)
        try:
            return decode(kind, value)
        except Mismatch as mismatch:
            raise unexpected(answer, f"the answer is not of the form that the contract says: {mismatch}") from None

    def _do(self, operation: str, method: str, path: str, **rest: Any) -> None:
        self._json(self._transport.send(operation, method, path, **rest))

    def _json(self, answer: Answer) -> Any:
        if not answer.is_json():
            raise unexpected(answer, f"the answer is {answer.media_type()}, not JSON; is this the address of a nexterm server?")
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError):
            raise unexpected(answer, "the answer is broken JSON") from None


def pause(attempt: int, wait: float = 0) -> None:
    """Clients that failed together do not come back together."""
    time.sleep(wait + min(FIRST_PAUSE * 2**attempt, MAX_PAUSE) * random.uniform(0.5, 1))


def segment(value: int | str) -> str:
    """One part of a path, whatever is in it."""
    return quote(str(value), safe="")


def _base(url: str) -> str:
    try:
        parts = urlsplit(url)
        parts.port
    except ValueError:
        # What cannot be parsed may have a password in it.
        raise BadRequest("the address of the server is not a URL") from None
    if parts.username is not None or parts.query or parts.fragment:
        raise BadRequest("the address of the server has more to it than scheme, host and path")
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isascii() or not url.isprintable() or " " in url:
        raise BadRequest(f"the address of the server, {url!r}, is not like https://nexterm.example.com")
    return url.rstrip("/")


def _encode(operation: str, body: Any) -> Tuple[bytes | None, str]:
    if body is None:
        return None, ""
    if isinstance(body, bytes):
        return body, "application/octet-stream"
    members = {name: value for name, value in body.items() if value is not OMIT}
    try:
        return json.dumps(members, allow_nan=False, default=_text).encode(), "application/json"
    except (TypeError, ValueError):
        # What these say may have a secret in it.
        raise BadRequest("an argument cannot be written as JSON", operation=operation) from None


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat(timespec="milliseconds")
    if isinstance(value, (str, int, float)):
        return str(value)
    raise TypeError
