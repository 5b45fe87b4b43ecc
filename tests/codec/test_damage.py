"""Files that are damaged, cut short, or made with another bundle."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import vtc
from vtc.container import Segment, Writer, open_reader
from vtc.container.index import Span
from vtc.errors import BundleError, DamageError, VtcError

from .films import shown

pytestmark = pytest.mark.usefixtures("weights")


def flipped(coded: Path, target: Path, segment: int) -> Path:
    """A copy with one byte of a segment's data changed."""
    data = bytearray(coded.read_bytes())
    with open_reader(coded) as reader:
        span = reader.index.segments[segment].span
    assert isinstance(span, Span)
    data[span.offset + span.length // 2] ^= 0x10
    target.write_bytes(data)
    return target


def test_damage_is_an_error_that_names_the_segment_and_its_time(coded: Path, tmp_path: Path) -> None:
    broken = flipped(coded, tmp_path / "broken.vtc", 4)
    with pytest.raises(DamageError, match=r"segment 4 \(2.56 s to 3.20 s\)") as caught:
        vtc.decode(broken, tmp_path / "a.npy")
    assert caught.value.segment == 4 and caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["broken.vtc"]


def test_skip_leaves_out_the_damaged_segment_and_those_that_lean_on_it(
    coded: Path, decoded: np.ndarray, tmp_path: Path
) -> None:
    broken = flipped(coded, tmp_path / "broken.vtc", 4)
    result = vtc.decode(broken, tmp_path / "a.npy", on_damage="skip")
    assert [lost[0] for lost in result.lost] == [4, 5]
    assert "leans on segment 4" in result.lost[1][3] and result.lost[1][1:3] == pytest.approx((3.2, 3.84))
    whole = np.r_[0:64, 96:100]
    difference = np.abs(np.load(tmp_path / "a.npy").astype(int) - decoded[whole])
    assert result.frames == 68 and difference.max() <= 1
    vtc.decode(broken, tmp_path / "a.mkv", codec="ffv1", on_damage="skip")
    assert [float(time) for time in shown(tmp_path / "a.mkv")[1]] == pytest.approx(whole * 0.04)


def test_freeze_holds_the_last_good_frame(coded: Path, decoded: np.ndarray, tmp_path: Path) -> None:
    broken = flipped(coded, tmp_path / "broken.vtc", 4)
    result = vtc.decode(broken, tmp_path / "a.mkv", codec="ffv1", on_damage="freeze")
    frames, times = shown(tmp_path / "a.mkv")
    assert result.frames == 100 and [float(time) for time in times] == pytest.approx(np.arange(100) * 0.04)
    np.testing.assert_array_equal(frames[64:96], np.broadcast_to(frames[63], (32, 48, 64, 3)))
    assert np.abs(frames[63].astype(int) - decoded[63]).max() <= 1


def test_damage_before_the_range_that_is_asked_for_does_not_matter(
    coded: Path, decoded: np.ndarray, tmp_path: Path
) -> None:
    broken = flipped(coded, tmp_path / "broken.vtc", 0)
    vtc.decode(broken, tmp_path / "a.npy", start=3.88, on_damage="skip")
    assert len(np.load(tmp_path / "a.npy")) == 3


@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
def test_a_file_cut_short_decodes_what_is_whole(coded: Path, decoded: np.ndarray, tmp_path: Path, share: float) -> None:
    data = coded.read_bytes()
    cut = tmp_path / "cut.vtc"
    cut.write_bytes(data[: int(share * len(data))])
    with pytest.raises(DamageError):
        vtc.decode(cut, tmp_path / "a.npy")
    result = vtc.decode(cut, tmp_path / "a.npy", on_damage="skip")
    frames = np.load(tmp_path / "a.npy")
    assert 0 < result.frames < 100 and result.frames % 16 == 0 and result.warnings
    assert np.abs(frames.astype(int) - decoded[: len(frames)]).max() <= 1


def test_bytes_that_are_whole_but_symbols_that_are_not(coded: Path, tmp_path: Path) -> None:
    with open_reader(coded) as reader, (tmp_path / "odd.vtc").open("wb") as file, Writer(file) as writer:
        writer.write_header(reader.header)
        for number in range(7):
            segment = reader.segment(number)
            crc = segment.symbols_crc ^ (number == 2)
            fields = (segment.number, segment.leans, segment.pts, segment.last_duration, segment.step, segment.streams)
            writer.write_segment(Segment(*fields, crc))
    with pytest.raises(DamageError, match=r"segment 2 .*symbols are not those"):
        vtc.decode(tmp_path / "odd.vtc", tmp_path / "a.npy")
    assert [lost[0] for lost in vtc.decode(tmp_path / "odd.vtc", tmp_path / "a.npy", on_damage="skip").lost] == [2]


def test_random_bytes_never_raise_anything_but_our_errors(coded: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    data = coded.read_bytes()
    for trial in range(25):
        broken = bytearray(data)
        for place in rng.integers(0, len(data), 1 + trial % 3):
            broken[place] ^= 1 << int(rng.integers(8))
        (tmp_path / "broken.vtc").write_bytes(broken)
        with pytest.raises(VtcError):
            vtc.decode(tmp_path / "broken.vtc", tmp_path / "a.npy", overwrite=True)


def test_another_bundle_is_refused_by_its_hash(
    coded: Path, mini_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setenv("VTC_WEIGHTS", str(folder))
    with pytest.raises(BundleError, match=r"bundle mini, sha256 [0-9a-f]{64}, which is not at hand"):
        vtc.decode(coded, tmp_path / "a.npy")
    data = bytearray(mini_bundle.read_bytes())
    data[-1] ^= 1  # one weight
    (folder / "mini.safetensors").write_bytes(data)
    with pytest.raises(BundleError, match="is another one"):
        vtc.decode(coded, tmp_path / "a.npy")
    (folder / "renamed.safetensors").write_bytes(mini_bundle.read_bytes())
    vtc.decode(coded, tmp_path / "a.npy")


def test_a_broken_bundle_is_an_error(film: Path, tmp_path: Path, make_bundle: Callable[..., None]) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(b"not weights")
    with pytest.raises(BundleError):
        vtc.encode(film, tmp_path / "a.vtc", model=str(path))
    make_bundle(path, seed=1)
    assert vtc.encode(film, tmp_path / "a.vtc", model=str(path), end=0.1).model == "bad"
