from __future__ import annotations

import atexit
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from functools import cache
from typing import Any, Tuple

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
    port = free_port()
    environment = {**os.environ, "DATABASE_URL": "", "SERVER_PORT": str(port), "DEVICE_LIMIT": "1000", **settings}
    log = folder() / f"log-{port}"
    with log.open("wb") as output:
        server = subprocess.Popen([folder() / "nexterm", "serve"], env=environment, stdout=output, stderr=output)
    atexit.register(server.wait)
    atexit.register(server.terminate)
    url = f"http://127.0.0.1:{port}"
    end = time.monotonic() + 60
    while not _ready(url):
        if server.poll() is not None or time.monotonic() > end:
            raise RuntimeError("the server does not get ready:\n" + log.read_text())
        time.sleep(0.05)
    return url, server


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz"):
            return True
    except urllib.error.URLError:
        return False


def sign_in(**options: Any) -> nexterm.Client:
    """A client with a session of its own."""
    return nexterm.login(address(), USERNAME, PASSWORD, **options)


def account(username: str) -> nexterm.Client:
    """A client of an account of its own, without rights."""
    sign_in().users.create(username=username, password=PASSWORD, first_name="Grace", last_name="Hopper")
    return nexterm.login(address(), username, PASSWORD)
