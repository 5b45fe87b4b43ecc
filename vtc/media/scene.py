"""A rendered scene for the demo and for tests: hills, a lake, a windmill and a bouncing ball, seen by a moving camera.

Everything is a function of time and a fixed seed; nothing is drawn from a file and there is no text in it.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]


def render_scene(
    width: int = 320, height: int = 240, frames: int = 48, rate: float = 24.0
) -> Iterator[npt.NDArray[np.uint8]]:
    """Yields `frames` pictures uint8 [height, width, 3] of the scene at `rate` frames per second; the same on every call."""
    painter = _Painter(width, height)
    for number in range(frames):
        yield painter.paint(number / rate)


class _Painter:
    """Coordinates: y from 0 at the top to 1 at the bottom, x in the same unit."""

    def __init__(self, width: int, height: int) -> None:
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        self.x, self.y = (x + 0.5) / height, (y + 0.5) / height
        self.aspect = width / height
        self.pixel = 1.5 / height
        self.noise = np.random.Generator(np.random.Philox(7)).random((64, 64), np.float32)
        # Film grain: no camera gives the same picture twice.
        self.grain = np.random.Generator(np.random.Philox(8))
        self.frame_shape = (height, width)

    def paint(self, t: float) -> npt.NDArray[np.uint8]:
        pan = 0.12 * t + 0.04 * float(np.sin(0.9 * t))
        x, y = self.x, self.y + 0.012 * float(np.sin(1.7 * t))
        picture = self._sky(x, y, pan, t)
        for depth, (level, colour) in enumerate(
            [(0.50, (0.47, 0.55, 0.68)), (0.56, (0.33, 0.47, 0.48)), (0.63, (0.20, 0.38, 0.25))]
        ):
            near = (depth + 1) / 3
            ridge = level - 0.07 * self._smooth(x * 1.6 + pan * near + 9 * depth, 3.0 * depth)
            texture = self._smooth((x + pan * near) * 14 * near + 5, y * 18 * near)
            shade = 0.82 + 0.36 * texture
            picture = _over(picture, _rgb(*colour) * shade[..., None], self._edge(y - ridge))
        picture = self._lake(picture, x, y, pan, t)
        picture = self._mill(picture, x, y, 0.85 * self.aspect - 0.62 * pan, t)
        picture = self._meadow(picture, x, y, pan)
        picture = self._ball(picture, x, y, t)
        height, width = self.frame_shape
        picture = picture + (self.grain.random((height, width, 1), np.float32) - 0.5) * 0.016
        return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)

    def _sky(self, x: Array, y: Array, pan: float, t: float) -> Array:
        up = np.clip(y / 0.6, 0, 1)[..., None]
        sky = (1 - up) * _rgb(0.27, 0.50, 0.86) + up * _rgb(0.96, 0.85, 0.72)
        sun = np.hypot(x - 0.3 * self.aspect + 0.1 * pan, y - 0.2)
        sky = sky + (0.5 * np.exp(-((sun / 0.16) ** 2)) + (sun < 0.05))[..., None] * _rgb(0.6, 0.5, 0.3)
        drift = x * 2.2 + 0.25 * pan + 0.05 * t
        cloud = self._smooth(drift, y * 5) * 0.6 + self._smooth(drift * 2.7, y * 13) * 0.4
        return _over(sky, _rgb(1.0, 0.97, 0.94), np.clip((cloud - 0.52) * 4, 0, 0.8) * np.clip(1 - y * 2, 0, 1))

    def _lake(self, picture: Array, x: Array, y: Array, pan: float, t: float) -> Array:
        wave = self._smooth((x + 0.8 * pan) * 9 + 0.5 * t, (y * 60) - 2.5 * t)
        water = _rgb(0.30, 0.52, 0.66) * (0.75 + 0.5 * wave[..., None])
        shore = 0.66 + 0.02 * np.sin(5 * (x + 0.8 * pan))
        return _over(picture, water, self._edge(y - shore))

    def _mill(self, picture: Array, x: Array, y: Array, at: float, t: float) -> Array:
        at = (at + 0.3) % (self.aspect + 0.6) - 0.3
        x = x - np.float32(at)
        tower = self._edge(0.035 + 0.03 * (y - 0.38) / 0.3 - np.abs(x)) * self._edge(y - 0.38) * self._edge(0.82 - y)
        picture = _over(picture, _rgb(0.82, 0.72, 0.62) * (0.75 - 6 * x[..., None]).clip(0.4, 1.1), tower)
        dy = y - 0.38
        for blade in range(4):
            angle = 1.9 * t + blade * np.pi / 2
            c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
            along, across = x * c + dy * s, dy * c - x * s
            sail = self._edge(0.016 - np.abs(across - 0.008)) * self._edge(along) * self._edge(0.2 - along)
            picture = _over(picture, _rgb(0.93, 0.91, 0.86) - 0.5 * (np.abs(across) < 0.004)[..., None], sail)
        return picture

    def _meadow(self, picture: Array, x: Array, y: Array, pan: float) -> Array:
        ground = x + 1.5 * pan
        hill = 0.80 - 0.05 * self._smooth(ground * 1.2, 20.5)
        blades = self._smooth(ground * 55, y * 30) * 0.55 + self._smooth(ground * 13, y * 16) * 0.45
        grass = _rgb(0.36, 0.56, 0.17) * (0.55 + 0.9 * blades[..., None])
        flowers = (self._smooth(ground * 24 + 31, y * 24) > 0.86)[..., None]
        grass = np.where(flowers, _rgb(0.93, 0.42, 0.36), grass)
        return _over(picture, grass, self._edge(y - hill))

    def _ball(self, picture: Array, x: Array, y: Array, t: float) -> Array:
        sweep = (0.45 * t) % 2
        at = (sweep if sweep < 1 else 2 - sweep) * (self.aspect - 0.2) + 0.1
        bounce = abs(float(np.sin(2.6 * t)))
        dx, dy = (x - np.float32(at)) / 0.085, (y - np.float32(0.84 - 0.34 * bounce)) / 0.085
        shadow = np.exp(-(((x - np.float32(at)) / 0.09) ** 2) - ((y - 0.93) / 0.02) ** 2) * (0.65 - 0.35 * bounce)
        picture = picture * (1 - shadow[..., None])
        inside = self._edge((1 - np.hypot(dx, dy)) * 0.085)
        z = np.sqrt(np.clip(1 - dx * dx - dy * dy, 0, 1))
        turn = 3.1 * t
        stripe = np.sin(6 * np.arctan2(dx * np.float32(np.cos(turn)) + dy * np.float32(np.sin(turn)), z + 0.2)) > 0
        light = np.clip(-0.45 * dx - 0.6 * dy + 0.65 * z, 0.12, 1)[..., None]
        skin = np.where(stripe[..., None], _rgb(0.90, 0.22, 0.18), _rgb(0.97, 0.94, 0.88))
        return _over(picture, skin * light + 0.5 * light**16, inside)

    def _edge(self, inside: Array) -> Array:
        """1 where `inside` is positive, 0 where it is negative, and a soft edge of about a pixel."""
        soft: Array = np.clip(inside / self.pixel + 0.5, 0, 1)
        return soft

    def _smooth(self, x: Array, y: Array | float) -> Array:
        """Value noise in [0, 1], smooth between the points of an integer lattice."""
        x, y = np.broadcast_arrays(x, np.asarray(y, np.float32))
        left, top = np.floor(x), np.floor(y)
        fx, fy = x - left, y - top
        fx, fy = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy)
        i, j = left.astype(np.int32) & 63, top.astype(np.int32) & 63
        i2, j2 = (i + 1) & 63, (j + 1) & 63
        upper = self.noise[j, i] * (1 - fx) + self.noise[j, i2] * fx
        lower = self.noise[j2, i] * (1 - fx) + self.noise[j2, i2] * fx
        smooth: Array = upper * (1 - fy) + lower * fy
        return smooth


def _rgb(red: float, green: float, blue: float) -> Array:
    return np.array([red, green, blue], np.float32)


def _over(below: Array, above: Array, alpha: Array) -> Array:
    mixed: Array = below + (above - below) * alpha[..., None]
    return mixed
