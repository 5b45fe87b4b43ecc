"""What each verb does when all is well: files, JSON fields, pipes."""

import json
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.command import COMMAND, Vtc
from tests.cli.conftest import FRAMES
from vtc.media import SinkInfo, open_sink, open_source

PROMISED = [
    "frames", "width", "height", "duration", "bytes", "video_bytes", "audio_bytes", "bpp", "tokens", "segments", "model",
    "bundle", "entropy", "seconds", "fps",
]  # fmt: skip
"""Fields of `encode --json` and `info --json` that CLI.md promises."""


def as_json(text: str) -> dict[str, Any]:
    lines = text.splitlines()
    assert len(lines) == 1
    found = json.loads(lines[0])
    assert isinstance(found, dict)
    return found


def test_encode_and_info_tell_the_same(vtc: Vtc, clip: Path, tmp_path: Path) -> None:
    encoded = as_json(vtc("encode", clip, "-o", "a.vtc", "--json").stdout)
    told = as_json(vtc("info", "a.vtc", "--json").stdout)
    for values in (encoded, told):
        assert not set(PROMISED) - set(values)
    assert encoded["bytes"] == (tmp_path / "a.vtc").stat().st_size
    assert (encoded["frames"], encoded["width"], encoded["height"], encoded["segments"]) == (FRAMES, 96, 64, 3)
    assert encoded["duration"] == pytest.approx(2.0)
    assert encoded["bpp"] == pytest.approx(8 * encoded["video_bytes"] / (FRAMES * 96 * 64), rel=1e-4)
    for field in set(PROMISED) - {"seconds", "fps"}:
        assert told[field] == encoded[field], field
    assert sum(told["bytes_by_kind"].values()) == told["bytes"]


def test_two_encodes_are_the_same_bytes(vtc: Vtc, clip: Path, coded: Path, tmp_path: Path) -> None:
    assert vtc("encode", clip, "-o", "again.vtc", "--group", "1", "-q").returncode == 0
    assert (tmp_path / "again.vtc").read_bytes() == coded.read_bytes()


def test_a_target_is_met_and_told(vtc: Vtc, clip: Path, tmp_path: Path) -> None:
    told = as_json(vtc("encode", clip, "-o", "a.vtc", "--max-bytes", "2.5k", "--json").stdout)
    assert (tmp_path / "a.vtc").stat().st_size == told["bytes"] <= 2500
    assert {"quality", "bpp", "psnr", "psnr_clip"} <= set(told)
    done = vtc("encode", clip, "-o", "b.vtc", "--max-bytes", "300")
    assert done.returncode == 1 and "the least is" in done.stderr and "next:" in done.stderr
    assert not (tmp_path / "b.vtc").exists()


def test_a_coded_video_can_be_cut_but_not_changed(vtc: Vtc, coded: Path, tmp_path: Path) -> None:
    told = as_json(vtc("encode", coded, "-o", "cut.vtc", "--length", "0.5", "--json").stdout)
    assert told["bytes"] == (tmp_path / "cut.vtc").stat().st_size < coded.stat().st_size
    assert vtc("verify", "cut.vtc", "--deep", "-q").returncode == 0
    done = vtc("encode", coded, "-o", "changed.vtc", "--length", "0.5", "--quality", "70")
    assert done.returncode == 2 and "--quality cannot be applied" in done.stderr
    assert vtc("encode", coded, "-o", "same.vtc").returncode == 2


def test_info_has_a_chart_and_rows(vtc: Vtc, coded: Path) -> None:
    done = vtc("info", coded, "--segments")
    assert done.returncode == 0
    assert "96x64" in done.stdout
    assert "bytes over time" in done.stdout
    assert "stands alone" in done.stdout
    rows = as_json(vtc("info", coded, "--segments", "--json").stdout)["segments"]
    assert [row["frames"] for row in rows] == [16, 16, 8]
    assert all({"start", "duration", "frames", "bytes", "tokens", "length", "streams"} <= set(row) for row in rows)
    assert all(sum(row["streams"].values()) == row["tokens"] for row in rows)


def test_info_needs_no_bundle(vtc: Vtc, coded: Path, tmp_path: Path) -> None:
    done = vtc("info", coded, "--json", VTC_WEIGHTS=str(tmp_path))
    assert done.returncode == 0
    assert as_json(done.stdout)["bundle_at_hand"] is False


def test_info_loads_no_torch(coded: Path, command_environment: dict[str, str]) -> None:
    code = f"from vtc.cli.app import run; import sys; run(['info', {str(coded)!r}, '-q']); assert 'torch' not in sys.modules"
    subprocess.run([COMMAND[0], "-c", code], env=command_environment, check=True)


def test_decode_gives_size_times_and_frames_back(vtc: Vtc, clip: Path, coded: Path, tmp_path: Path) -> None:
    told = as_json(vtc("decode", coded, "-o", "back.mkv", "--json").stdout)
    assert told["frames"] == FRAMES
    assert {"seconds", "fps"} <= set(told)
    with open_source(clip) as one, open_source(tmp_path / "back.mkv") as other:
        assert (one.info.width, one.info.height) == (other.info.width, other.info.height)
        first, second = ([frame.pts * video.info.time_base for frame in video.frames()] for video in (one, other))
    assert first == second


def test_decode_a_part_at_another_size_into_an_array(vtc: Vtc, coded: Path, tmp_path: Path) -> None:
    arguments = ["--start", "0:00.5", "--end", "1", "--size", "48x32", "-q"]
    done = vtc("decode", coded, "-o", "part.npy", *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    array = np.load(tmp_path / "part.npy")
    assert array.shape == (10, 32, 48, 3)
    assert array.dtype == np.uint8


def test_decode_into_pictures(vtc: Vtc, coded: Path, tmp_path: Path) -> None:
    assert vtc("decode", coded, "-o", "frames/", "--end", "0.25").returncode == 0
    assert [path.name for path in sorted((tmp_path / "frames").iterdir())] == [f"{i:06}.png" for i in range(5)]


def test_pipes_carry_the_same_bytes(vtc: Vtc, clip: Path, command_environment: dict[str, str], tmp_path: Path) -> None:
    """`encode - -o -` and `decode -`: what comes through a pipe is what a file would be."""
    with clip.open("rb") as source, (tmp_path / "piped.vtc").open("wb") as target:
        command = [*COMMAND, "encode", "-", "-o", "-", "--group", "1", "-q"]
        subprocess.run(command, env=command_environment, stdin=source, stdout=target, check=True)
    assert vtc("verify", "piped.vtc", "-q").returncode == 0
    coded = (tmp_path / "piped.vtc").read_bytes()
    assert as_json(vtc("info", "-", "--json", stdin=coded).stdout)["bytes"] == len(coded)
    assert vtc("decode", "-", "-o", "piped.npy", "-q", stdin=coded).returncode == 0
    assert vtc("decode", "piped.vtc", "-o", "filed.npy", "-q").returncode == 0
    assert (tmp_path / "piped.npy").read_bytes() == (tmp_path / "filed.npy").read_bytes()


def test_a_reader_that_has_seen_enough_is_no_error(coded: Path, command_environment: dict[str, str]) -> None:
    with subprocess.Popen(
        [*COMMAND, "decode", str(coded), "-o", "-", "-q"],
        env=command_environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(16)
        process.stdout.close()
        assert process.stderr.read() == b""


def test_verify_a_sound_file(vtc: Vtc, coded: Path) -> None:
    told = as_json(vtc("verify", coded, "--deep", "--json").stdout)
    assert told["ok"] is True
    assert told["segments"] == 3


def test_tokens_are_the_same_in_both_kinds_of_file(vtc: Vtc, coded: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    assert vtc("tokens", coded, "-o", "a.npz", "-q").returncode == 0
    told = as_json(vtc("tokens", coded, "-o", "a.safetensors", "--json").stdout)
    one, other = np.load(tmp_path / "a.npz"), load_file(tmp_path / "a.safetensors")
    assert set(one) - {"header"} == set(other) == set(told["arrays"])
    assert json.loads(str(one["header"]))["clip_frames"] == 16
    for name, array in other.items():
        assert one[name].dtype == array.dtype
        assert np.array_equal(one[name], array), name
    assert other["frames"].sum() == len(other["pts"]) == FRAMES
    assert other["structural"].shape[:3] == (12, 4, 6)
    assert other["query.counts"].sum() == len(other["query"])


def test_compare_a_video_with_itself_and_with_its_decode(vtc: Vtc, clip: Path, coded: Path, tmp_path: Path) -> None:
    same = as_json(vtc("compare", clip, clip, "--json").stdout)
    assert same["psnr"] == same["psnr_clip"] == 100
    assert vtc("decode", coded, "-o", "back.mkv", "-q").returncode == 0
    done = vtc("compare", clip, "back.mkv", "-o", "both.png", "--json")
    told = as_json(done.stdout)
    assert 10 < told["psnr"] < 60
    assert told["psnr_worst"] <= told["psnr"]
    assert told["ssim"] is not None or "pytorch-msssim" in told["ssim_reason"]
    with open_source(tmp_path / "both.png") as picture:
        assert (picture.info.width, picture.info.height) == (2 * 96 + 4, 3 * 64 + 2 * 4)
    assert vtc("compare", clip, "back.mkv", "-o", "both.mkv", "-q").returncode == 0
    with open_source(tmp_path / "both.mkv") as video:
        assert sum(1 for _ in video.frames()) == FRAMES


def test_compare_refuses_videos_that_do_not_match(vtc: Vtc, clip: Path, tmp_path: Path) -> None:
    for name, width, frames in (("narrow.mkv", 80, FRAMES), ("short.mkv", 96, 7)):
        with open_sink(tmp_path / name, SinkInfo(width, 64, Fraction(1, 20), Fraction(20))) as sink:
            for number in range(frames):
                sink.write(np.zeros((64, width, 3), np.uint8), number, 1)
    narrow = vtc("compare", clip, "narrow.mkv")
    assert (narrow.returncode, narrow.stderr.splitlines()[0]) == (1, "error: the videos differ in size: 96x64 and 80x64")
    short = vtc("compare", clip, "short.mkv", "-o", "both.mkv")
    assert (short.returncode, short.stderr.splitlines()[0]) == (1, "error: the videos differ in length: 40 and 7 frames")
    assert not list(tmp_path.glob("*both*"))


def test_weights_list_show_verify(vtc: Vtc) -> None:
    bundles = {bundle["name"]: bundle for bundle in as_json(vtc("weights", "list", "--json").stdout)["bundles"]}
    assert set(bundles) == {"coordtok-tiny", "dera-tiny", "onedva-tiny", "vtok-tiny"}
    shown = as_json(vtc("weights", "show", "onedva", "--json").stdout)
    assert shown["sha256"] == bundles["onedva-tiny"]["sha256"]
    assert shown["card"]["trained"] == "not at all"
    assert "not at all" in vtc("weights", "show", "onedva").stdout
    assert as_json(vtc("weights", "verify", "onedva", "--json").stdout)["ok"] is True


def test_demo(vtc: Vtc, tmp_path: Path) -> None:
    told = as_json(vtc("demo", "--json").stdout)
    assert {"bytes", "bpp", "psnr", "encode_fps", "decode_fps", "source_mp4_bytes"} <= set(told)
    names = {"source.mp4", "demo.vtc", "decoded.mp4", "side-by-side.png"}
    assert {path.name for path in (tmp_path / "demo").iterdir()} == names
    again = vtc("demo")
    assert again.returncode == 1
    assert "-y" in again.stderr
