from __future__ import annotations

import atexit
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from functools import cache
from typing import Any, Iterator, Tuple

import nexterm

ROOT = pathlib.Path(__file__).resolve().parents[3]
USERNAME, PASSWORD = "ada", "correct horse battery staple"

# Of whatever proxy there is, none is asked for this machine.
os.environ["no_proxy"] = "127.0.0.1,localhost"


@cache
def folder() -> pathlib.Path:
    """Where the server's program and its database are."""
    made = pathlib.Path(tempfile.mkdtemp(prefix="nexterm-sdk"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    # The account that PostgreSQL runs as has to get to its files.
    made.chmod(0o755)
    subprocess.run(["go", "build", "-trimpath", "-o", made / "nexterm", "."], cwd=ROOT, check=True)
    return made


@cache
def address() -> str:
    """The address of a real server with one account, an administrator's."""
    url, _ = start(DATA_DIR=str(folder() / "data"))
    nexterm.Client(url).account.register(username=USERNAME, password=PASSWORD, first_name="Ada", last_name="Lovelace")
    return url


def start(**settings: str) -> Tuple[str, subprocess.Popen[bytes]]:
    """A server, and its process, which ends with this one."""
    environment = {**os.environ, "DATABASE_URL": "", "SERVER_PORT": "0", "DEVICE_LIMIT": "1000", **settings}
    descriptor, log = tempfile.mkstemp(prefix="log-", dir=folder())
    with open(descriptor, "wb") as output:
        server = subprocess.Popen([folder() / "nexterm", "serve"], env=environment, stdout=output, stderr=output)
    atexit.register(server.wait)
    atexit.register(server.terminate)
    end = time.monotonic() + 60
    # The port is the server's choice: one that is looked for before may be lost to somebody else.
    while not (ready := re.search(r"is ready: http://localhost:(\d+)\n", pathlib.Path(log).read_text())):
        if server.poll() is not None or time.monotonic() > end:
            raise RuntimeError("the server does not get ready:\n" + pathlib.Path(log).read_text())
        time.sleep(0.05)
    return f"http://127.0.0.1:{ready[1]}", server


@contextmanager
def refusing_port() -> Iterator[int]:
    """A port that is taken, so that nobody else gets it, and where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        yield port


def sign_in(**options: Any) -> nexterm.Client:
    """A client with a session of its own."""
    return nexterm.login(address(), USERNAME, PASSWORD, **options)


def account(username: str) -> nexterm.Client:
    """A client of an account of its own, without rights."""
    sign_in().users.create(username=username, password=PASSWORD, first_name="Grace", last_name="Hopper")
    return nexterm.login(address(), username, PASSWORD)
