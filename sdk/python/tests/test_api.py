from __future__ import annotations

import base64
import hashlib
import hmac
import struct
import threading
import time
import unittest
from typing import Callable, List, Tuple, Type
from unittest import mock

import nexterm
from nexterm import _client, models

from .server import PASSWORD, account, address, sign_in


def code(secret: str, steps: int = 0) -> str:
    """What an authenticator app shows (RFC 6238)."""
    counter = struct.pack(">Q", int(time.time()) // 30 + steps)
    digest = hmac.new(base64.b32decode(secret), counter, hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at:at + 4])[0] & 0x7FFFFFFF) % 1000000:06}"


class Signing(unittest.TestCase):
    def test_password(self) -> None:
        client = sign_in(user_agent="backup/1.0")
        self.assertEqual("ada", client.account.get().username)
        self.assertIn("backup/1.0", [session.user_agent for session in client.sessions.list() if session.current])
        client.logout()
        with self.assertRaises(nexterm.Unauthorized) as failed:
            client.account.get()
        self.assertEqual(401, failed.exception.status)
        with self.assertRaises(nexterm.Unauthorized):
            nexterm.login(address(), "ada", "no such password", retries=0)

    def test_totp(self) -> None:
        client = account("totp")
        pending = client.totp.get_secret()
        self.assertNotIn(pending.secret, repr(pending))
        client.totp.enable(code=code(pending.secret))
        with self.assertRaisesRegex(nexterm.Unauthorized, "needs a TOTP code"):
            nexterm.login(address(), "totp", PASSWORD)
        # A code holds once.
        again = nexterm.login(address(), "totp", PASSWORD, totp=lambda: code(pending.secret, 1))
        self.assertTrue(again.account.get().totp_enabled)
        with self.assertRaises(nexterm.Unauthorized):
            nexterm.login(address(), "totp", PASSWORD, totp=lambda: "000000")

    def test_device(self) -> None:
        def approve(shown: str, expires: object) -> None:
            sign_in().devices.authorize_code(code=shown)

        client = nexterm.login_with_device(address(), approve)
        self.assertEqual("ada", client.account.get().username)

    def test_device_that_waits(self) -> None:
        owner = sign_in()

        def approve_later(shown: str, expires: object) -> None:
            timer = threading.Timer(0.3, lambda: owner.devices.authorize_code(code=shown))
            timer.start()
            self.addCleanup(timer.join)

        with mock.patch.object(_client, "POLL_PAUSE", 0.1):
            self.assertEqual("ada", nexterm.login_with_device(address(), approve_later).account.get().username)


class Calls(unittest.TestCase):
    def test_round_trip(self) -> None:
        client = account("calls")
        folder = client.folders.create(name="Web")
        identity = client.identities.create(name="root", type="password", username="root", password="s3cret")
        config: models.EntryConfig = {"protocol": "ssh", "ip": "web1.example.com", "port": 22}
        created = client.entries.create(name="web1", folder_id=folder.id, config=config, identities=[identity.id])

        entry = client.entries.get(created.id)
        self.assertEqual(("web1", folder.id, [identity.id]), (entry.name, entry.folder_id, entry.identities))
        self.assertEqual(22, entry.config.get("port"))
        self.assertAlmostEqual(time.time(), entry.created_at.timestamp(), delta=60)

        # What is left out stays, and None is a value.
        changed = entry.config.copy()
        changed["port"] = 2222
        client.entries.update(entry.id, config=changed)
        client.entries.update(entry.id, folder_id=None)
        moved = client.entries.get(entry.id)
        self.assertEqual((None, "web1", 2222), (moved.folder_id, moved.name, moved.config["port"]))

        (node,) = [node for node in client.entries.tree() if isinstance(node, models.ServerNode)]
        self.assertEqual("web1.example.com", node.ip)
        self.assertEqual([], client.entries.list_recent(limit="3"))
        self.assertTrue(any(isinstance(node, models.FolderNode) for node in client.entries.tree()))

        client.entries.delete(entry.id)
        with self.assertRaises(nexterm.NotFound) as failed:
            client.entries.get(entry.id)
        self.assertEqual(("entries.get", 404, "Entry not found"), (failed.exception.operation, failed.exception.status, failed.exception.message))
        self.assertIn(failed.exception.request_id, str(failed.exception))
        self.assertTrue(failed.exception.request_id)

    def test_kinds_of_errors(self) -> None:
        client = account("kinds")
        cases: List[Tuple[Type[nexterm.Error], Callable[[], object]]] = [
            (nexterm.Forbidden, lambda: client.users.list()),
            (nexterm.BadRequest, lambda: client.tags.create(name="x", color="no color")),
            (nexterm.NotFound, lambda: client.scripts.get(1 << 60)),
            (nexterm.Conflict, lambda: sign_in().users.create(username="kinds", password=PASSWORD, first_name="G", last_name="H")),
            (nexterm.Unauthorized, lambda: nexterm.Client(address(), "f" * 96).entries.list()),
            (nexterm.BadRequest, lambda: client.tags.create(name="x", color=object())),  # type: ignore[arg-type]
            (nexterm.BadRequest, lambda: client.entries.get("1/../../users")),  # type: ignore[arg-type]
        ]
        for kind, call in cases:
            with self.subTest(kind.__name__), self.assertRaises(kind) as failed:
                call()
            self.assertIs(kind, type(failed.exception))

    def test_pages(self) -> None:
        admin = sign_in()
        for i in range(5):
            account(f"page{i}")
        self.assertEqual(
            [f"page{i}" for i in range(5)],
            sorted(user.username for user in admin.users.all(search="page", limit=2)),
        )
        ids = [log.id for log in admin.audit.all_logs(limit=3)]
        self.assertGreater(len(ids), 6)
        self.assertEqual(sorted(set(ids), reverse=True), ids)
        self.assertEqual([], list(admin.users.all(search="nobody")))

    def test_bytes(self) -> None:
        client = account("avatar")
        client.account.set_avatar(base64.b64decode("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA=="))
        self.assertEqual(b"RIFF", client.account.get_avatar(client.account.get().id)[:4])
        client.account.delete_avatar()

    def test_secrets_are_not_printed(self) -> None:
        client = sign_in()
        key = client.api_keys.create(name="ci")
        self.assertEqual("ada", nexterm.Client(address(), key.token).account.get().username)
        for shown in (repr(key), str(key), f"{key}", repr(client), repr(client.entries)):
            self.assertNotIn(key.token, shown)
            self.assertNotIn(client.token, shown)


class Watching(unittest.TestCase):
    def test_changes(self) -> None:
        client = account("watch")
        updates = client.watch()
        first = [next(updates) for _ in range(5)]
        self.assertEqual(["ENTRIES", "IDENTITIES", "SNIPPETS", "CONNECTIONS", "LIVE_SESSIONS"], [update.type for update in first])
        self.assertEqual(([], [], []), (first[0].entries, first[1].identities, first[2].snippets))

        client.identities.create(name="key", type="ssh", ssh_key="-----BEGIN")
        names = next([identity.name for identity in update.identities] for update in updates if update.identities)
        self.assertEqual(["key"], names)

        client.logout()
        with self.assertRaises(nexterm.Unauthorized):
            for update in updates:
                self.assertNotEqual("LOGOUT", update.type)

    def test_api_keys_cannot(self) -> None:
        key = sign_in().api_keys.create(name="watch")
        with self.assertRaises(nexterm.Unauthorized) as failed:
            next(nexterm.Client(address(), key.token).watch())
        self.assertNotIn(key.token, str(failed.exception))
