"""The README's examples run as they stand, in order, in one folder. Blocks are marked by the word `test` after the language."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
BLOCK = re.compile(r"^```(sh|python) test\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> list[tuple[str, str]]:
    return BLOCK.findall(README.read_text(encoding="utf-8"))


def test_the_readme_has_examples_of_both_kinds() -> None:
    assert {language for language, _ in blocks()} == {"sh", "python"}


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README.read_text(encoding="utf-8")):
        assert (README.parent / target).exists(), target


@pytest.mark.slow
def test_examples_run(tmp_path: Path, command_environment: dict[str, str]) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), command_environment.get("PATH", os.defpath)])
    for language, text in blocks():
        command = ["bash", "-euo", "pipefail", "-c", text] if language == "sh" else [sys.executable, "-c", text]
        done = subprocess.run(
            command, cwd=tmp_path, env={**command_environment, "PATH": path}, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
