"""Decoded frames to the size that was asked for: back to the source's size, a part cut out, then the size or scale."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F

from vtc.codec.options import DecodeOptions
from vtc.container import Header
from vtc.errors import UsageError

MAX_SIDE = 16384


@dataclass(frozen=True)
class Resize:
    """Pictures of `source` (width, height) are cut to `crop` (x, y, width, height) and resampled to `size` (width, height). `sar`: the
    aspect of a pixel of the result."""

    source: tuple[int, int]
    crop: tuple[int, int, int, int]
    size: tuple[int, int]
    sar: Fraction

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """uint8 `[n, h, w, 3]` of any size in, uint8 `[n, height, width, 3]` out."""
        x, y, width, height = self.crop
        frames = resampled(frames, self.source)
        return resampled(frames[:, y : y + height, x : x + width], self.size)


def resize_of(header: Header, options: DecodeOptions) -> Resize:
    """What the options ask for, for a file with this header. UsageError when the crop lies outside of the picture."""
    whole = header.source_width, header.source_height
    x, y, width, height = crop = options.crop or (0, 0, *whole)
    if x + width > whole[0] or y + height > whole[1]:
        shown = ",".join(map(str, crop))
        raise UsageError(f"--crop {shown} reaches outside of the picture of {whole[0]}x{whole[1]}")
    size = width, height
    if isinstance(options.size, tuple):
        size = options.size
    elif options.size is not None or options.scale is not None:
        scale = options.scale or (options.size or 1) / min(width, height)
        size = _scaled(width, scale), _scaled(height, scale)
    if max(size) > MAX_SIDE:
        raise UsageError(f"pictures of {size[0]}x{size[1]} are too large", f"sides up to {MAX_SIDE} pixels")
    return Resize(whole, crop, size, header.sar * Fraction(width * size[1], height * size[0]))


def resampled(frames: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """uint8 `[n, h, w, 3]` to `size` (width, height), by bicubic interpolation that averages when it makes things smaller."""
    if frames.shape[2:0:-1] == size:
        return frames
    pictures = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)
    scaled = F.interpolate(pictures, (size[1], size[0]), mode="bicubic", antialias=True, align_corners=False)
    return scaled.permute(0, 2, 3, 1).contiguous().numpy()


def _scaled(side: int, scale: float) -> int:
    """An even number where the side was even: most video formats want that."""
    return max(2, 2 * round(side * scale / 2)) if side % 2 == 0 else max(1, round(side * scale))
