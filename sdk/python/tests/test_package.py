from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import unittest
import zipfile

import nexterm

from .server import PASSWORD, ROOT, account, address

SOURCE = ROOT / "sdk/python"
README = re.findall(r"```python\n(.*?)```", (SOURCE / "README.md").read_text(), re.DOTALL)


class Package(unittest.TestCase):
    """What users get: a wheel, tried in an empty folder."""

    folder: tempfile.TemporaryDirectory[str]
    wheel: str

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        # Not in the source tree, where it would leave its own files.
        source = pathlib.Path(cls.folder.name, "source")
        shutil.copytree(SOURCE, source, ignore=shutil.ignore_patterns("tests", "__pycache__", ".mypy_cache"))
        build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
        subprocess.run([sys.executable, "-c", build, cls.folder.name], cwd=source, check=True, capture_output=True)
        cls.wheel = str(next(pathlib.Path(cls.folder.name).glob("*.whl")))

    def run_there(self, *command: str) -> str:
        with tempfile.TemporaryDirectory() as empty:
            environment = {**os.environ, "PYTHONPATH": self.wheel, "PYTHONDONTWRITEBYTECODE": "1"}
            return subprocess.run(command, cwd=empty, env=environment, check=True, capture_output=True, text=True).stdout

    def test_content(self) -> None:
        names = zipfile.ZipFile(self.wheel).namelist()
        self.assertIn("nexterm/py.typed", names)
        self.assertEqual({"nexterm", f"nexterm-{nexterm.__version__}.dist-info"}, {name.partition("/")[0] for name in names})
        self.assertIn(f"## {nexterm.__version__}\n", (SOURCE / "CHANGELOG.md").read_text())

    def test_first_server(self) -> None:
        account("readme")
        program = README[0].replace("http://localhost:6989", address()).replace('"ada"', '"readme"')
        self.assertLessEqual(len(program.strip().splitlines()), 11)
        self.assertRegex(self.run_there(sys.executable, "-X", "dev", "-c", program), r"^web1 web1\.example\.com 20\d\d-")

    def test_readme_is_typed(self) -> None:
        """All that the README shows passes a strict type checker."""
        setting = "from nexterm import models\n\n\ndef show(url: str, password: str, token: str, entry: models.Entry) -> None:\n"
        with tempfile.TemporaryDirectory() as folder:
            program = pathlib.Path(folder, "program.py")
            program.write_text(README[0] + setting + textwrap.indent("\n".join(README[1:]), "    "))
            with zipfile.ZipFile(self.wheel) as wheel:
                wheel.extractall(folder)
            done = subprocess.run(["mypy", "--strict", "program.py"], cwd=folder, capture_output=True, text=True)
            self.assertEqual("", done.stdout.replace("Success: no issues found in 1 source file\n", ""), done.stderr)

    def test_shown_calls(self) -> None:
        """The README's other calls, with this server."""
        client = nexterm.login(address(), "ada", PASSWORD)
        entry = client.entries.get(client.entries.create(name="w", config={"protocol": "ssh", "ip": "10.0.0.1", "port": 22}).id)
        names = {"nexterm": nexterm, "client": client, "entry": entry, "print": lambda *_: None}
        for shown in README[2:5]:
            exec(shown, names)
        self.assertEqual("web2", client.entries.get(entry.id).name)
