"""The codec asks nothing of a tokenizer but the contract: other clips, fixed tiles, planes, sequences a tile, ids, no base layer."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import vtc
from vtc.codec.streams import ids
from vtc.codec.symbols import EDGES
from vtc.container import open_reader
from vtc.entropy import StaticModel, StreamSpec, fit_grid, fit_sequence
from vtc.media import SinkInfo, open_sink
from vtc.media.scene import render_scene
from vtc.tokenizers import bundle
from vtc.tokenizers.contract import Context, DecodeOptions, Latents, Lengths, Stream, Tokenizer

from .films import Make, shown

FRAMES, SIDE, LEVELS = 32, 64, (5, 4, 3)


@dataclass(frozen=True)
class ToyConfig:
    channels: int = 3


class Toy(Tokenizer):
    """Pictures as means: a plane over the tile, a plane over time, tokens a later frame, and ids of the mean colour."""

    name = "toy"
    clip_frames = FRAMES
    tile = (SIDE, SIDE)

    def __init__(self, config: ToyConfig) -> None:
        super().__init__()
        self.config = config
        self.base = None
        self.scale = nn.Parameter(torch.ones(1))

    @property
    def streams(self) -> tuple[Stream, ...]:
        return (
            Stream("plane", 3, 255, "grid", classes=4, stride=(FRAMES, 4, 4)),
            Stream("times", 3, 255, "grid", stride=(1, SIDE, 16)),
            Stream("residual", 3, 31, "sequence", cut=True, positions=2, items=FRAMES - 1),
            Stream("mean", 3, 2, "sequence", positions=1, levels=LEVELS),
        )

    def gains(self, step: float) -> dict[str, float]:
        return {"plane": 32 / step, "times": 32 / step, "residual": 8.0, "mean": 1.0}

    def lengths(self, clip: Tensor) -> Lengths:
        moved = (clip[:, :, 1:] - clip[:, :, :-1]).abs().mean((1, 3, 4))
        return {"residual": (moved > 0).long() * 2}

    def encode(self, clip: Tensor, context: Context) -> Latents:
        plane = F.avg_pool2d(clip.mean(2), 4)
        rest = clip - F.interpolate(plane, scale_factor=4)[:, :, None]
        times = rest.mean(3).unflatten(-1, (-1, 16)).mean(-1)
        frames = clip.mean((3, 4)).permute(0, 2, 1)
        residual = (frames[:, 1:] - frames[:, :-1])[:, :, None].repeat(1, 1, 2, 1)
        digits = torch.tensor([[0.0, -2.0, 1.0]]).expand(len(clip), 1, 3)
        return {
            "plane": plane.flatten(2).mT,
            "times": times.flatten(2).mT,
            "residual": residual.flatten(1, 2),
            "mean": digits,
        }

    def decode(self, latents: Latents, lengths: Lengths, context: Context, options: DecodeOptions) -> Tensor:
        assert context.side is not None and context.side.shape[2:] == (FRAMES // 4, SIDE // 16, SIDE // 16)
        assert lengths["residual"].shape == (len(latents["plane"]), FRAMES - 1)
        assert latents["mean"][:, 0].tolist() == [[0.0, -2.0, 1.0]] * len(latents["mean"])
        cut = torch.arange(2) >= lengths["residual"][..., None]
        assert not latents["residual"].unflatten(1, (FRAMES - 1, 2))[cut].any()
        plane = F.interpolate(latents["plane"].mT.unflatten(2, (SIDE // 4, SIDE // 4)), scale_factor=4)
        times = latents["times"].mT.unflatten(2, (FRAMES, SIDE // 16)).repeat_interleave(16, -1)
        return plane[:, :, None] + times[:, :, :, None]


@pytest.fixture(params=["packed", "tables"])
def toy(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bundle of the toy tokenizer, without or with entropy tables; its name."""
    monkeypatch.setitem(bundle._TOKENIZERS, "toy", (Toy, ToyConfig))
    monkeypatch.setenv("VTC_WEIGHTS", str(tmp_path))
    tables: dict[str, np.ndarray] = {}
    if request.param == "tables":
        rng = np.random.default_rng(0)
        for stream in Toy(ToyConfig()).streams:
            sides = 3 if stream.name in ("plane", "residual") else 1  # of which the step picks one
            spec = StreamSpec(stream.name, stream.channels, stream.bound, stream.kind, stream.classes, sides)
            tables |= {f"{stream.name}.{EDGES}": np.array([0.1, 0.5])} if sides > 1 else {}
            symbols = rng.integers(-stream.bound, stream.bound + 1, (8, max(stream.positions, 4), 4, 3))
            model: StaticModel
            if stream.kind == "sequence":
                lengths = np.full(8, stream.positions)
                model = fit_sequence(spec, stream.positions, [(symbols[:, :, 0], lengths, i) for i in range(sides)])
            else:
                model = fit_grid(spec, [(symbols, np.full(symbols.shape[:3], i)) for i in range(sides)])
            tables |= {f"{stream.name}.{name}": array for name, array in model.to_arrays().items()}
    bundle.save_bundle(tmp_path / "toy.safetensors", Toy(ToyConfig()), tables, {})
    return "toy"


@pytest.mark.parametrize(("frames", "width", "height"), [(40, 40, 24), (33, 150, 64), (3, 64, 100)])
def test_any_video_goes_through_clips_of_one_size(
    toy: str, video: Make, tmp_path: Path, frames: int, width: int, height: int
) -> None:
    source = video(frames, width, height)
    result = vtc.encode(source, tmp_path / "a.vtc", model=toy, quality=90)
    assert result.segments == -(-frames // FRAMES)
    with open_reader(tmp_path / "a.vtc") as reader:
        counts = {stream.id: stream.counts for stream in reader.segment(0).streams}
    tiles = (1 if width <= SIDE else 3) * (1 if height <= SIDE else 2)
    assert [len(counts[i]) for i in range(4)] == [tiles, tiles, tiles * (FRAMES - 1), tiles]
    assert counts[0][0] == 256 and counts[1][0] == FRAMES * 4 and set(counts[2]) <= {0, 2} and set(counts[3]) == {1}
    vtc.decode(tmp_path / "a.vtc", tmp_path / "a.npy")
    before, after = shown(source)[0], np.load(tmp_path / "a.npy")
    assert after.shape == before.shape
    error = np.square(before.astype(float) - after).mean()
    assert 10 * np.log10(255**2 / error) > 18


def test_lengths_of_every_item_follow_the_options(toy: str, video: Make, tmp_path: Path) -> None:
    source = video(32)
    for options, kept in (({"tokens": 1}, {1}), ({"length": 0.0}, {0}), ({"length": 0.5}, {0, 1})):
        vtc.encode(source, tmp_path / "a.vtc", model=toy, overwrite=True, **options)
        with open_reader(tmp_path / "a.vtc") as reader:
            assert set(reader.segment(0).streams[2].counts) <= kept
        with vtc.open(tmp_path / "a.vtc") as opened:
            assert opened.tokens(0)["mean"].shape == (1, 3)


def test_tensors_come_back(toy: str) -> None:
    codec = vtc.load(toy, device="cpu")
    clips = torch.rand(2, 3, 40, 32, 80) * 2 - 1
    latents = codec.encode(clips, quality=90)
    assert codec.decode(latents).shape == clips.shape
    assert latents.stream("residual")[0][0].shape == (2 * 2 * (FRAMES - 1), 3)


def still(path: Path, frames: int) -> Path:
    """A picture that stays, in FFV1."""
    picture = next(iter(render_scene(96, 64, 1)))
    with open_sink(path, SinkInfo(96, 64, Fraction(1, 25), Fraction(25)), codec="ffv1") as sink:
        for number in range(frames):
            sink.write(picture, number, 1)
    return path


def test_what_stays_costs_next_to_nothing(toy: str, video: Make, tmp_path: Path) -> None:
    """Segments lean on the one before where that saves bytes, within their group; any frame is the same wherever decoding begins."""
    vtc.encode(still(tmp_path / "still.mkv", 6 * FRAMES), tmp_path / "a.vtc", model=toy, group=3)
    with open_reader(tmp_path / "a.vtc") as reader:
        segments = [reader.segment(number) for number in range(6)]
        assert all(finding.ok for finding in reader.verify())
    assert [segment.leans for segment in segments] == [False, True, True] * 2
    sizes = [sum(len(stream.data) for stream in segment.streams) for segment in segments]
    assert max(sizes[1:3] + sizes[4:]) < 0.05 * sizes[0]
    vtc.decode(tmp_path / "a.vtc", tmp_path / "a.npy")
    whole = np.load(tmp_path / "a.npy")
    with vtc.open(tmp_path / "a.vtc") as opened:
        assert np.array_equal(opened.frames[5 * FRAMES], whole[5 * FRAMES]) and np.array_equal(opened.frames[40], whole[40])
    vtc.encode(tmp_path / "a.vtc", tmp_path / "less.vtc", length=0.5)
    vtc.decode(tmp_path / "less.vtc", tmp_path / "less.npy")
    assert np.array_equal(np.load(tmp_path / "less.npy"), whole)  # no residual tokens to lose
    vtc.encode(video(2 * FRAMES, 96, 64), tmp_path / "moving.vtc", model=toy, entropy="packed")
    with open_reader(tmp_path / "moving.vtc") as reader:
        assert not reader.segment(1).leans


@given(st.lists(st.integers(2, 9), min_size=1, max_size=5), st.integers(0, 2**31))
def test_ids_number_the_combinations_of_digits(levels: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    digits = np.stack([rng.integers(-(n // 2), (n - 1) // 2 + 1, 50) for n in levels], -1)
    found = ids(digits, tuple(levels))
    assert found.min() >= 0 and found.max() < np.prod(levels)
    assert len(np.unique(found)) == len(np.unique(digits, axis=0))
