"""The README says the truth about files, commands and options."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_tree_is_that_of_the_files() -> None:
    done = subprocess.run([sys.executable, ROOT / "scripts/write_tree", "--check"])
    assert done.returncode == 0, "run scripts/write_tree"


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert len(links) > 5
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("module", sorted(set(re.findall(r"python -m (\w+\.\w+)", README))))
def test_commands_exist_and_their_help_has_an_example(module: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, "--help"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert re.search(r"Examples?:", done.stdout)
    options = {
        option
        for line in README.splitlines()
        if f"python -m {module}" in line
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", line)
    }
    assert options <= set(re.findall(r"--[a-z][a-z-]+", done.stdout)) | {"--check"}
