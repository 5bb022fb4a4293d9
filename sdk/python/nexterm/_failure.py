"""Says of what went wrong what it is, without anything secret that may be in it."""

from __future__ import annotations

import email.utils
import http.client
import json
import ssl
import time
from dataclasses import dataclass, field
from email.message import Message
from typing import Any
from urllib.parse import urlsplit

from .errors import KINDS, Error, Repeat, Unavailable, Unexpected


class NotSent(OSError):
    """The connection failed before there was a request in it."""


@dataclass
class Answer:
    operation: str
    status: int
    headers: Message = field(repr=False)
    body: bytes = field(default=b"", repr=False)

    def media_type(self) -> str:
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower() or "of no known type"

    def is_json(self) -> bool:
        return self.media_type() == "application/json"

    def facts(self) -> Any:
        return {
            "operation": self.operation,
            "status": self.status,
            "request_id": self.headers.get("X-Request-Id", ""),
            "retry_after": _seconds(self.headers.get("Retry-After", "")),
        }


def _seconds(header: str) -> float | None:
    """Reads seconds, or a time (RFC 9110, section 10.2.3)."""
    if header.isdecimal():
        return float(header)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return None


def unexpected(answer: Answer, message: str) -> Unexpected:
    return Unexpected(message, **answer.facts())


def refused(answer: Answer) -> Error:
    """Of answers outside 2xx: the server's, or those of something in between."""
    if 300 <= answer.status < 400:
        return unexpected(answer, f"the server redirects{_target(answer)}; what it leads to may be the address to use")
    kind = KINDS.get(answer.status, Error)
    repeat: Repeat = "always" if answer.status == 429 else "reads" if kind is Unavailable else "never"
    try:
        message = json.loads(answer.body)["message"] if answer.is_json() else None
    except (ValueError, RecursionError, KeyError, TypeError):
        message = None
    if isinstance(message, str) and message:
        return kind(message, repeat=repeat, **answer.facts())
    reason = http.client.responses.get(answer.status, "not a status of HTTP")
    if kind is not Unavailable:
        kind, repeat = Unexpected, "never"
    return kind(f"{reason}, and the answer is {answer.media_type()}; is there a proxy in between?", repeat=repeat, **answer.facts())


def _target(answer: Answer) -> str:
    """Where a redirect leads, without what may be secret in it."""
    try:
        parts = urlsplit(answer.headers.get("Location", ""))
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    return f" to {parts.scheme}://{parts.hostname}{port}" if parts.hostname else ""


def unreachable(operation: str, reason: Any) -> Error:
    """Of requests that got no answer."""
    sent = not isinstance(reason, NotSent)
    cause = reason.__cause__ if isinstance(reason, NotSent) else reason
    if isinstance(cause, ssl.SSLCertVerificationError):
        return Unavailable(f"the server's certificate is not to be trusted: {cause.verify_message}", operation=operation)
    if isinstance(cause, ssl.SSLError):
        return Unexpected(f"TLS fails ({cause.reason}); the server's address may begin with http://", operation=operation)
    if isinstance(cause, TimeoutError):
        # It has taken its time already.
        return Unavailable("the server does not answer in time", operation=operation)
    return Unavailable(f"the server does not answer: {_reason(cause)}", operation=operation, repeat="reads" if sent else "always")


def foreign(operation: str) -> Unexpected:
    return Unexpected("what answers does not speak HTTP", operation=operation)


def broken(answer: Answer, error: Exception) -> Unexpected:
    """Of answers that are lost on the way."""
    return Unexpected(f"the answer breaks off ({_reason(error)})", repeat="reads", **answer.facts())


def _reason(error: Any) -> str:
    return str(getattr(error, "strerror", None) or type(error).__name__)
