"""A client of nexterm, which keeps a team's connections to servers and the credentials for them.

    client = nexterm.login("https://nexterm.example.com", "ada", "correct horse battery staple")
    for entry in client.entries.list():
        print(entry.name, entry.ip)
"""

from . import models
from ._client import Client, login, login_with_device
from ._feed import StateUpdate
from ._transport import OMIT, Omit
from ._version import __version__
from .errors import (
    BadRequest,
    Conflict,
    Error,
    Forbidden,
    NotFound,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Unexpected,
)

__all__ = [
    "BadRequest",
    "Client",
    "Conflict",
    "Error",
    "Forbidden",
    "NotFound",
    "OMIT",
    "Omit",
    "StateUpdate",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "Unexpected",
    "__version__",
    "login",
    "login_with_device",
    "models",
]
