"""A `.vtc` file as a video to look into: frames by number or time, tokens by segment."""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self, overload

import numpy as np

from vtc.codec.model import load_model
from vtc.codec.options import DecodeOptions
from vtc.codec.player import Player
from vtc.codec.resize import resize_of
from vtc.codec.weights import find_identity
from vtc.container import Header, open_reader

KEPT_BYTES = 256 << 20
"""Of decoded pictures, for those who go through a video frame by frame."""


class Video:
    """An open `.vtc` file; a context manager. Made by `vtc.open`.

    `len(video)`: frames. `video.frames[10:20]`: uint8 `[n, height, width, 3]`; `video.frames[3]`: one picture. `video.at(1.5)`: the picture
    shown at that second. `video.tokens(segment)`: integer arrays by stream. Times are in seconds from the first frame. Decoding starts at
    the nearest segment that stands alone, and gives the very frames of a whole decode. Not to be shared by threads.
    """

    def __init__(self, path: str | Path, *, steps: int = 1, seed: int = 0, device: str = "auto", threads: int | None = None) -> None:
        options = DecodeOptions(steps=steps, seed=seed, device=device, threads=threads)
        with ExitStack() as stack:
            self._reader = stack.enter_context(open_reader(path))
            self.header: Header = self._reader.header
            model = load_model(find_identity(self.header.bundle, self.header.model), device, threads)
            self._resize = resize_of(self.header, options)
            self._player = Player(self._reader, model, steps=steps, seed=seed)
            self._firsts = np.cumsum([0, *(entry.frames for entry in self._reader.index.segments)]).tolist()
            self._kept: OrderedDict[int, np.ndarray] = OrderedDict()
            self.frames = Frames(self)
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and forget what was decoded. Twice is fine."""
        self._kept.clear()
        self._stack.close()

    def __len__(self) -> int:
        return int(self._firsts[-1])

    @property
    def width(self) -> int:
        return self.header.source_width

    @property
    def height(self) -> int:
        return self.header.source_height

    @property
    def duration(self) -> float:
        """Seconds."""
        return float(self._reader.duration)

    @property
    def segments(self) -> int:
        return len(self._reader.index.segments)

    @property
    def tags(self) -> dict[str, str]:
        """Of the source, such as its title."""
        return dict(self._reader.tags)

    @cached_property
    def timestamps(self) -> np.ndarray:
        """When each frame is shown, float64 `[frames]`, seconds from the first."""
        pts = [pts for number in range(self.segments) for pts in self._reader.segment(number).pts]
        return (np.asarray(pts) - pts[0]) * float(self.header.time_base)

    def at(self, seconds: float) -> np.ndarray:
        """The picture uint8 `[height, width, 3]` that is shown at `seconds`: the first or the last one outside of the video's time."""
        index, unit = self._reader.index, self.header.time_base
        pts = round(seconds / float(unit)) + index.segments[0].pts
        number = index.at(pts)
        inside = bisect_right(self._reader.segment(number).pts, pts) - 1
        return self._segment(number)[max(inside, 0)]

    def tokens(self, segment: int) -> dict[str, np.ndarray]:
        """The symbols of segment `segment` by stream, int32: a grid as `[slices, rows, columns, channels]` (tiles one after the other
        where the stream is tiled), a sequence as `[tokens, channels]`, its kept tokens of all tiles."""
        if not 0 <= segment < self.segments:
            raise IndexError(f"segment {segment} of {self.segments}")
        _, symbols = next(self._player.symbols(segment, segment + 1))
        return {name: symbols.kept(name).astype(np.int32) for name in symbols.arrays}

    def read(self, start: int, stop: int) -> np.ndarray:
        """Frames `start` to `stop - 1`, uint8 `[n, height, width, 3]`."""
        if start >= stop:
            return np.empty((0, self.height, self.width, 3), np.uint8)
        first, last = bisect_right(self._firsts, start) - 1, bisect_right(self._firsts, stop - 1) - 1
        parts = []
        for number, pictures in self._pictures(first, last + 1):
            begin = self._firsts[number]
            parts.append(pictures[max(start - begin, 0) : stop - begin])
        return np.concatenate(parts)

    def _segment(self, number: int) -> np.ndarray:
        return next(pictures for _, pictures in self._pictures(number, number + 1))

    def _pictures(self, first: int, stop: int) -> Iterator[tuple[int, np.ndarray]]:
        """Segments in order; those at hand are not decoded again."""
        number = first
        while number < stop:
            if number in self._kept:
                self._kept.move_to_end(number)
                yield number, self._kept[number]
                number += 1
                continue
            missing = next((n for n in range(number, stop) if n in self._kept), stop)
            for played in self._player.play(number, missing):
                assert played.frames is not None
                pictures = self._resize(played.frames)
                self._keep(played.number, pictures)
                yield played.number, pictures
            number = missing

    def _keep(self, number: int, pictures: np.ndarray) -> None:
        self._kept[number] = pictures
        while len(self._kept) > 1 and len(self._kept) * pictures.nbytes > KEPT_BYTES:
            self._kept.popitem(last=False)


class Frames:
    """The frames of a video as a sequence of pictures."""

    def __init__(self, video: Video) -> None:
        self._video = video

    def __len__(self) -> int:
        return len(self._video)

    @overload
    def __getitem__(self, place: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, place: slice) -> np.ndarray: ...
    def __getitem__(self, place: int | slice) -> np.ndarray:
        if isinstance(place, slice):
            numbers = range(len(self))[place]
            if not numbers:
                return self._video.read(0, 0)
            low = min(numbers)
            pictures = self._video.read(low, max(numbers) + 1)
            return pictures if numbers.step == 1 else pictures[[number - low for number in numbers]]
        number = range(len(self))[place]
        return self._video.read(number, number + 1)[0]

    def __iter__(self) -> Iterator[np.ndarray]:
        for number in range(self._video.segments):
            yield from self._video._segment(number)


def open(path: str | Path, *, steps: int = 1, seed: int = 0, device: str = "auto", threads: int | None = None) -> Video:
    """Open a `.vtc` file for looking into it. `steps` and `seed` of the diffusion decoder.

    Raises FormatError, DamageError or BundleError.
    """
    return Video(path, steps=steps, seed=seed, device=device, threads=threads)
