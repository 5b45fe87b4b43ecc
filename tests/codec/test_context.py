"""The context profile through files: fewer bytes, the same symbols, whatever threads; nothing written that does not decode."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import vtc
from vtc.codec.symbols import CONTEXT, STATIC
from vtc.container import open_reader
from vtc.entropy import ContextModel, VectorModel
from vtc.errors import BundleError, OutputError, TrainingError, UsageError
from vtc.training.context.train import train_context

from .films import write_video

NAME = "learned"


@pytest.fixture(scope="module")
def learned(mini_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The miniature bundle with context tables learned in a few steps, alone in its folder."""
    data = tmp_path_factory.mktemp("films")
    for number, size in enumerate(((128, 96), (144, 128), (128, 128))):
        write_video(data / f"{number}.mkv", 32, *size)
    path = tmp_path_factory.mktemp("learned") / f"{NAME}.safetensors"
    train_context(mini_bundle, [data], path, steps=400)
    return path


@pytest.fixture(autouse=True)
def at_hand(learned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VTC_WEIGHTS", str(learned.parent))


def profiles(path: Path) -> list[dict[int, int]]:
    """Profiles by stream, of every segment."""
    with open_reader(path) as reader:
        segments = [reader.segment(number) for number in range(len(reader.index.segments))]
    return [{stream.id: stream.profile for stream in segment.streams} for segment in segments]


def symbols(path: Path, segment: int) -> dict[str, np.ndarray]:
    with vtc.open(path) as video:
        return video.tokens(segment)


def test_fewer_bytes_for_the_same_symbols(film: Path, tmp_path: Path) -> None:
    sizes = {}
    for entropy in ("static", "context", "auto"):
        sizes[entropy] = vtc.encode(film, tmp_path / f"{entropy}.vtc", model=NAME, group=3, entropy=entropy).bytes
    assert sizes["auto"] <= sizes["context"] < sizes["static"]
    assert all(found[0] == found[3] == CONTEXT for found in profiles(tmp_path / "context.vtc"))
    assert all(CONTEXT not in found.values() for found in profiles(tmp_path / "static.vtc"))
    for segment in (6, 1, 2, 0):  # backwards too: a segment is decoded from the start of its group
        one, two = (symbols(tmp_path / f"{entropy}.vtc", segment) for entropy in ("static", "context"))
        assert one.keys() == two.keys() and all(np.array_equal(one[name], two[name]) for name in one)


def test_threads_change_no_byte_and_no_symbol(film: Path, tmp_path: Path) -> None:
    for threads in (1, 2):
        vtc.encode(film, tmp_path / f"{threads}.vtc", model=NAME, group=3, threads=threads)
        vtc.decode(tmp_path / "1.vtc", tmp_path / f"{threads}.npy", threads=threads)
    assert (tmp_path / "1.vtc").read_bytes() == (tmp_path / "2.vtc").read_bytes()
    one, two = (np.load(tmp_path / f"{threads}.npy") for threads in (1, 2))
    assert one.shape == two.shape == (100, 48, 64, 3) and np.abs(one.astype(int) - two).max() <= 1


def test_a_coarser_step_on_the_way_is_followed(tmp_path: Path) -> None:
    """A clip of black and white noise has its step raised in some segments; the past is told in the step of each."""
    from fractions import Fraction

    from vtc.media import SinkInfo, open_sink

    rng = np.random.default_rng(0)
    with open_sink(tmp_path / "a.mkv", SinkInfo(64, 48, Fraction(1, 25), Fraction(25)), codec="ffv1") as sink:
        for number in range(48):
            flat = np.full((48, 64, 3), 128, np.uint8)
            noise = np.repeat(rng.integers(0, 2, (3, 4, 1), np.uint8) * 255, 3, 2).repeat(16, 0).repeat(16, 1)
            sink.write(noise if 16 <= number < 32 else flat, number, 1)
    vtc.encode(tmp_path / "a.mkv", tmp_path / "a.vtc", model=NAME, quality=100, group=3, entropy="context")
    with open_reader(tmp_path / "a.vtc") as reader:
        steps = [reader.segment(number).step for number in range(3)]
    assert steps[0] == steps[2] < steps[1]
    assert vtc.decode(tmp_path / "a.vtc", tmp_path / "a.npy").frames == 48


def test_what_does_not_decode_is_not_written(film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = ContextModel.decode
    with monkeypatch.context() as patch:
        patch.setattr(ContextModel, "decode", lambda *known: right(*known) + 1)
        vtc.encode(film, tmp_path / "a.vtc", model=NAME, group=3)
    assert all(found[1] == STATIC for found in profiles(tmp_path / "a.vtc"))
    assert vtc.decode(tmp_path / "a.vtc", tmp_path / "a.npy").frames == 100
    monkeypatch.setattr(VectorModel, "decode", lambda self, data, shape, before: np.zeros((*shape, 3), np.int32))
    with pytest.raises(OutputError, match="motion"):
        vtc.encode(film, tmp_path / "b.vtc", model=NAME, entropy="context")
    assert not (tmp_path / "b.vtc").exists()


def test_a_bundle_without_context_tables(film: Path, mini_bundle: Path, learned: Path, tmp_path: Path) -> None:
    vtc.encode(film, tmp_path / "a.vtc", model=str(mini_bundle), group=3)
    assert all(CONTEXT not in found.values() for found in profiles(tmp_path / "a.vtc"))
    with pytest.raises(UsageError, match="context"):
        vtc.encode(film, tmp_path / "b.vtc", model=str(mini_bundle), entropy="context")
    before, after = load_file(mini_bundle), load_file(learned)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(".context_" in name for name in after.keys() - before.keys()) and len(after) > len(before)


def test_files_of_the_bundle_it_was_made_of_still_decode(
    film: Path, coded: Path, decoded: np.ndarray, learned: Path, make_bundle: Callable[..., None], tmp_path: Path
) -> None:
    vtc.decode(coded, tmp_path / "a.npy")
    assert np.array_equal(np.load(tmp_path / "a.npy"), decoded)
    vtc.encode(coded, tmp_path / "less.vtc", length=0.5)
    assert vtc.decode(tmp_path / "less.vtc", tmp_path / "b.npy").frames == 100
    make_bundle(tmp_path / "other.safetensors", 1)
    vtc.encode(film, tmp_path / "other.vtc", model=str(tmp_path / "other.safetensors"))
    with pytest.raises(BundleError, match="sha256"):
        vtc.decode(tmp_path / "other.vtc", tmp_path / "c.npy")


def test_training_twice_gives_the_same_bundle_and_never_replaces_it(
    mini_bundle: Path, film: Path, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "film.mkv").write_bytes(film.read_bytes())
    for name in ("a", "b"):
        train_context(mini_bundle, [tmp_path / "data"], tmp_path / name / "mini.safetensors", steps=3)
    assert (tmp_path / "a" / "mini.safetensors").read_bytes() == (tmp_path / "b" / "mini.safetensors").read_bytes()
    with pytest.raises(TrainingError, match="itself"):
        train_context(mini_bundle, [tmp_path / "data"], mini_bundle, steps=3)
