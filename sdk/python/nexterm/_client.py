from __future__ import annotations

import ssl
import time
from datetime import datetime
from typing import Any, Callable, Generator

from . import models
from ._feed import StateUpdate, watch
from ._transport import Transport
from ._version import __version__
from .errors import Unauthorized
from .services import Services

POLL_PAUSE = 2.0
"""How many seconds the device flow waits before it asks again."""


class Client(Services):
    """Calls the API of one server, as one account or as nobody. It may be used by several threads.

    url: The server's address, such as https://nexterm.example.com.

    token: Of a session or an API key.

    retries: How many times a call is repeated where that is safe.

    timeout: How many seconds the server may be silent. Some operations take it a minute.

    context: Whom to trust over TLS, if not who the system trusts.

    user_agent: Names the program, for the server's list of sessions.
    """

    def __init__(
        self,
        url: str,
        token: str = "",
        *,
        retries: int = 4,
        timeout: float = 90,
        context: ssl.SSLContext | None = None,
        user_agent: str = f"nexterm-python/{__version__}",
    ) -> None:
        self._transport = Transport(url, token, retries, timeout, context, user_agent)
        super().__init__(self._transport)

    @property
    def token(self) -> str:
        """What the client is signed in with, to be kept for another one; empty if it is not."""
        return self._transport.token

    def watch(self) -> Generator[StateUpdate, None, None]:
        """Follow what the account sees: all lists at first, then each again when it changes.

        Connections that break off are opened again, and all lists come anew. It ends with an error,
        Unauthorized when the session has ended. API keys cannot watch. Proxies of the environment are
        not used.
        """
        return watch(self._transport)

    def logout(self) -> None:
        """End the session of the client's token. API keys are no sessions; they are deleted."""
        self.sessions.logout(token=self.token)

    def __repr__(self) -> str:
        return f"<nexterm client of {self._transport.base}>"


def login(url: str, username: str, password: str, *, totp: Callable[[], str] | None = None, **options: Any) -> Client:
    """Sign in with username and password.

    totp: Called for a code of the account's authenticator app, if the account needs one.

    options: As Client takes them.
    """
    nobody = Client(url, **options)
    answer = nobody.sessions.login(username=username, password=password)
    if isinstance(answer, models.CodeRequired):
        if totp is None:
            raise Unauthorized("the account needs a TOTP code; give totp to ask for it", operation="sessions.login")
        answer = nobody.sessions.login(username=username, password=password, code=totp())
    if isinstance(answer, models.CodeRequired):
        raise Unauthorized(answer.message, operation="sessions.login")
    return Client(url, answer.token, **options)


def login_with_device(url: str, show: Callable[[str, datetime], object], **options: Any) -> Client:
    """Sign in without a password.

    show: Gets a code for somebody who is signed in elsewhere to approve, and the time until which it
    holds.

    options: As Client takes them.
    """
    nobody = Client(url, **options)
    code = nobody.devices.create_code(client_type="connector")
    show(code.code, code.expires_at)
    while True:
        poll = nobody.devices.poll_code(token=code.token)
        if poll.token is not None:
            return Client(url, poll.token, **options)
        if poll.status != "pending":
            raise Unauthorized("the code was not approved in time", operation="devices.poll_code")
        time.sleep(POLL_PAUSE)
