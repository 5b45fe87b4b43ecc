"""A folder to work in, the miniature bundle under the default model's name, a short clip and what it becomes."""

import subprocess
from fractions import Fraction
from pathlib import Path

import pytest

from tests.cli.command import COMMAND, Done, Vtc, as_default, environment
from vtc.media import SinkInfo, open_sink, render_scene

FRAMES = 40


@pytest.fixture(scope="session")
def command_environment(mini_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return environment(as_default(mini_bundle, tmp_path_factory.mktemp("default")))


@pytest.fixture
def vtc(command_environment: dict[str, str], tmp_path: Path) -> Vtc:
    """`vtc("info", "clip.vtc")` runs it in `tmp_path` and waits."""

    def run(*arguments: str | Path, stdin: bytes = b"", timeout: float = 120, **changes: str) -> Done:
        done = subprocess.run(
            [*COMMAND, *map(str, arguments)],
            cwd=tmp_path,
            env={**command_environment, **changes},
            input=stdin,
            capture_output=True,
            timeout=timeout,
        )
        out, err = (stream.decode("utf-8", "replace") for stream in (done.stdout, done.stderr))
        return Done(done.args, done.returncode, out, err)

    return run


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 frames of 96x64 at 20 a second, three segments, as mkv."""
    path = tmp_path_factory.mktemp("clip") / "clip.mkv"
    with open_sink(path, SinkInfo(96, 64, Fraction(1, 20), Fraction(20))) as sink:
        for number, picture in enumerate(render_scene(96, 64, FRAMES, 20)):
            sink.write(picture, number, 1)
    return path


@pytest.fixture(scope="session")
def coded(clip: Path, command_environment: dict[str, str]) -> Path:
    """The clip as a `.vtc` file in which every segment stands alone."""
    path = clip.with_suffix(".vtc")
    command = [*COMMAND, "encode", str(clip), "-o", str(path), "--group", "1", "-q"]
    subprocess.run(command, env=command_environment, check=True)
    return path
