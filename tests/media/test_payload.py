"""Bytes of coded pictures: what counts is the same however a file keeps its units, and SEI never does."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext
from hypothesis import given
from hypothesis import strategies as st

from vtc.errors import MediaError
from vtc.media import render_scene
from vtc.media.anchor import encode_mp4, has_encoder
from vtc.media.payload import annex_b_units, counted_units, payload_bytes, unit_type

OPTIONS = {
    "libx264": {"crf": "30", "g": "8"},
    "libx265": {"crf": "30", "g": "8", "x265-params": "pools=none:frame-threads=1:log-level=error"},
    "libsvtav1": {"crf": "40", "preset": "10", "svtav1-params": "lp=1"},
    "libvpx-vp9": {"crf": "40", "b": "0", "cpu-used": "5"},
}
BARE = {"libx264": "h264", "libx265": "hevc"}
SEI = {"libx264": (6,), "libx265": (39, 40)}


def pictures(count: int = 20) -> list[np.ndarray]:
    return list(render_scene(96, 64, count))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An mp4 of each encoder."""
    folder = tmp_path_factory.mktemp("payload")
    made = {name: folder / f"{name}.mp4" for name in OPTIONS}
    for name, path in made.items():
        assert encode_mp4(pictures(), path, name, OPTIONS[name], Fraction(25)) == 20
    return made


@pytest.mark.parametrize("encoder", list(OPTIONS))
def test_the_payload_is_what_the_packets_hold(files: dict[str, Path], encoder: str) -> None:
    with av.open(str(files[encoder])) as file:
        packets = sum(packet.size for packet in file.demux(video=0))
    found, whole = payload_bytes(files[encoder]), files[encoder].stat().st_size
    assert 0 < found < whole
    if encoder not in BARE:
        assert found == packets


@pytest.mark.parametrize("encoder", list(BARE))
def test_a_bare_stream_counts_as_the_same_stream_in_a_container(files: dict[str, Path], encoder: str, tmp_path: Path) -> None:
    bare = tmp_path / f"clip.{BARE[encoder]}"
    with av.open(str(files[encoder])) as source, av.open(str(bare), "w", format=BARE[encoder]) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    kinds = [unit_type(unit, BARE[encoder]) for unit in annex_b_units(bare.read_bytes())]
    assert set(kinds) & set(SEI[encoder])
    # A bare stream repeats its parameter sets at every key frame.
    repeated = payload_bytes(bare) - payload_bytes(files[encoder])
    assert 0 <= repeated < 100 * kinds.count(kinds[0])


def test_x265_counts_the_same_with_and_without_its_sei(tmp_path: Path) -> None:
    sizes, wholes = [], []
    for info in ("1", "0"):
        path = tmp_path / "clip.mp4"
        parameters = OPTIONS["libx265"]["x265-params"] + f":info={info}"
        encode_mp4(pictures(), path, "libx265", OPTIONS["libx265"] | {"x265-params": parameters}, Fraction(25))
        sizes.append(payload_bytes(path))
        wholes.append(path.stat().st_size)
    assert sizes[0] == sizes[1] < wholes[1] < wholes[0]


@pytest.mark.parametrize("encoder", list(BARE))
def test_ffmpegs_own_filter_takes_as_much_away(files: dict[str, Path], encoder: str) -> None:
    kinds = "-".join(map(str, SEI[encoder])) if len(SEI[encoder]) > 1 else str(SEI[encoder][0])
    with av.open(str(files[encoder])) as file:
        filtered = BitStreamFilterContext(f"filter_units=remove_types={kinds}", file.streams.video[0])
        packets = [packet for packet in file.demux(video=0) if packet.size]
        left = sum(out.size for packet in packets for out in filtered.filter(packet))
    sets = payload_bytes(files[encoder]) - left
    assert 20 < sets < 120  # parameter sets, once


@given(st.lists(st.binary(min_size=1, max_size=40).filter(lambda unit: b"\0\0" not in unit and unit[-1] != 0), max_size=8))
def test_units_come_back_from_both_forms(units: list[bytes]) -> None:
    starts = [b"\0\0\1", b"\0\0\0\1"]
    stream = b"".join(starts[number % 2] + unit for number, unit in enumerate(units))
    assert list(annex_b_units(stream)) == units
    for size in (1, 2, 4):
        packet = b"".join(len(unit).to_bytes(size) + unit for unit in units)
        assert list(counted_units(packet, size)) == units


def test_an_encoder_that_fails_or_is_not_there_is_an_error(tmp_path: Path) -> None:
    assert has_encoder("libx264") and not has_encoder("libx999")
    for encoder, options in (("libx999", {}), ("libx264", {"preset": "no such"})):
        with pytest.raises(MediaError):
            encode_mp4(pictures(2), tmp_path / "a.mp4", encoder, options, Fraction(25))
    with pytest.raises(MediaError, match="no pictures"):
        encode_mp4([], tmp_path / "a.mp4", "libx264", {}, Fraction(25))
