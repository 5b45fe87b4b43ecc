"""The README's examples run as they stand, in order, in one folder. Blocks are marked by the word `test` after the language."""

import re
import sys
from pathlib import Path

import pytest

from tests.cli.command import RELEASED, as_default, environment, patient

README = Path(__file__).parent.parent / "README.md"
BLOCK = re.compile(r"^```(sh|python) test\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> list[tuple[str, str]]:
    return BLOCK.findall(README.read_text(encoding="utf-8"))


def test_the_readme_has_examples_of_both_kinds() -> None:
    assert {language for language, _ in blocks()} == {"sh", "python"}


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README.read_text(encoding="utf-8")):
        assert (README.parent / target).exists(), target


def test_rates_are_those_of_the_committed_results() -> None:
    pytest.importorskip("matplotlib", reason="reports come with the bench extra")
    from benchmarks.common import RESULTS
    from benchmarks.rate_distortion import table

    shown = table(RESULTS / "rate_distortion", RELEASED.stem)
    assert "%" in shown and shown in README.read_text(encoding="utf-8")


@pytest.fixture
def home(mini_bundle: Path, tmp_path: Path) -> dict[str, str]:
    """The environment of a newcomer: the released bundle, or a miniature in its place where there is none yet."""
    return environment(None if RELEASED.is_file() else as_default(mini_bundle, tmp_path / "weights"))


def test_examples_run(tmp_path: Path, home: dict[str, str]) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    for language, text in blocks():
        command = ["bash", "-euo", "pipefail", "-c", text] if language == "sh" else [sys.executable, "-c", text]
        done = patient(command, folder, home, seconds=300)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
