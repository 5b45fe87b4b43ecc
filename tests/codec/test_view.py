"""What a coordinate decoder is asked for: parts, sizes and times of a file through the real decode."""

from bisect import bisect_right
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import vtc
from vtc.codec.resize import Resize
from vtc.codec.view import View, view_of
from vtc.errors import UsageError
from vtc.tokenizers.bundle import save_bundle
from vtc.tokenizers.coordinate import CoordinateConfig
from vtc.tokenizers.coordtok import CoordTok, CoordTokConfig
from vtc.tokenizers.layers.patch import to_float
from vtc.tokenizers.planes import fit_bases

from .films import shown, write_video

SMALL = CoordTokConfig(
    clip_frames=16, side=48, width=24, heads=2, patch_depth=1, depth=1, tubelet_time=8, plane_time=4, plane_side=6, latent_time=2,
    latent_side=3, features=(24, 12), decoder=CoordinateConfig(width=24, heads=2, depth=1, points=144),
)  # fmt: skip


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A miniature CoordTok that has begun (its network adds nothing yet, so that parts are exactly parts)."""
    folder = tmp_path_factory.mktemp("coordtok")
    film = shown(write_video(folder / "start.mkv", 48, 48, 48))[0]
    torch.manual_seed(0)
    model = CoordTok(SMALL)
    assert model.linear is not None
    clips = [to_float(torch.from_numpy(film[i : i + 16])).permute(3, 0, 1, 2) for i in (0, 16, 32)]
    fit_bases(clips, model.linear)
    model.gain.copy_(torch.tensor([4.0, 1.0, 1.0]))
    save_bundle(folder / "small.safetensors", model, {}, {})
    return folder / "small.safetensors"


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 frames of 80x64: 3 segments of 2x2 tiles."""
    return write_video(tmp_path_factory.mktemp("view") / "film.mkv", 40, 80, 64)


@pytest.fixture(scope="module")
def coded(film: Path, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("coded") / "film.vtc"
    vtc.encode(film, path, model=str(bundle), quality=80, group=1, threads=1)
    return path


@pytest.fixture(autouse=True)
def at_hand(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VTC_WEIGHTS", str(bundle.parent))


def played(coded: Path, tmp_path: Path, **options: object) -> np.ndarray:
    vtc.decode(coded, tmp_path / "a.npy", overwrite=True, threads=1, **options)
    return np.load(tmp_path / "a.npy")


@pytest.fixture(scope="module")
def whole(coded: Path, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VTC_WEIGHTS", str(bundle.parent))
        return played(coded, tmp_path_factory.mktemp("whole"))


def near(one: np.ndarray, two: np.ndarray, levels: int = 1) -> bool:
    """Equal but for rounding."""
    return one.shape == two.shape and np.abs(one.astype(int) - two).max() <= levels


def test_decoding_shows_the_film(film: Path, whole: np.ndarray) -> None:
    source = shown(film)[0]
    assert whole.shape == source.shape
    assert 10 * np.log10(255**2 / np.square(source.astype(float) - whole).mean()) > 17


def test_a_crop_is_that_part(coded: Path, whole: np.ndarray, tmp_path: Path) -> None:
    for x, y, width, height in ((0, 0, 80, 64), (5, 7, 20, 16), (30, 20, 40, 41), (79, 63, 1, 1)):
        part = played(coded, tmp_path, crop=(x, y, width, height))
        assert near(part, whole[:, y : y + height, x : x + width])


def test_a_range_is_that_part_of_time(coded: Path, whole: np.ndarray, tmp_path: Path) -> None:
    assert near(played(coded, tmp_path, start=0.4, end=1.0), whole[10:25])
    assert near(played(coded, tmp_path, start=0.4, end=1.0, crop=(8, 8, 16, 16)), whole[10:25, 8:24, 8:24])


def test_twice_the_rate_keeps_the_frames_and_paints_between(coded: Path, whole: np.ndarray, tmp_path: Path) -> None:
    double = played(coded, tmp_path, fps=50)
    assert len(double) == 80 and near(double[::2], whole)
    between, mean = double[1:31:2].astype(float), (whole[:15].astype(float) + whole[1:16]) / 2
    assert np.abs(between - mean).mean() < 0.5  # the linear paths mix frames
    assert len(played(coded, tmp_path, fps=10)) == 16
    assert len(played(coded, tmp_path, fps=Fraction(30), start=0.5, end=1.0)) == 15


def test_twice_the_size_is_the_same_picture(coded: Path, whole: np.ndarray, tmp_path: Path) -> None:
    large = played(coded, tmp_path, scale=2.0, end=0.4)
    assert large.shape == (10, 128, 160, 3)
    halved = large.reshape(10, 64, 2, 80, 2, 3).mean((2, 4))
    assert np.abs(halved - whole[:10]).mean() < 2
    assert played(coded, tmp_path, size=(100, 50), crop=(10, 10, 40, 20), end=0.1).shape == (3, 50, 100, 3)
    assert played(coded, tmp_path, scale=7.0, crop=(10, 10, 8, 8), end=0.1).shape == (3, 56, 56, 3)


def test_a_part_is_not_the_work_of_the_whole(coded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    forward = CoordTok.__mro__[0].paint

    def counted(self: CoordTok, planes: object, step: object, query: object = None) -> object:
        painted = forward(self, planes, step, query)
        asked.append(painted.shape[2] * painted.shape[3] * painted.shape[4])
        return painted

    monkeypatch.setattr(CoordTok, "paint", counted)
    played(coded, tmp_path, crop=(4, 4, 8, 8), start=0.4, end=0.6)
    assert sum(asked) == 5 * 8 * 8


def test_damage_in_a_view(coded: Path, bundle: Path, tmp_path: Path) -> None:
    data = bytearray(coded.read_bytes())
    data[len(data) // 2] ^= 1
    broken = tmp_path / "broken.vtc"
    broken.write_bytes(data)
    options = {"crop": (4, 4, 8, 8), "fps": 50}
    frozen = played(broken, tmp_path, on_damage="freeze", **options)
    assert frozen.shape == (80, 8, 8, 3)
    assert len(played(broken, tmp_path, on_damage="skip", **options)) < 80


def test_a_decoder_that_is_not_there_is_told(coded: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no diffusion decoder"):
        vtc.decode(coded, tmp_path / "b.npy", decoder="diffusion")
    with pytest.raises(UsageError, match="not known"):
        vtc.decode(coded, tmp_path / "b.npy", decoder="guess")


@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=12), st.integers(0, 100), st.fractions(1, 120),
    st.none() | st.integers(0, 200), st.none() | st.integers(1, 400),
)  # fmt: skip
def test_moments_of_neighbours_join(lengths: list[int], start: int, rate: Fraction, first: int | None, end: int | None) -> None:
    """Two segments give the slots that one would."""
    pts = [start + sum(lengths[:i]) for i in range(len(lengths))]
    view = View(0, 0, 1, 1, 1, (0, 0, 1, 1), (1, 1), Fraction(1, 100), rate, first, end)
    both = view.moments(pts, lengths)
    middle = len(pts) // 2
    parts = [view.moments(pts[s], lengths[s]) for s in (slice(0, middle), slice(middle, None)) if pts[s]]
    assert [slot for part in parts for slot in part.pts] == list(both.pts)
    for time, slot in zip(both.times, both.pts):
        tick = (first or 0) + slot / (view.unit * rate)
        assert first is None or tick >= first
        assert end is None or tick < end
        assert int(time) == bisect_right(pts, tick) - 1


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 600), st.integers(1, 600), st.data())
def test_a_window_holds_the_crop(width: int, height: int, coded_width: int, coded_height: int, data: st.DataObject) -> None:
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    w, h = data.draw(st.integers(1, width - x)), data.draw(st.integers(1, height - y))
    view = view_of(Resize((width, height), (x, y, w, h), (w, h), Fraction(1)), (coded_width, coded_height), Fraction(1), None, None, None)
    assert view.left >= 0 and view.left + view.width <= coded_width and view.top >= 0 and view.top + view.height <= coded_height
    left, top, wide, tall = view.inside
    assert left >= 0 and left + wide <= view.width * view.factor + 1 and top >= 0 and top + tall <= view.height * view.factor + 1
