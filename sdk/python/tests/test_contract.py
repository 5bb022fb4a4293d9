from __future__ import annotations

import dataclasses
import json
import unittest
from typing import Any, Dict, cast

import nexterm
from nexterm import models
from nexterm._decode import Mismatch, decode

from .server import ROOT


class Contract(unittest.TestCase):
    def test_names(self) -> None:
        """What the SDKs share is there, spelled as Python does."""
        client = nexterm.Client("http://127.0.0.1")
        for service, methods in json.loads((ROOT / "gen/sdk.json").read_text()).items():
            names = {name.replace("_", "") for name in vars(client)}
            self.assertIn(service.lower(), names)
            (found,) = [value for name, value in vars(client).items() if name.replace("_", "") == service.lower()]
            offered = {name.replace("_", "") for name in dir(found) if not name.startswith("_")}
            self.assertEqual({name.lower() for name in methods}, offered)

    def test_examples(self) -> None:
        """What the contract shows of answers is read, all of it."""
        read = 0
        for name, schema in json.loads((ROOT / "gen/contract.json").read_text())["components"]["schemas"].items():
            model = getattr(models, schema.get("x-sdk-name", name), None)
            if dataclasses.is_dataclass(model) and "example" in schema:
                shown = schema["example"]
                value = decode(cast(Any, model), shown)
                fields = {name.replace("_", ""): part for name, part in vars(value).items()}
                for member in shown:
                    self.assertEqual(shown[member] is None, fields[member.lower()] is None, f"{name}.{member}")
                read += 1
        self.assertGreater(read, 50)


class Decoding(unittest.TestCase):
    def test_newer_servers(self) -> None:
        passkey = {"id": 1, "name": "n", "createdAt": "2026-01-31T12:00:00.000Z", "colour": "a member that is new"}
        self.assertEqual(2026, decode(models.Passkey, passkey).created_at.year)
        self.assertEqual("later", decode(models.DeviceLinkStatus, {"status": "later"}).status)

    def test_mismatches(self) -> None:
        group: Dict[str, Any] = {"id": 1, "name": "n", "color": "#fff", "isDefault": False, "isAdmin": True, "sortOrder": 1}
        node: Dict[str, Any] = {"id": 1, "name": "n", "type": "folder", "folderType": None, "integrationId": None, "position": 0, "organizationId": None}
        for kind, value, text in (
            (models.Group, {**group, "id": True}, "id is not a whole number"),
            (models.Group, {**group, "id": 1.5}, "id is not a whole number"),
            (models.Group, {**group, "isAdmin": 1}, "isAdmin is not true or false"),
            (models.Group, {**group, "name": None}, "name is not text"),
            (models.Group, [group], "it is not an object"),
            (models.Passkey, {"id": 1, "name": "n", "createdAt": 5}, "createdAt is not a time"),
            (models.UserPage, {"total": 0, "users": {}}, "users is not a list"),
            (models.FolderNode, {**node, "entries": [{**node, "entries": [{"type": "new"}]}]}, "entries[0].entries[0] is not of a known type"),
            (models.FolderNode, {**node, "entries": [{**node, "entries": 1}]}, "entries[0].entries is not a list"),
            (models.EffectiveSystemPermissions, {"isAdmin": False, "permissions": ["a", 1]}, "permissions[1] is not text"),
        ):
            with self.subTest(text), self.assertRaises(Mismatch) as failed:
                decode(kind, value)
            self.assertEqual(text, str(failed.exception))
