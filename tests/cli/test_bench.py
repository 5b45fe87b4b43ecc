"""`vtc bench` as a user runs it: killed and started again, with wrong words, without the data set."""

import json
import os
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench.clips import scene, write
from tests.cli.command import COMMAND, Vtc
from vtc.bench.row import Row, read_rows
from vtc.cli.app import run

OPTIONS = ("--size", "64", "--frames", "6", "--codecs", "x264,svtav1", "--presets", "fast", "--points", "3", "--metrics", "psnr,psnr-yuv")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    pictures = scene(96, 64, 6)
    write(folder / "a.mkv", pictures)
    write(folder / "b" / "c.y4m", pictures[::-1])
    (folder / "broken.avi").write_bytes(b"RIFF" + bytes(300))
    return folder


def untimed(rows: list[Row]) -> list[Row]:
    """Rows without what differs from run to run."""
    return [replace(row, encode_seconds=None, decode_seconds=None, peak_mib=None) for row in rows]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0]


def test_killed_and_started_again_it_computes_no_row_twice(
    vtc: Vtc, data: Path, tmp_path: Path, command_environment: dict[str, str]
) -> None:
    words = ["bench", "--dataset", "folder", "--data-root", str(data), *OPTIONS]
    whole = vtc(*words, "--out", "whole", "--json")
    assert whole.returncode == 0, whole.stderr
    told = json.loads(whole.stdout)
    assert (told["rows"], told["measured"], told["failed"]) == (18, 18, 6)
    assert "broken.avi" in whole.stderr and "5 more rows" in whole.stderr

    results = tmp_path / "killed" / "results.jsonl"
    running = subprocess.Popen(
        [*COMMAND, *words, "--out", "killed", "-q"], cwd=tmp_path, env=command_environment, start_new_session=True
    )
    while running.poll() is None and not (results.is_file() and results.read_bytes().count(b"\n") >= 2):
        time.sleep(0.02)
    workers = [int(folder.name) for folder in (tmp_path / "killed" / "scratch").iterdir()]
    running.kill()
    running.wait()
    assert running.returncode == -signal.SIGKILL
    finished = len(read_rows(results))
    assert 2 <= finished < 12
    for _ in range(100):
        if not any(alive(pid) for pid in workers):
            break
        time.sleep(0.1)
    assert workers and not any(alive(pid) for pid in workers)
    with results.open("a") as file:
        file.write('{"dataset": "fol')  # as a kill in the middle of a line leaves it

    again = vtc(*words, "--out", "killed", "--json")
    assert json.loads(again.stdout)["measured"] == 18 - finished
    lines = [Row.from_json(line) for line in results.read_text().splitlines()]
    assert len({row.key for row in lines}) == len(lines) == 18
    assert untimed(read_rows(results)) == untimed(read_rows(tmp_path / "whole" / "results.jsonl"))
    assert not (tmp_path / "killed" / "scratch").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--dataset", "imagenet"), "no data set"),
        (("--codecs", "x999"), "x999"),
        (("--codecs", ","), "no codec"),
        (("--metrics", "beauty"), "beauty"),
        (("--size", "127"), "even number"),
        (("--frames", "some"), "--frames"),
        (("--presets", "placebo"), "placebo"),
        (("--keyframes", "often"), "often"),
        (("--qualities", "50,101"), "--qualities"),
        (("--steps", "0"), "--steps"),
    ],
)
def test_wrong_words_are_refused_before_any_work(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str
) -> None:
    status = run(["bench", "--data-root", str(data), "--out", str(tmp_path / "out"), *words])
    told = capsys.readouterr().err
    assert status in (1, 2) and says in told and "Traceback" not in told
    assert not (tmp_path / "out").exists()


def test_a_data_set_that_is_not_there_is_told_how_to_get(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in ((), ("--data-root", str(tmp_path))):
        assert run(["bench", "--dataset", "ucf101", *words]) != 0
        assert "UCF101.rar" in capsys.readouterr().err


def test_nothing_but_failures_is_a_failure(vtc: Vtc, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "broken.mp4").write_bytes(b"no video at all")
    done = vtc("bench", "--data-root", "data", "--codecs", "x264", "--points", "1", "--metrics", "psnr", "--out", "out")
    assert done.returncode == 1 and "text file" in done.stderr
