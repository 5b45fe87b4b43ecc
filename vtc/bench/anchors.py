"""The classical codecs that bundles are held against: x264, x265, SVT-AV1 and VP9 by FFmpeg's libraries, x265 at half the size.

All at 8-bit 4:2:0 by a careful conversion there and back, constant quality, one pass, one thread. What is printed as `settings` is all
that they are told; everything else is their default. Bytes are the payload (vtc.media.payload).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from vtc.bench.coder import DEFAULT, Coded, Point, Sweep, spaced, stopwatch, stored
from vtc.bench.prepare import Picture, Prepared
from vtc.codec.plan import eight_bit
from vtc.media import open_source
from vtc.media.anchor import encode_mp4, has_encoder, libraries
from vtc.media.payload import payload_bytes
from vtc.media.scaling import ENLARGING, SHRINKING, Scaler

FLAGS = "full_chroma_int+full_chroma_inp+accurate_rnd"
CONVERSION = f"bicubic+{FLAGS}, chroma sited left"
TO_PLANES = f"scale=flags=bicubic+{FLAGS}:out_h_chr_pos=0:out_v_chr_pos=128,format=yuv420p"
"""The conversion as filters of the ffmpeg program, which gives the same planes to the bit."""
FROM_PLANES = f"scale=flags=bicubic+{FLAGS}:in_h_chr_pos=0:in_v_chr_pos=128,format=rgb24"


@dataclass(frozen=True)
class Anchor:
    """A codec of FFmpeg. `presets`: its own word for fast, medium and slow, set by option `knob`; `options`: the others that it is always
    given; `ladder`: first and last value of crf; `part`: the size it is coded at (1/2: scaled down before and up again afterwards)."""

    codec: str
    encoder: str
    knob: str
    presets: dict[str, str]
    ladder: tuple[int, int]
    options: tuple[tuple[str, str], ...] = ()
    part: Fraction = Fraction(1)
    bundle: str = ""

    def missing(self) -> str:
        return "" if has_encoder(self.encoder) else f"PyAV here was built without {self.encoder}"

    def points(self, sweep: Sweep) -> list[Point]:
        return [
            self._point(self.presets[preset], keyframes, crf)
            for preset in sweep.presets
            for keyframes in sweep.keyframes
            for crf in spaced(self.ladder, sweep.points)
        ]

    def code(self, clip: Prepared, point: Point, folder: Path) -> Coded:
        target = folder / "coded.mp4"
        options = {name: point.settings[name] for name in self._given(point.preset, point.keyframes, 0)}
        size = (self._side(clip.width), self._side(clip.height))
        shrink, enlarge = Scaler(*size), Scaler(clip.width, clip.height)
        with stopwatch() as encode_seconds:
            encode_mp4(map(shrink, clip.pictures()), target, self.encoder, options, clip.rate)
        with stopwatch() as decode_seconds:
            pictures = stored(map(enlarge, decoded(target)), clip, folder)
        return Coded(payload_bytes(target), target.stat().st_size, encode_seconds(), decode_seconds(), pictures)

    def _point(self, preset: str, keyframes: str, crf: int) -> Point:
        options = self._given(preset, keyframes, crf)
        told = {"encoder": self.encoder, "libraries": libraries(), "pixels": "yuv420p", "conversion": CONVERSION, "threads": "1"}
        if self.part != 1:
            told["scaled"] = f"{self.part} ({SHRINKING} there, {ENLARGING} back)"
        return Point(preset, keyframes, f"crf{crf}", crf, options | told, self._command(options))

    def _given(self, preset: str, keyframes: str, crf: int) -> dict[str, str]:
        distance = {} if keyframes == DEFAULT else {"g": keyframes}
        return {self.knob: preset, "crf": str(crf)} | dict(self.options) | distance

    def _command(self, options: dict[str, str]) -> str:
        """The same by the ffmpeg program."""
        sides = "" if self.part == 1 else f"scale=iw*{self.part}:ih*{self.part}:flags={SHRINKING}+{FLAGS},"
        words = " ".join(f"-{name} {value}" for name, value in options.items())
        return f"ffmpeg -i source.mp4 -vf {sides}{TO_PLANES} -c:v {self.encoder} -threads 1 {words} coded.mp4"

    def _side(self, side: int) -> int:
        return max(16, 2 * round(side * self.part / 2))


def decoded(path: Path) -> Iterator[Picture]:
    """The pictures of a file, RGB uint8 [H, W, 3]."""
    with open_source(path, threads=1) as video:
        for frame in video.frames():
            yield eight_bit(frame.rgb)


_X264 = {"fast": "veryfast", "medium": "medium", "slow": "veryslow"}
_X265 = {"fast": "veryfast", "medium": "medium", "slow": "veryslow"}
_SVTAV1 = {"fast": "10", "medium": "6", "slow": "3"}
_VP9 = {"fast": "5", "medium": "2", "slow": "0"}
_H26X_LADDER = (23, 43)
_AV1_LADDER = (31, 63)
# With AVX-512 x264 gives other bytes from run to run (by up to 2 %) where a picture is not a multiple of 128 pixels wide.
_X264_REPEATS = ("x264-params", "asm=avx2")
# Frame threads and wavefronts cost x265 bytes, and their number would depend on the machine.
_X265_THREADS = ("x265-params", "pools=none:frame-threads=1:log-level=error")
# With its default units of 64, x265 gives other bytes from run to run for pictures of 64x64 (and more of them).
_X265_SMALL = ("x265-params", "pools=none:frame-threads=1:log-level=error:ctu=32")

ANCHORS = {
    anchor.codec: anchor
    for anchor in (
        Anchor("x264", "libx264", "preset", _X264, _H26X_LADDER, (_X264_REPEATS,)),
        Anchor("x264-psnr", "libx264", "preset", _X264, _H26X_LADDER, (("tune", "psnr"), _X264_REPEATS)),
        Anchor("x265", "libx265", "preset", _X265, _H26X_LADDER, (_X265_THREADS,)),
        Anchor("x265-psnr", "libx265", "preset", _X265, _H26X_LADDER, (("tune", "psnr"), _X265_THREADS)),
        Anchor("x265-half", "libx265", "preset", _X265, _H26X_LADDER, (_X265_SMALL,), Fraction(1, 2)),
        Anchor("svtav1", "libsvtav1", "preset", _SVTAV1, _AV1_LADDER, (("svtav1-params", "lp=1"),)),
        Anchor("vp9", "libvpx-vp9", "cpu-used", _VP9, _AV1_LADDER, (("deadline", "good"), ("b", "0"))),
    )
}
