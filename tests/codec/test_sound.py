"""Sound is carried from the source through the file to the output, packet by packet."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

import vtc
from vtc.container import open_reader
from vtc.errors import DamageError

pytestmark = pytest.mark.usefixtures("weights")


def packets(path: Path) -> list[tuple[Fraction, bytes]]:
    """Time and bytes of every packet of sound."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        return [(packet.pts * packet.time_base, bytes(packet)) for packet in container.demux(stream) if packet.size]


@pytest.fixture(scope="module")
def loud(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of 64x48 with a tone in AAC."""
    path = tmp_path_factory.mktemp("loud") / "loud.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("ffv1", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "bgr0"
        sound = container.add_stream("aac", rate=16000, layout="mono")
        for number in range(50):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 4 * number, np.uint8), format="rgb24")
            container.mux(video.encode(frame))
            tone = np.sin(np.arange(640 * number, 640 * (number + 1), dtype=np.float32) / 9)[None]
            heard = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
            heard.sample_rate, heard.pts, heard.time_base = 16000, 640 * number, Fraction(1, 16000)
            container.mux(sound.encode(heard))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))
    return path


def test_packets_come_through_untouched(loud: Path, tmp_path: Path) -> None:
    result = vtc.encode(loud, tmp_path / "a.vtc", model="mini")
    assert result.audio_bytes > 0 and result.bytes == result.video_bytes + result.audio_bytes
    vtc.decode(tmp_path / "a.vtc", tmp_path / "b.mkv")
    before, after = packets(loud), packets(tmp_path / "b.mkv")
    assert [data for _, data in before] == [data for _, data in after]
    assert all(abs(a[0] - b[0]) < Fraction(1, 500) for a, b in zip(before, after))
    with open_reader(tmp_path / "a.vtc") as reader:
        assert len(reader.index.audio) > 1  # interleaved with the pictures


def test_sound_may_be_left_out(loud: Path, tmp_path: Path) -> None:
    assert vtc.encode(loud, tmp_path / "a.vtc", model="mini", audio="none").audio_bytes == 0
    vtc.encode(loud, tmp_path / "b.vtc", model="mini")
    vtc.decode(tmp_path / "b.vtc", tmp_path / "b.mkv", audio="none")
    with av.open(str(tmp_path / "b.mkv")) as container:
        assert not container.streams.audio


def test_a_part_has_its_sound(loud: Path, tmp_path: Path) -> None:
    vtc.encode(loud, tmp_path / "a.vtc", model="mini")
    vtc.decode(tmp_path / "a.vtc", tmp_path / "b.mkv", start=1.0, end=1.5)
    times = [time for time, _ in packets(tmp_path / "b.mkv")]
    assert 0 <= times[0] < 0.3 and times[-1] < 0.5


def test_damaged_sound(loud: Path, tmp_path: Path) -> None:
    vtc.encode(loud, tmp_path / "a.vtc", model="mini")
    data = bytearray((tmp_path / "a.vtc").read_bytes())
    with open_reader(tmp_path / "a.vtc") as reader:
        span = reader.index.audio[1]
    data[span.offset + span.length // 2] ^= 1
    (tmp_path / "a.vtc").write_bytes(data)
    with pytest.raises(DamageError, match=r"audio .* is damaged"):
        vtc.decode(tmp_path / "a.vtc", tmp_path / "b.mkv")
    assert not (tmp_path / "b.mkv").exists()
    result = vtc.decode(tmp_path / "a.vtc", tmp_path / "b.mkv", on_damage="skip")
    assert result.frames == 50 and any("sound ends early" in warning for warning in result.warnings)


def test_packets_survive_a_cut_of_the_latents(loud: Path, tmp_path: Path) -> None:
    vtc.encode(loud, tmp_path / "a.vtc", model="mini")
    result = vtc.encode(tmp_path / "a.vtc", tmp_path / "cut.vtc", tokens=0)
    with open_reader(tmp_path / "a.vtc") as whole, open_reader(tmp_path / "cut.vtc") as cut:
        assert list(whole.audio_pieces()) == list(cut.audio_pieces()) and result.audio_bytes > 0
    vtc.decode(tmp_path / "cut.vtc", tmp_path / "b.mkv")
    assert [data for _, data in packets(loud)] == [data for _, data in packets(tmp_path / "b.mkv")]
