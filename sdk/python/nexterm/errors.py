"""What calls fail with."""

from __future__ import annotations

from typing import Dict, Literal, Type


Repeat = Literal["never", "reads", "always"]


class Error(Exception):
    """What every call fails with. It never has a secret in it."""

    def __init__(
        self,
        message: str,
        *,
        operation: str = "",
        status: int = 0,
        request_id: str = "",
        retry_after: float | None = None,
        repeat: Repeat = "never",
    ) -> None:
        super().__init__(message)
        self.message = message
        """Says what is wrong, for people."""
        self.operation = operation
        """The method that failed, such as entries.create."""
        self.status = status
        """The answer's status, 0 without an answer."""
        self.request_id = request_id
        """Finds the request in the server's log, if it got there."""
        self.retry_after = retry_after
        """How many seconds the server wants to be left alone, if it says so."""
        self._repeat = repeat

    def __str__(self) -> str:
        text = f"{self.operation}: " if self.operation else ""
        text += f"{self.status} " if self.status else ""
        text += self.message
        return text + (f" (request {self.request_id})" if self.request_id else "")


class BadRequest(Error):
    """What was asked for is not valid."""


class Unauthorized(Error):
    """The token, the password or the code is not valid, or is missing."""


class Forbidden(Error):
    """The account may not do this."""


class NotFound(Error):
    """It does not exist, or the account may not see it."""


class Conflict(Error):
    """It contradicts what there is."""


class TooManyRequests(Error):
    """A limit is reached; retry_after says for how long."""


class Unavailable(Error):
    """The server cannot be reached, or cannot serve for now."""


class Unexpected(Error):
    """What answers does not speak this API, as a proxy's page or a redirect, or breaks off."""


KINDS: Dict[int, Type[Error]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: BadRequest,
    415: BadRequest,
    429: TooManyRequests,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}
