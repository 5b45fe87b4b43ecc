"""Bad input of every kind: one line that says why, one that says what to do, exit 1, and nothing left behind."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest

from tests.cli.command import COMMAND, Done, Vtc
from vtc.media import SinkInfo, open_sink, render_scene


def assert_refused(done: Done, *words: str, status: int = 1) -> None:
    """One `error:` line with `words`, one `next:` line, nothing else."""
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 2, done.stderr
    assert lines[0].startswith("error: ")
    assert lines[1].startswith("  next: ")
    for word in words:
        assert word in lines[0], lines[0]


def sound_only(path: Path) -> None:
    with av.open(path, "w") as container:
        stream = container.add_stream("aac", rate=48000)
        for number in range(20):
            frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
            frame.sample_rate, frame.pts = 48000, number * 1024
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "folder", "sound", "vtc"])
def test_what_is_no_video_is_refused(vtc: Vtc, coded: Path, tmp_path: Path, kind: str) -> None:
    path = tmp_path / ("bad.vtc" if kind == "vtc" else "bad.mp4")
    match kind:
        case "empty":
            path.touch()
        case "text":
            path.write_text("It was a dark and stormy night.\n" * 99)
        case "folder":
            path.mkdir()
        case "sound":
            sound_only(path)
        case "vtc":
            shutil.copy(coded, path)
    before = set(tmp_path.iterdir())
    # A .vtc file is no mistake by itself: its latents can be cut, by options that are missing here.
    assert_refused(vtc("encode", path, "-o", "out.vtc"), path.name, status=2 if kind == "vtc" else 1)
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "folder", "video"])
@pytest.mark.parametrize("verb", ["decode", "info"])
def test_what_is_no_vtc_file_is_refused(vtc: Vtc, clip: Path, tmp_path: Path, verb: str, kind: str) -> None:
    path = tmp_path / "bad.vtc"
    match kind:
        case "empty":
            path.touch()
        case "text":
            path.write_text("It was a dark and stormy night.\n" * 99)
        case "folder":
            path.mkdir()
        case "video":
            shutil.copy(clip, path)
    before = set(tmp_path.iterdir())
    assert_refused(vtc(verb, path, *(["-o", "out.mkv"] if verb == "decode" else [])), "bad.vtc")
    assert set(tmp_path.iterdir()) == before


def test_a_truncated_mp4_gives_what_decodes_and_a_warning(vtc: Vtc, tmp_path: Path) -> None:
    """Truncated where the index is in front, as in files made for streaming."""
    with av.open(tmp_path / "whole.mp4", "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=20)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for picture in render_scene(96, 64, 60, 20):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode(None))
    data = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) * 2 // 3])
    done = vtc("encode", "cut.mp4", "-o", "cut.vtc", "--json")
    assert done.returncode == 0
    assert "warning: " in done.stderr
    assert vtc("verify", "cut.vtc", "-q").returncode == 0


def test_outputs_are_not_overwritten_unasked(vtc: Vtc, clip: Path, coded: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.vtc"
    kept.write_text("mine")
    assert_refused(vtc("encode", clip, "-o", kept), "exists")
    assert_refused(vtc("tokens", coded, "-o", make(tmp_path / "kept.npz")), "exists")
    assert_refused(vtc("decode", coded, "-o", make(tmp_path / "kept.mkv")), "exists")
    assert_refused(vtc("compare", clip, clip, "-o", make(tmp_path / "kept.png")), "exists")
    assert kept.read_text() == "mine"
    assert vtc("encode", clip, "-o", kept, "-y", "-q").returncode == 0
    assert kept.read_bytes()[1:4] == b"VTC"


def make(path: Path) -> Path:
    path.write_text("mine")
    return path


def test_a_folder_that_is_not_there(vtc: Vtc, clip: Path, coded: Path) -> None:
    assert_refused(vtc("encode", clip, "-o", "nowhere/a.vtc"), "nowhere")
    assert_refused(vtc("decode", coded, "-o", "nowhere/a.mkv"), "nowhere")
    assert_refused(vtc("tokens", coded, "-o", "nowhere/a.npz"), "nowhere")


@pytest.fixture
def closed_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that may not be written: by its permissions, or for root a read-only file system."""
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    if os.geteuid() != 0:
        yield folder
        return
    with mounted(folder, "ro"):
        yield folder


def test_a_folder_that_may_not_be_written(vtc: Vtc, clip: Path, coded: Path, closed_folder: Path) -> None:
    assert_refused(vtc("encode", clip, "-o", closed_folder / "a.vtc"), "a.vtc")
    for name in ("a.mkv", "a.npy", "frames/"):
        assert_refused(vtc("decode", coded, "-o", f"{closed_folder}/{name}"), name.strip("/"))
    assert_refused(vtc("tokens", coded, "-o", closed_folder / "a.npz"), "a.npz")
    assert_refused(vtc("compare", clip, clip, "-o", closed_folder / "a.png"))


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """A small file system of its own on `folder`; skips the test where that may not be done."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "vtc-test", folder], capture_output=True)
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    with mounted(folder, "size=64k"):
        yield folder


def test_a_full_disk(vtc: Vtc, clip: Path, coded: Path, small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(bytes(60 << 10))
    commands = {
        "a.vtc": ["encode", str(clip), "--quality", "100"],
        "a.mkv": ["decode", str(coded)],
        "a.npy": ["decode", str(coded)],
        "a.npz": ["tokens", str(coded)],
        "a.png": ["compare", str(clip), str(clip)],
    }
    for name, command in commands.items():
        done = vtc(*command, "-o", small_disk / name)
        assert_refused(done)
        assert "space" in done.stderr or "full" in done.stderr
        assert [path.name for path in small_disk.iterdir()] == ["ballast"], name


def test_a_missing_bundle_is_named(vtc: Vtc, clip: Path, coded: Path, tmp_path: Path) -> None:
    assert_refused(vtc("encode", clip, "-o", "a.vtc", "--model", "nothing-like-it"), "nothing-like-it")
    assert_refused(vtc("decode", coded, "-o", "a.mkv", VTC_WEIGHTS=str(tmp_path)), "onedva-tiny", "sha256")
    assert not list(tmp_path.iterdir())


def test_a_bundle_that_differs_by_one_byte(vtc: Vtc, coded: Path, mini_bundle: Path, tmp_path: Path) -> None:
    data = bytearray(mini_bundle.read_bytes())
    data[-1] ^= 1
    (tmp_path / "onedva-tiny.safetensors").write_bytes(data)
    assert_refused(vtc("decode", coded, "-o", "a.mkv", VTC_WEIGHTS=str(tmp_path)), "onedva-tiny", "another")


def flipped(source: Path, target: Path, place: int) -> Path:
    data = bytearray(source.read_bytes())
    data[place] ^= 0x10
    target.write_bytes(data)
    return target


def test_a_flipped_byte_is_found_and_its_segment_named(vtc: Vtc, coded: Path, tmp_path: Path) -> None:
    bad = flipped(coded, tmp_path / "bad.vtc", coded.stat().st_size // 2)
    verified = vtc("verify", bad)
    assert verified.returncode == 1
    assert "segment" in verified.stdout
    assert_refused(vtc("decode", bad, "-o", "a.npy"), "segment")
    assert not (tmp_path / "a.npy").exists()
    skipped = vtc("decode", bad, "-o", "a.npy", "--on-damage", "skip")
    assert skipped.returncode == 0
    assert "segment" in skipped.stderr
    assert len(np.load(tmp_path / "a.npy")) in (24, 32)
    assert vtc("decode", bad, "-o", "b.npy", "--on-damage", "freeze", "-q").returncode == 0
    assert len(np.load(tmp_path / "b.npy")) == 40


def test_a_file_that_ends_early(vtc: Vtc, coded: Path, tmp_path: Path) -> None:
    data = coded.read_bytes()
    (tmp_path / "cut.vtc").write_bytes(data[: len(data) * 2 // 3])
    assert_refused(vtc("decode", "cut.vtc", "-o", "a.npy"), "the file ends")
    assert vtc("decode", "cut.vtc", "-o", "a.npy", "--on-damage", "skip").returncode == 0
    assert len(np.load(tmp_path / "a.npy")) in (16, 32)
    assert vtc("info", "cut.vtc").returncode == 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_leaves_nothing(
    command_environment: dict[str, str], tmp_path: Path, number: signal.Signals, status: int
) -> None:
    with open_sink(tmp_path / "long.mkv", SinkInfo(320, 240, Fraction(1, 20), Fraction(20))) as sink:
        noise = np.random.default_rng(0).integers(0, 256, (8, 240, 320, 3), np.uint8)
        for frame in range(400):
            sink.write(noise[frame % 8], frame, 1)
    process = subprocess.Popen(
        [*COMMAND, "encode", "long.mkv", "-o", "long.vtc", "--threads", "1"],
        cwd=tmp_path,
        env=command_environment,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # children of a runner in the background ignore it
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("*.part")) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.3)
    process.send_signal(number)
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == status, complaint
    assert b"Traceback" not in complaint
    assert [path.name for path in tmp_path.iterdir()] == ["long.mkv"]


def test_debug_shows_the_traceback(vtc: Vtc) -> None:
    done = vtc("info", "missing.vtc", "--debug")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
