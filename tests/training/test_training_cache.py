"""The frame cache and the batches cut from it."""

import dataclasses
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_training import RECIPE, ToyObjective, brightest

from vtc.errors import TrainingError
from vtc.training.batches import Batches, Box, Loader
from vtc.training.cache import Cache, Entry, build_cache, read_frames
from vtc.training.data import index_folders
from vtc.training.frames import DeviceFrames, DiskFrames, fits
from vtc.training.report import Reporter


def build(
    folder: Path, place: Path, workers: int = 1, prepare: object = None, reporter: Reporter | None = None
) -> Cache:
    objective = ToyObjective()
    index = index_folders([folder])
    hook = prepare or objective.prepare
    return build_cache(index, RECIPE, place, hook, objective.prepare_key, workers=workers, reporter=reporter)  # type: ignore[arg-type]


def test_good_videos_are_cached_and_bad_ones_listed(cache: Cache) -> None:
    assert len(cache.train) + len(cache.held) == 5
    assert set(cache.skipped) == {"a/broken.mp4", "a/short.mp4"}
    assert "4 frames" in cache.skipped["a/short.mp4"]
    for entry in cache.train:
        clip = np.load(entry.folder / "clip.npy")
        frames, height, width = entry.shape
        assert clip.dtype == np.uint8
        assert clip.shape == (frames, 3, height, width)
        assert frames % 4 == 0 and height % 16 == 0 and width % 16 == 0
        assert min(height, width) in RECIPE.sides
        assert 16 <= frames <= RECIPE.cache_frames
        assert entry.arrays == ("base", "clip", "codes", "step")
        assert clip.std() > 10


class Count(Reporter):
    def __init__(self) -> None:
        self.heard: list[tuple[int, int]] = []

    def caching(self, done: int, total: int) -> None:
        self.heard.append((done, total))


def test_a_build_that_was_interrupted_goes_on_where_it_stopped(folder: Path, tmp_path: Path) -> None:
    objective = ToyObjective()
    calls = 0

    def fails_at_third(frames: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return objective.prepare(frames, rng)

    with pytest.raises(KeyboardInterrupt):
        build(folder, tmp_path, prepare=fails_at_third)
    assert not list(tmp_path.glob(".*"))
    done = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    count = Count()
    cache = build(folder, tmp_path, reporter=count)
    assert count.heard == [(i, 7) for i in range(len(done) + 1, 8)]
    assert len(cache.train) + len(cache.held) == 5
    assert all((tmp_path / name).stat().st_mtime_ns == time for name, time in done.items())


def test_worker_processes_make_the_same_cache(folder: Path, cache: Cache, tmp_path: Path) -> None:
    other = build(folder, tmp_path, workers=2)
    assert [entry.name for entry in other.train] == [entry.name for entry in cache.train]
    for one, two in zip(cache.train, other.train):
        for name in one.arrays:
            assert np.array_equal(np.load(one.folder / f"{name}.npy"), np.load(two.folder / f"{name}.npy"))


def test_arrays_that_do_not_line_up_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="base"):
        build(folder, tmp_path, prepare=lambda frames, rng: {"base": frames[:-1]})


def test_no_usable_video_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.mp4").write_bytes(b"nothing")
    with pytest.raises(TrainingError, match="none of the videos"):
        build(tmp_path / "data", tmp_path / "cache")


def test_batches_are_a_function_of_seed_and_step(cache: Cache) -> None:
    one, two = Batches(cache, RECIPE, 3), Batches(cache, RECIPE, 3)
    for step in (0, 7):
        assert all(torch.equal(tensor, two.batch(step)[name]) for name, tensor in one.batch(step).items())
    assert not torch.equal(one.batch(0)["clip"], one.batch(1)["clip"])
    assert not torch.equal(one.batch(0)["clip"], Batches(cache, RECIPE, 4).batch(0)["clip"])


def test_all_arrays_are_cropped_alike(cache: Cache) -> None:
    batches = Batches(cache, RECIPE)
    for step in range(20):
        batch = batches.batch(step)
        assert batch["clip"].shape == (3, 3, 16, 32, 32)
        assert batch["clip"].dtype == torch.uint8
        assert torch.equal(batch["base"], batch["clip"] // 2)  # what the toy objective prepares
        assert batch["step"].shape == (3, 16)
        codes = [brightest(clip.swapaxes(0, 1)).swapaxes(0, 1) for clip in batch["clip"]]
        assert torch.equal(batch["codes"], torch.stack(codes))


def test_crops_start_on_the_grid_and_flips_mirror(cache: Cache) -> None:
    entry = next(entry for entry in cache.train if entry.shape[0] >= 32 and entry.shape[2] >= 48)
    whole = np.load(entry.folder / "clip.npy")
    frames = DiskFrames()
    straight = Box(16, 16, 0, 16, 32).cut(frames(entry), entry.shape[1:])
    mirrored = Box(16, 16, 0, 16, 32, flip=True).cut(frames(entry), entry.shape[1:])
    assert np.array_equal(straight["clip"], whole[16:32, :, :32, 16:48].swapaxes(0, 1))
    assert np.array_equal(mirrored["clip"], straight["clip"][..., ::-1])
    assert np.array_equal(mirrored["base"], straight["base"][..., ::-1])
    steps = np.load(entry.folder / "step.npy")
    starts = set()
    for step in range(60):
        for row in Batches(cache, RECIPE).batch(step)["step"].numpy():
            starts |= {start for start in range(len(steps) - 15) if np.array_equal(row, steps[start : start + 16])}
    assert starts == set(range(0, len(steps) - 15, 16))


def test_sources_are_balanced_by_the_square_root(cache: Cache) -> None:
    entry = cache.train[0]
    large = tuple(dataclasses.replace(entry, source="large", name=str(i)) for i in range(400))
    small = tuple(dataclasses.replace(entry, source="small", name=str(i)) for i in range(4))
    batches = Batches(dataclasses.replace(cache, train=large + small), RECIPE)
    assert batches.pools[RECIPE.crop].weights == pytest.approx([20 / 22, 2 / 22])


def test_held_out_videos_are_not_in_batches(cache: Cache) -> None:
    batches = Batches(cache, RECIPE)
    drawn = {entry.name for group in batches.pools[RECIPE.crop].groups for entry in group}
    assert drawn.isdisjoint(entry.name for entry in cache.held)
    held = batches.held_out()
    assert len(held) == len(cache.held) == 1
    assert held[0]["clip"].shape == (1, 3, 16, 32, 32)


def test_the_loader_keeps_the_order_and_measures_waiting(cache: Cache) -> None:
    batches = Batches(cache, RECIPE)
    with Loader(batches, 5, torch.device("cpu"), threads=3) as loader:
        for step in range(5, 15):
            assert torch.equal(next(loader)[0]["clip"], batches.batch(step)["clip"])
        assert loader.waited > 0


def test_batches_cut_on_the_device_are_those_cut_on_the_disk(cache: Cache) -> None:
    here = torch.device("cpu")
    recipe = dataclasses.replace(RECIPE, crops=(48,))
    disk = Batches(cache, recipe, 2)
    device = Batches(cache, recipe, 2, DeviceFrames(cache.train, here))
    with Loader(disk, 3, here, parts=2) as slow, Loader(device, 3, here, parts=2) as fast:
        for _ in range(6):
            for one, two in zip(next(slow), next(fast), strict=True):
                assert one.keys() == two.keys()
                assert all(torch.equal(one[name], two[name]) for name in one)
    assert not fits(cache.train, here)


def test_a_step_in_parts_sees_what_a_large_batch_would(cache: Cache) -> None:
    large = Batches(cache, dataclasses.replace(RECIPE, batch=6))
    parts = Batches(cache, RECIPE)
    for step in range(3):
        both = torch.cat([parts.batch(step, part)["clip"] for part in (0, 1)])
        assert torch.equal(large.batch(step)["clip"], both)


def test_crops_of_several_sizes_hold_as_many_pixels(cache: Cache) -> None:
    batches = Batches(cache, dataclasses.replace(RECIPE, batch=4, crops=(16, 48, 64)))
    shapes = {batches.batch(step)["clip"].shape for step in range(30)}
    highest = max(min(entry.shape[1:]) for entry in cache.train)  # sides are drawn by the sizes of the files
    wanted = {(4, 3, 16, 32, 32), (16, 3, 16, 16, 16), (2, 3, 16, 48, 48)}
    assert shapes == wanted | ({(1, 3, 16, 64, 64)} if highest >= 64 else set())
    assert all(min(entry.shape[1:]) >= 48 for group in batches.pools[48].groups for entry in group)


@pytest.mark.parametrize(("speed", "order"), [(2.0, range(0, 32, 2)), (0.5, [i // 2 for i in range(16)])])
def test_videos_are_sped_up_and_slowed_by_whole_frames(folder: Path, speed: float, order: list[int]) -> None:
    clip = next(clip for clip in index_folders([folder]).clips if clip.name == "a/0.mp4")
    whole = read_frames(clip, 48, 0.0, 34)
    assert np.array_equal(read_frames(clip, 48, 0.0, 16, speed), whole[list(order)])


def test_the_speed_of_a_video_hangs_on_the_seed_and_is_prepared_as_it_runs(folder: Path, tmp_path: Path) -> None:
    objective, index = ToyObjective(), index_folders([folder])
    recipe = dataclasses.replace(RECIPE, speeds=(0.5, 1.0, 2.0), frames=12)
    cache = build_cache(index, recipe, tmp_path, objective.prepare, "", workers=1)
    again = build_cache(index, recipe, tmp_path, objective.prepare, "", workers=1)
    assert again == cache
    slowed = [e for e in cache.train if np.array_equal(np.load(e.folder / "clip.npy")[0], np.load(e.folder / "clip.npy")[1])]
    assert 0 < len(slowed) < len(cache.train)
    for entry in cache.train:
        assert np.array_equal(np.load(entry.folder / "base.npy"), np.load(entry.folder / "clip.npy") // 2)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_the_cache_lies_there(cache: Cache) -> None:
    device = torch.device("cuda")
    assert fits(cache.train, device)
    disk, resident = Batches(cache, RECIPE), Batches(cache, RECIPE, 0, DeviceFrames(cache.train, device))
    with Loader(resident, 0, device) as loader:
        for step in range(5):
            batch = next(loader)[0]
            assert batch["clip"].device.type == "cuda" and batch["clip"].dtype == torch.uint8
            assert all(torch.equal(tensor.cpu(), disk.batch(step)[name]) for name, tensor in batch.items())


def test_threads_open_arrays_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """numpy parses headers with Python's parser, which two threads must not enter at once in Python 3.11."""
    inside, most = 0, 0

    def load(*arguments: object, **others: object) -> np.ndarray:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.002)
        inside -= 1
        return np.zeros((1, 3, 2, 2), np.uint8)

    monkeypatch.setattr(np, "load", load)
    entries = [Entry(tmp_path / str(i), "", "", False, (1, 2, 2), ("clip",)) for i in range(24)]
    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(DiskFrames(), entries))) == len(entries)
    assert most == 1


ALIKE = {
    "flip": (Box(16, 16, 0, 16, 32, flip=True), lambda piece: piece[..., ::-1]),
    "upset": (Box(16, 16, 0, 16, 32, upset=True), lambda piece: piece[..., ::-1, :]),
    "transpose": (Box(16, 16, 0, 16, 32, transpose=True), lambda piece: piece.swapaxes(2, 3)),
    "turned a quarter": (Box(16, 16, 0, 16, 32, upset=True, transpose=True), lambda piece: np.rot90(piece, -1, (2, 3))),
}


@pytest.mark.parametrize("way", ALIKE)
def test_all_arrays_are_turned_alike(cache: Cache, way: str) -> None:
    """Turning what is cut is cutting what is turned; what was made of a turned clip would be the turned array."""
    entry = next(entry for entry in cache.train if entry.shape[0] >= 32 and entry.shape[2] >= 48)
    box, turn = ALIKE[way]
    straight = Box(16, 16, 0, 16, 32).cut(DiskFrames()(entry), entry.shape[1:])
    turned = box.cut(DiskFrames()(entry), entry.shape[1:])
    for name in ("clip", "base", "codes"):
        assert np.array_equal(turned[name], turn(straight[name]))
    assert np.array_equal(turned["step"], straight["step"])
    clip = torch.from_numpy(np.ascontiguousarray(turned["clip"]))
    assert np.array_equal(brightest(clip.swapaxes(0, 1)).swapaxes(0, 1), turned["codes"])


def test_colours_change_in_pictures_alone(cache: Cache) -> None:
    entry = next(entry for entry in cache.train if entry.shape[0] >= 32 and entry.shape[2] >= 48)
    straight = Box(16, 16, 0, 16, 32).cut(DiskFrames()(entry), entry.shape[1:])
    box = Box(16, 16, 0, 16, 32, colours=(2, 0, 1), negative=True)
    changed = box.cut(DiskFrames()(entry), entry.shape[1:])
    for name in ("clip", "base"):
        assert changed[name].dtype == np.uint8
        assert np.array_equal(changed[name], 255 - straight[name][[2, 0, 1]])
    assert np.array_equal(changed["codes"], straight["codes"])
    on_device = box.cut(DeviceFrames([entry], torch.device("cpu"))(entry), entry.shape[1:])
    assert all(np.array_equal(changed[name], on_device[name].numpy()) for name in changed)


def test_a_recipe_turns_and_recolours_a_share_of_its_clips(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    boxes: list[Box] = []
    cut = Box.cut
    monkeypatch.setattr(Box, "cut", lambda box, *rest: boxes.append(box) or cut(box, *rest))
    recipe = dataclasses.replace(RECIPE, turned=True, recoloured=0.5)
    batches, plain = Batches(cache, recipe, 1), Batches(cache, RECIPE, 1)
    for step in range(150):
        batches.batch(step)
    assert len({(box.flip, box.upset, box.transpose) for box in boxes}) == 8
    true = sum(box.colours == (0, 1, 2) and not box.negative for box in boxes) / len(boxes)
    assert true == pytest.approx(0.5 + 0.5 / 12, abs=0.07)
    assert len({(box.colours, box.negative) for box in boxes}) == 12
    again = Batches(cache, recipe, 1)
    assert all(torch.equal(tensor, again.batch(7)[name]) for name, tensor in batches.batch(7).items())
    both = DeviceFrames(cache.train, torch.device("cpu"))
    for step in range(6):
        one, two = batches.batch(step), Batches(cache, recipe, 1, both).batch(step)
        assert all(torch.equal(one[name], two[name]) for name in one)
    boxes.clear()
    held = batches.held_out()
    assert not any(box.flip or box.upset or box.transpose or box.negative or box.colours != (0, 1, 2) for box in boxes)
    assert all(torch.equal(one["clip"], two["clip"]) for one, two in zip(held, plain.held_out(), strict=True))
    boxes.clear()
    plain.batch(0)
    assert not any(box.upset or box.transpose or box.negative for box in boxes)
