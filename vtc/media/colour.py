"""What the numbers of a picture mean: colour codes, the rule for untagged video, and RGB as the models see it.

Codes are those of ITU-T H.273, the same in every container: 2 is "unspecified"; a matrix of 0 is RGB itself.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

UNSPECIFIED = 2
IDENTITY, BT709, FCC, BT470BG, SMPTE170M, SMPTE240M, BT2020 = 0, 1, 4, 5, 6, 7, 9
HD_HEIGHT = 720

_KR_KB = {
    BT709: (0.2126, 0.0722),
    FCC: (0.30, 0.11),
    BT470BG: (0.299, 0.114),
    SMPTE170M: (0.299, 0.114),
    SMPTE240M: (0.212, 0.087),
    BT2020: (0.2627, 0.0593),
}
# BT.2020 constant luminance is read as the common non-constant form, which is what players do.
_ALIASES = {10: BT2020}


@dataclass(frozen=True)
class Colour:
    """Colour of a video by H.273 codes. `guessed` says that the file did not name its matrix and the players' rule did."""

    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    matrix: int = UNSPECIFIED
    full_range: bool = False
    guessed: bool = False


def usual_matrix(height: int) -> int:
    """The matrix that players assume for an untagged video of this height: BT.709 from 720 lines on, else BT.601."""
    return BT709 if height >= HD_HEIGHT else SMPTE170M


def known_matrix(code: int) -> bool:
    """Whether pixels of a Y'CbCr picture tagged with this matrix can be turned into RGB here."""
    return _ALIASES.get(code, code) in _KR_KB


def matrix_name(code: int) -> str:
    """A matrix by the name that people use."""
    names = {0: "RGB", 1: "BT.709", 4: "FCC", 5: "BT.601", 6: "BT.601", 7: "SMPTE 240M", 9: "BT.2020", 10: "BT.2020"}
    return names.get(code, f"code {code}")


def swscale_matrix(code: int) -> str:
    """The name of a matrix in the options of FFmpeg's scaler. Raises `KeyError` for one that is not `known_matrix`."""
    names = {BT709: "bt709", FCC: "fcc", BT470BG: "bt601", SMPTE170M: "bt601", SMPTE240M: "smpte240m", BT2020: "bt2020"}
    return names[_ALIASES.get(code, code)]


def yuv_to_rgb16(
    y: npt.NDArray[np.uint16],
    cb: npt.NDArray[np.uint16],
    cr: npt.NDArray[np.uint16],
    *,
    depth: int,
    matrix: int,
    full_range: bool,
) -> npt.NDArray[np.uint16]:
    """Y'CbCr planes [H, W] of `depth` bits to RGB [H, W, 3] over the whole of 0..65535.

    In float and not by FFmpeg's scaler, which loses 1/256 of the brightness on its way to 16 bits.
    """
    kr, kb = _KR_KB[_ALIASES.get(matrix, matrix)]
    kg = 1 - kr - kb
    top, step = (1 << depth) - 1, 1 << (depth - 8)
    black, luma_span, chroma_span = (0, top, top) if full_range else (16 * step, 219 * step, 224 * step)
    grey = np.float32(65535 / chroma_span)
    luma = (y.astype(np.float32) - np.float32(black)) * np.float32(65535 / luma_span)
    blue = (cb.astype(np.float32) - np.float32(128 * step)) * grey
    red = (cr.astype(np.float32) - np.float32(128 * step)) * grey
    out = np.empty((*y.shape, 3), np.float32)
    out[..., 0] = luma + np.float32(2 * (1 - kr)) * red
    out[..., 1] = luma - np.float32(2 * (1 - kr) * kr / kg) * red - np.float32(2 * (1 - kb) * kb / kg) * blue
    out[..., 2] = luma + np.float32(2 * (1 - kb)) * blue
    np.rint(out, out=out)
    return np.clip(out, 0, 65535, out=out).astype(np.uint16)


def rgb_to_full_yuv(rgb: npt.NDArray[np.uint8], matrix: int) -> npt.NDArray[np.uint8]:
    """RGB [H, W, 3] to Y, Cb, Cr [3, H, W] of full range and 8 bits.

    In float and not by FFmpeg's scaler, which rounds the chroma of full range down.
    """
    kr, kb = _KR_KB[_ALIASES.get(matrix, matrix)]
    red, green, blue = (rgb[..., channel].astype(np.float32) for channel in range(3))
    out = np.empty((3, *rgb.shape[:2]), np.float32)
    out[0] = np.float32(kr) * red + np.float32(1 - kr - kb) * green + np.float32(kb) * blue
    out[1] = (blue - out[0]) * np.float32(0.5 / (1 - kb)) + np.float32(128)
    out[2] = (red - out[0]) * np.float32(0.5 / (1 - kr)) + np.float32(128)
    np.rint(out, out=out)
    return np.clip(out, 0, 255, out=out).astype(np.uint8)


def rgb_to_float(rgb: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> npt.NDArray[np.float32]:
    """RGB of 8 or 16 bits, any shape, to float32 in [-1, 1]: black is -1, white exactly 1. The only way into a model."""
    half = np.float32(np.iinfo(rgb.dtype).max / 2)
    out = rgb.astype(np.float32)
    out -= half
    out /= half
    return out


def float_to_rgb8(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Float RGB in [-1, 1], any shape, to the nearest of 0..255; what lies outside is clipped. Undoes `rgb_to_float`."""
    out = np.multiply(values, np.float32(127.5), dtype=np.float32)
    out += np.float32(127.5)
    np.rint(out, out=out)
    return np.clip(out, 0, 255, out=out).astype(np.uint8)
