"""Decoded pictures to RGB arrays and back, carefully.

Chroma is interpolated bicubically at full resolution and from where it was sampled; FFmpeg's scaler does so only when told (its
default for 4:2:0 is fast, and is off by up to 12 of 255 on smooth colour where this is off by 2). The scaler stretches the chroma
of odd sizes, so these are padded to whole chroma samples first and cut back afterwards.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av
import av.filter
import numpy as np
import numpy.typing as npt

from vtc.media.colour import (
    IDENTITY,
    UNSPECIFIED,
    Colour,
    known_matrix,
    rgb_to_full_yuv,
    swscale_matrix,
    usual_matrix,
    yuv_to_rgb16,
)

RgbArray = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

CAREFUL = "full_chroma_int+full_chroma_inp+accurate_rnd"
_CAREFUL = f"flags=bicubic+{CAREFUL}"
_PLANAR_DEPTHS = (9, 10, 12, 14, 16)
_CENTRED_CHROMA = {"mjpeg", "webp", "vp8"}
"""Codecs whose 4:2:0 chroma lies in the middle of four pixels, as in JPEG; elsewhere the MPEG-2 place, on the left, is the rule."""


class Graph:
    """A chain of FFmpeg filters for pictures of one size and format."""

    def __init__(
        self, width: int, height: int, pixels: str, steps: list[str], colourspace: int = 2, range_: int = 0
    ) -> None:
        # The graph owns its nodes without the nodes knowing: it has to outlive them.
        self._graph = av.filter.Graph()
        source = f"video_size={width}x{height}:pix_fmt={pixels}:time_base=1/1000000:pixel_aspect=1/1"
        nodes = [self._graph.add("buffer", f"{source}:colorspace={colourspace}:range={range_}")]
        for step in steps:
            name, _, arguments = step.partition("=")
            nodes.append(self._graph.add(name, arguments or None))
        nodes.append(self._graph.add("buffersink"))
        self._graph.link_nodes(*nodes).configure()
        self._enter, self._leave = nodes[0], nodes[-1]

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        self._enter.push(frame)
        out = self._leave.pull()
        assert isinstance(out, av.VideoFrame)
        return out


def is_rgb(pixels: av.VideoFormat) -> bool:
    """Whether a pixel format holds RGB (or an index into it) and not luma and chroma."""
    return pixels.is_rgb or pixels.has_palette or pixels.name.startswith(("xyz", "mono"))


def bit_depth(pixels: av.VideoFormat) -> int:
    """Bits per channel of a pixel format, at most 16; 8 for palettes and for anything coarser."""
    depth = max((part.bits for part in pixels.components if not part.is_alpha), default=8)
    return min(max(depth, 8), 16)


def has_alpha(pixels: av.VideoFormat) -> bool:
    """Whether a pixel format carries transparency."""
    return any(part.is_alpha for part in pixels.components)


def colour_of(frame: av.VideoFrame, height: int) -> Colour:
    """The colour of a decoded frame as it will be used: its tags, with the players' rule for a matrix that is missing or impossible."""
    primaries, transfer = int(frame.color_primaries), int(frame.color_trc)
    name = frame.format.name
    if is_rgb(frame.format):
        return Colour(primaries, transfer, IDENTITY, full_range=True)
    # Untagged grey is full by FFmpeg's rule, as are the yuvj formats of JPEG.
    full = frame.color_range == 2 or (frame.color_range == 0 and name.startswith(("yuvj", "gray", "ya")))
    grey = name.startswith(("gray", "ya"))
    if known_matrix(int(frame.colorspace)):
        return Colour(primaries, transfer, int(frame.colorspace), full)
    return Colour(primaries, transfer, usual_matrix(height), full, guessed=not grey)


class ToRgb:
    """Turns decoded frames into RGB arrays of one size: uint8 [H, W, 3], or uint16 over 0..65535 for more than 8 bits.

    `width` and `height` are before rotation. Frames may change size and format on the way; the result does not.
    """

    def __init__(self, width: int, height: int, colour: Colour, deep: bool, codec: str = "") -> None:
        self.width, self.height, self.colour, self.deep = width, height, colour, deep
        self._chroma = "center" if codec in _CENTRED_CHROMA else "left"
        self._key: tuple[Any, ...] = ()
        self._convert: Callable[[av.VideoFrame], RgbArray] = self._unset

    def __call__(self, frame: av.VideoFrame) -> RgbArray:
        key = (frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range)
        if key != self._key:
            self._convert, self._key = self._plan(frame), key
        return self._convert(frame)

    def _unset(self, frame: av.VideoFrame) -> RgbArray:
        raise AssertionError("no frame was planned for")

    def _plan(self, frame: av.VideoFrame) -> Callable[[av.VideoFrame], RgbArray]:
        pixels, rgb = frame.format, is_rgb(frame.format)
        depth = bit_depth(pixels)
        unit_x, unit_y = (
            (1, 1) if rgb else (16 // (pixels.chroma_width(16) or 16), 16 // (pixels.chroma_height(16) or 16))
        )
        wide, high = -frame.width % unit_x, -frame.height % unit_y
        resize = (frame.width, frame.height) != (self.width, self.height)
        colour = self.colour
        range_ = "pc" if colour.full_range else "tv"
        scale = f"scale=threads=1:{_CAREFUL}"
        if not rgb:
            scale += f":in_color_matrix={swscale_matrix(colour.matrix)}:in_range={range_}:in_chroma_loc={self._chroma}"
        planar = next(bits for bits in _PLANAR_DEPTHS if bits >= depth)
        target = "rgb24" if not self.deep else f"gbrp{planar}le" if rgb else f"yuv444p{planar}le"
        if target.startswith("yuv"):
            scale += f":out_color_matrix={swscale_matrix(colour.matrix)}:out_range={range_}"
        size = f"w={self.width}:h={self.height}"
        padded = frame.width + wide, frame.height + high
        if resize and padded != (frame.width, frame.height):
            # The padding must not be scaled into the picture: full chroma first, cut, then resize.
            steps = [
                scale,
                f"format={target}",
                f"crop={frame.width}:{frame.height}:0:0",
                f"scale={size}:threads=1:{_CAREFUL}",
            ]
        else:
            steps = [f"{scale}:{size}" if resize else scale]
        steps.append(f"format={target}")
        run = Graph(*padded, pixels.name, steps, int(frame.colorspace), int(frame.color_range))

        def graph(picture: av.VideoFrame) -> av.VideoFrame:
            return run(picture if padded == (picture.width, picture.height) else _padded(picture, *padded))

        if not self.deep:
            return lambda picture: self._crop(graph(picture).to_ndarray())
        top = (1 << planar) - 1

        def deep(picture: av.VideoFrame) -> RgbArray:
            one, two, three = (_plane(plane) for plane in graph(picture).planes)
            if rgb:  # planes lie in the order G, B, R
                return self._crop(np.rint(np.stack([three, one, two], -1) * np.float32(65535 / top)).astype(np.uint16))
            planes = (one, two, three)
            full = colour.full_range
            return self._crop(yuv_to_rgb16(*planes, depth=planar, matrix=colour.matrix, full_range=full))

        return deep

    def _crop(self, picture: Any) -> RgbArray:
        return np.ascontiguousarray(picture[: self.height, : self.width])


def _padded(frame: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
    """The frame on a canvas of whole chroma samples; FFmpeg's own filter for this cuts the last odd row and column off."""
    canvas = av.VideoFrame(width, height, frame.format.name)
    for plane, wider in zip(frame.planes, canvas.planes):
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        out = np.zeros((wider.height, wider.line_size), np.uint8)
        length = min(plane.line_size, wider.line_size)
        out[: plane.height, :length] = rows[:, :length]
        wider.update(out.tobytes())
    canvas.colorspace, canvas.color_range = frame.colorspace, frame.color_range
    return canvas


def _plane(plane: Any) -> npt.NDArray[np.uint16]:
    rows = np.frombuffer(plane, np.uint16).reshape(plane.height, plane.line_size // 2)
    return rows[:, : plane.width]


class FromRgb:
    """Turns RGB arrays uint8 [H, W, 3] into frames of a pixel format, tagged with their colour.

    Where chroma is halved, an odd edge is repeated for the conversion and then cut off, so that its last sample is right.
    """

    def __init__(self, width: int, height: int, pixels: str, colour: Colour) -> None:
        self.width, self.height, self.pixels, self.colour = width, height, pixels, colour
        layout = av.VideoFormat(pixels)
        self._rgb = is_rgb(layout)
        unit_x, unit_y = (1, 1) if self._rgb else (16 // layout.chroma_width(16), 16 // layout.chroma_height(16))
        self._pad = ((0, -height % unit_y), (0, -width % unit_x), (0, 0))
        self._full = colour.full_range and not self._rgb
        scale = f"scale=threads=1:{_CAREFUL}"
        if self._full:
            scale += ":in_range=pc:out_range=pc:in_chroma_loc=left:out_chroma_loc=left"
        elif not self._rgb:
            scale += f":out_color_matrix={swscale_matrix(colour.matrix)}:out_range=tv:out_chroma_loc=left"
        steps = [scale, f"format={pixels}"]
        padded = width + self._pad[1][1], height + self._pad[0][1]
        if padded != (width, height):
            steps.append(f"crop={width}:{height}:0:0:exact=1")
        self._graph = Graph(*padded, "yuv444p" if self._full else "rgb24", steps)

    def __call__(self, rgb: npt.NDArray[np.uint8]) -> av.VideoFrame:
        if rgb.shape != (self.height, self.width, 3) or rgb.dtype != np.uint8:
            expected = (self.height, self.width, 3)
            raise ValueError(f"a picture of {rgb.shape} {rgb.dtype}, expected {expected} uint8")
        if any(after for _, after in self._pad):
            rgb = np.pad(rgb, self._pad, mode="edge")
        if self._full:
            picture = av.VideoFrame.from_ndarray(rgb_to_full_yuv(rgb, self.colour.matrix), format="yuv444p")
        else:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
        picture.pts, picture.time_base = 0, Fraction(1, 1_000_000)
        out = self._graph(picture)
        out.colorspace = IDENTITY if self._rgb else self.colour.matrix
        out.color_range = 2 if self._rgb or self.colour.full_range else 1
        out.color_primaries, out.color_trc = self.colour.primaries, self.colour.transfer
        return out


def writable_colour(colour: Colour, height: int) -> Colour:
    """The colour to write a Y'CbCr file with: the source's, or the players' rule where that was RGB or unknown."""
    if known_matrix(colour.matrix):
        return colour
    full = colour.full_range and colour.matrix not in (IDENTITY, UNSPECIFIED)
    return Colour(colour.primaries, colour.transfer, usual_matrix(height), full, colour.guessed)
