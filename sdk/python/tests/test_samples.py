from __future__ import annotations

import html
import json
import os
import pathlib
import re
import subprocess
import tempfile
import textwrap
import unittest

import nexterm

from .server import ROOT, address, sign_in

SAMPLES = {name: texts["python"] for name, texts in json.loads((ROOT / "gen/samples.json").read_text()).items() if "python" in texts}
PAGE = (ROOT / "internal/docs/assets/index.html").read_text()
GUIDE = [html.unescape(text) for text in re.findall(r'<pre data-language="python">(.*?)</pre>', PAGE, re.DOTALL)]


class Samples(unittest.TestCase):
    """What the documentation shows of the SDK."""

    def test_all_are_typed(self) -> None:
        program = "import os\nimport nexterm\n"
        for i, text in enumerate([*GUIDE, *SAMPLES.values()]):
            setting = "" if text.startswith("client =") else "client = nexterm.Client('')\n"
            program += f"def shown_{i}(picture: bytes) -> None:\n" + textwrap.indent(setting + text, "    ") + "\n"
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "program.py").write_text(program)
            environment = {**os.environ, "MYPYPATH": str(ROOT / "sdk/python")}
            done = subprocess.run(["mypy", "--strict", "program.py"], cwd=folder, env=environment, capture_output=True, text=True)
            self.assertEqual("", done.stdout.replace("Success: no issues found in 1 source file\n", ""), done.stderr)

    def test_guide_works(self) -> None:
        os.environ.update(NEXTERM_URL=address(), NEXTERM_TOKEN=sign_in().token)
        names = {"nexterm": nexterm, "os": os, "print": lambda *_: None}
        for text in GUIDE[:-1]:  # The last one watches for ever.
            exec(text, names)

    def test_operations_work(self) -> None:
        """Those that need nothing of which they would have to know the id."""
        texts = [text for name, text in SAMPLES.items() if re.match("create(?!User|Connection)|list", name) and not re.search(r"\(\d", text)]
        self.assertGreater(len(texts), 25)
        for text in texts:
            with self.subTest(text):
                exec(text, {"client": sign_in()})
