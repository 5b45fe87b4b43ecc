"""Help, version and wrong usage: what a person meets before any work is done."""

import re

import pytest

from tests.cli.command import Vtc

VERBS = ["encode", "decode", "info", "verify", "compare", "tokens", "demo", "train", "weights"]


def test_help_names_every_verb(vtc: Vtc) -> None:
    done = vtc("--help")
    assert done.returncode == 0
    for verb in VERBS:
        assert re.search(rf"\b{verb}\b", done.stdout), verb


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_has_an_example(vtc: Vtc, verb: str) -> None:
    done = vtc(verb, "--help")
    assert done.returncode == 0
    assert "Examples" in done.stdout
    assert f"vtc {verb}" in done.stdout.partition("Examples")[2]


@pytest.mark.parametrize("verb", ["list", "show", "verify"])
def test_help_of_weights(vtc: Vtc, verb: str) -> None:
    done = vtc("weights", verb, "--help")
    assert done.returncode == 0
    assert f"vtc weights {verb}" in done.stdout.partition("Examples")[2]


def test_version(vtc: Vtc) -> None:
    done = vtc("--version")
    assert done.returncode == 0
    assert re.fullmatch(r"vtc \d+\.\d+\.\d+\n", done.stdout)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["encode"],
        ["encode", "a.mp4", "-o", "a.vtc", "--nonsense"],
        ["encode", "a.mp4", "-o", "a.vtc", "--quality", "101"],
        ["encode", "a.mp4", "-o", "a.vtc", "--quality", "high"],
        ["encode", "a.mp4", "-o", "a.vtc", "--start", "soon"],
        ["encode", "a.mp4", "-o", "a.vtc", "--start", "2", "--end", "1"],
        ["encode", "a.mp4", "-o", "a.vtc", "--size", "0x9"],
        ["encode", "a.mp4", "-o", "a.vtc", "--fps", "0"],
        ["encode", "a.mp4", "-o", "a.vtc", "--tokens", "3", "--length", "2"],
        ["encode", "a.mp4", "-o", "a.vtc", "--bpp", "0"],
        ["encode", "a.mp4", "-o", "a.vtc", "--max-bytes", "few"],
        ["encode", "a.mp4", "-o", "a.vtc", "--max-bytes", "9k", "--min-psnr", "30"],
        ["encode", "a.mp4", "-o", "a.vtc", "--bpp", "0.1", "--quality", "60"],
        ["encode", "a.mp4", "-o", "a.vtc", "--entropy", "context7"],
        ["encode", "a.mp4", "-o", "a.vtc", "--device", "toaster"],
        ["encode", "a.mp4", "-o", "a.vtc", "--threads", "0"],
        ["decode", "a.vtc"],
        ["decode", "a.vtc", "-o", "a.mp4", "--crop", "1,2,3"],
        ["decode", "a.vtc", "-o", "a.mp4", "--size", "9", "--scale", "2"],
        ["decode", "a.vtc", "-o", "a.mp4", "--on-damage", "cry"],
        ["compare", "a.mp4", "b.mp4", "-o", "c.docx"],
        ["tokens", "a.vtc", "-o", "a.csv"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_status_2_and_no_traceback(vtc: Vtc, arguments: list[str]) -> None:
    done = vtc(*arguments)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
