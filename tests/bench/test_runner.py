"""A run lives through whatever goes wrong, keeps what is finished, and computes only what is missing."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench.clips import scene, write
from tests.bench.coders import Absent, Copying, Dying, Failing, Short, black
from vtc.bench.anchors import ANCHORS
from vtc.bench.bundles import Bundle, find_bundle, group_of
from vtc.bench.coder import Sweep
from vtc.bench.datasets import find_clips
from vtc.bench.log import Log
from vtc.bench.pool import Pool
from vtc.bench.prepare import Protocol
from vtc.bench.row import DONE, FAILED, Row, read_rows
from vtc.bench.runner import RESULTS, Covers, Outcome, Request, plan, run
from vtc.bench.worker import Setup, shown, start

PROTOCOL = Protocol(64, 8)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write(folder / "good.mkv", scene(96, 64, 10))
    write(folder / "more" / "black.mkv", black(8))
    write(folder / "short.mkv", black(3))
    (folder / "broken.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(500))
    return folder


def request(data: Path, out: Path, **changes: object) -> Request:
    whole = Request(
        dataset="folder", clips=find_clips("folder", data), protocol=PROTOCOL, coders=[ANCHORS["x264"]],
        sweep=Sweep(presets=("fast",), points=1), metrics=frozenset({"psnr"}), out=out, command="vtc bench",
    )  # fmt: skip
    return replace(whole, **changes)  # type: ignore[arg-type]


def by_status(outcome: Outcome) -> Counter[tuple[str, str]]:
    return Counter((row.codec, row.status) for row in outcome.rows)


def test_what_goes_wrong_costs_its_rows_and_no_more(data: Path, tmp_path: Path) -> None:
    seen, out = tmp_path / "seen", tmp_path / "out"
    coders = [Failing(seen), Copying(seen), Short(seen), Absent(seen)]
    outcome = run(request(data, out, coders=coders))
    clips = 2  # besides the broken one, which fails with every codec, and the short one, which is left out
    wrong = {(name, FAILED): clips + 1 for name in ("failing", "short")}
    assert by_status(outcome) == Counter(wrong | {("copy", DONE): clips, ("copy", FAILED): 1})
    assert outcome.left_out == {"short.mkv": "3 of 8 frames", "absent": "it is not on PATH"}
    reasons = {(row.codec, row.clip): row.reason for row in outcome.failed}
    assert reasons["failing", "good.mkv"] == "the encoder has said no"
    assert "7 pictures" in reasons["short", "good.mkv"]
    assert len({reason for (_, clip), reason in reasons.items() if clip == "broken.mp4"}) == 1
    assert not (out / "scratch").exists()

    copied = next(row for row in outcome.rows if row.codec == "copy" and row.clip == "good.mkv")
    assert (copied.frames, copied.width, copied.height, copied.bytes, copied.container_bytes) == (8, 64, 64, 1000, 1100)
    assert copied.bpp == pytest.approx(8 * 1000 / (8 * 64 * 64)) and copied.metrics["psnr"] == 100
    assert copied.picture and (out / copied.picture).is_file() and (out / copied.source_picture).is_file()
    about = json.loads((out / "about.json").read_text())
    assert about["protocols"] == {PROTOCOL.name: PROTOCOL.text} and about["left_out"][PROTOCOL.name] == outcome.left_out

    again = run(request(data, out, coders=coders))  # failed rows are tried again, finished ones are not
    assert len(seen.read_text().split()) == clips and by_status(again) == by_status(outcome)


def test_a_process_that_dies_costs_its_row_and_no_more(data: Path, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    clips = [clip for clip in find_clips("folder", data) if clip.name == "good.mkv"]
    outcome = run(request(data, tmp_path, clips=clips, coders=[Dying(seen), Copying(seen)], workers=2))
    assert by_status(outcome) == Counter({("dying", FAILED): 1, ("copy", DONE): 1})
    assert "died" in outcome.failed[0].reason


def test_only_what_changed_is_computed_again(data: Path, tmp_path: Path, make_bundle: Callable[..., None]) -> None:
    clips = [clip for clip in find_clips("folder", data) if clip.name == "good.mkv"]
    bundle = tmp_path / "mini.safetensors"
    make_bundle(bundle, 0)
    both = request(data, tmp_path / "out", clips=clips, coders=[Bundle(bundle), ANCHORS["x264"]])
    first = run(both)
    ours = next(row for row in first.rows if row.codec == "mini")
    assert first.fresh == 2 and ours.status == DONE, first.rows
    assert ours.tokens and ours.bytes == ours.container_bytes > sum(ours.streams.values()) > 0
    assert ours.lengths and max(ours.lengths) <= 8 and set(ours.streams) == {"motion", "finer", "partition", "structural", "query"}
    before = (tmp_path / "out" / RESULTS).read_bytes()
    assert run(both).fresh == 0 and (tmp_path / "out" / RESULTS).read_bytes() == before

    make_bundle(bundle, 1)
    second = run(both)
    assert second.fresh == 1 and (tmp_path / "out" / RESULTS).read_bytes().startswith(before)
    assert {row.codec: row.key for row in second.rows}["mini"] != ours.key
    assert {row.codec: row for row in second.rows}["x264"] == {row.codec: row for row in first.rows}["x264"]

    third = run(replace(both, metrics=frozenset({"psnr", "psnr_yuv"})))
    assert third.fresh == 2 and all(row.metrics["psnr_yuv"] for row in third.rows)
    assert len(read_rows(tmp_path / "out" / RESULTS)) == 3


def row(**changes: object) -> Row:
    plain = Row("folder", "p", "a.mp4", "0", "x264", "medium", "default", "crf28", 28.0, metrics={"psnr": 30.0, "lpips": None})
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_a_row_counts_as_finished_while_it_has_all_that_is_asked_for(tmp_path: Path) -> None:
    none = Covers(frozenset({"psnr", "lpips"}), {}, {"lpips": "needs weights"}, tmp_path)
    assert none(row(unavailable={"lpips": "needs weights"})) and none(row(metric_weights={"lpips": "aa"}))
    assert not none(None) and not none(row(status=FAILED)) and not none(row(metrics={"psnr": 30.0}))
    came = Covers(frozenset({"psnr", "lpips"}), {"lpips": "aa"}, {}, tmp_path)
    assert not came(row(unavailable={"lpips": "needs weights"}))
    assert came(row(unavailable={"lpips": "the picture is too small"}, metric_weights={"lpips": "aa"}))
    assert not came(row(metric_weights={"lpips": "bb"}))
    fvd = Covers(frozenset({"fvd"}), {"fvd": "cc"}, {}, tmp_path)
    there = row(metric_weights={"fvd": "cc"})
    assert not fvd(there)
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / f"{there.key}.npy").touch()
    assert fvd(there)


def test_the_log_drops_a_torn_line_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / RESULTS
    path.write_text(row().to_json() + "\n" + row(clip="b.mp4").to_json()[:50])
    with Log(path) as log:
        log.append(row(clip="c.mp4").to_json())
    assert [found.clip for found in read_rows(path)] == ["a.mp4", "c.mp4"]
    assert path.read_text().count("\n") == 2


def test_equal_key_frames_are_left_out_where_they_change_nothing(data: Path, tmp_path: Path) -> None:
    sweep = Sweep(points=1, keyframes=("default", "16"))
    kinds = {
        frames: {task.row.keyframes for task in plan(request(data, tmp_path, sweep=sweep, protocol=Protocol(64, frames)))}
        for frames in (16, 17, None)
    }
    assert kinds == {16: {"default"}, 17: {"default", "16"}, None: {"default", "16"}}
    assert (group_of(16, 16), group_of(32, 16), group_of(16, 128)) == (1, 2, 1)


def test_a_bundle_that_no_quality_changes_has_one_point() -> None:
    sweep = Sweep(points=4, keyframes=("default", "16"))
    dera, vtok = ([(p.keyframes, p.name) for p in find_bundle(name, "cpu").points(sweep)] for name in ("dera-tiny", "vtok-tiny"))
    assert dera == [("default", "q50"), ("16", "q50")]  # ids, so many for every segment of 16 frames
    assert vtok == [("default", name) for name in ("q10", "q30", "q50", "q70")]  # its segments are longer than 16 frames


def test_pictures_show_frames_that_are_there() -> None:
    assert all(0 <= number < frames for frames in (1, 2, 3, 16, 100) for number in shown(frames))
    assert shown(16) == [5, 10]


def threads(job: int) -> int:
    """Of torch in the process of a job."""
    import torch

    return int(torch.get_num_threads())


def test_a_worker_has_one_thread(tmp_path: Path) -> None:
    """Two processes of two threads each on two processors wait for each other most of the time."""
    [(_, found)] = Pool(1, threads, start, (Setup(tmp_path, ("psnr",), None),)).run([1])
    assert found == 1
