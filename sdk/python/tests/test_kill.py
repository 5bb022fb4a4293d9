from __future__ import annotations

import itertools
import socket
import threading
import time
import unittest
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import List, Tuple
from urllib.parse import urlsplit

import nexterm

from .server import account, address, folder, start


def proxy(listener: socket.socket, backends: List[str]) -> None:
    """Leads one connection after the other to one server after the other, whether it lives or not; who
    is gone is taken out of the list by somebody else.
    """

    def copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def lead(client: socket.socket, backend: str) -> None:
        parts = urlsplit(backend)
        with client, suppress(OSError):
            with socket.create_connection((str(parts.hostname), parts.port or 0)) as server:
                back = threading.Thread(target=copy, args=(server, client))
                back.start()
                copy(client, server)
                back.join()

    for turn in itertools.count():
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=lead, args=(client, backends[turn % len(backends)]), daemon=True).start()


class Killed(unittest.TestCase):
    def test_server_that_is_killed(self) -> None:
        """When one of three servers is killed, reads do not fail, and nothing is written twice."""
        owner = account("steady")
        data = folder() / "data"
        database = f"postgres://nexterm@/nexterm?port=5432&sslmode=disable&host={data}/postgres/socket"
        shared = {"DATABASE_URL": database, "ENCRYPTION_KEY_FILE": f"{data}/encryption.key", "SHUTDOWN_DELAY": "0s"}
        others = [start(DATA_DIR=str(folder() / name), **shared) for name in ("second", "third")]
        listener = socket.create_server(("127.0.0.1", 0))
        backends = [address(), *(url for url, _ in others)]
        self.addCleanup(listener.close)
        threading.Thread(target=proxy, args=(listener, backends), daemon=True).start()
        # Closing it would not wake who waits for connections.
        self.addCleanup(listener.shutdown, socket.SHUT_RDWR)
        client = nexterm.Client(f"http://127.0.0.1:{listener.getsockname()[1]}", owner.token)
        end = time.monotonic() + 3

        def read() -> int:
            count = 0
            while time.monotonic() < end:
                client.entries.list()
                count += 1
            return count

        def write(worker: int) -> Tuple[List[str], int]:
            written: List[str] = []
            refused = 0
            for i in itertools.count():
                if time.monotonic() > end:
                    return written, refused
                try:
                    client.snippets.create(name=f"{worker}-{i}", command="true")
                    written.append(f"{worker}-{i}")
                except nexterm.Unavailable:
                    refused += 1
            raise AssertionError

        with ThreadPoolExecutor() as pool:
            reading = [pool.submit(read) for _ in range(3)]
            writing = [pool.submit(write, worker) for worker in range(3)]
            time.sleep(1)
            others[1][1].kill()
            # The four pauses of a read take longer than the proxy does to notice.
            time.sleep(0.5)
            backends.remove(others[1][0])
            reads = sum(done.result() for done in reading)
            outcomes = [done.result() for done in writing]
        stored = Counter(snippet.name for snippet in owner.snippets.list())
        self.assertEqual(1, max(stored.values()))
        self.assertLessEqual({name for written, _ in outcomes for name in written}, set(stored))
        self.assertGreater(reads, 10)
        self.assertGreater(sum(refused for _, refused in outcomes), 0)
