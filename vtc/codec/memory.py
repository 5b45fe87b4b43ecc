"""The C library's memory, set for arrays of some MB that come and go by the hundred. For the whole process, in glibc only; elsewhere
nothing happens."""

import ctypes
import sys
from collections.abc import Callable
from functools import cache

# Parameters of mallopt(3).
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -2, -3, -4, -8
LARGE, LARGE_ENCODING = 2**23, 2**22
"""Bytes, from which arrays are mapped by themselves. At 640x360 whole clips are larger, and few; what a decoder makes by the hundred (a
frame's feature maps) is smaller. An encoder makes few of that size, but from more threads, which break up one heap."""
_USUAL_MMAPS = 2**16
_SEGMENTS_KEPT = 4


def reuse_memory() -> None:
    """Keep freed memory for the next array, instead of giving it back to the system and faulting it in anew page by page.

    One step of the tiny decoder on 16 frames of 320x240 took 352 ms of one core instead of 447.
    """
    _set((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 2**26), (_ARENA_MAX, 1))


def map_large(least: int = LARGE) -> None:
    """After `reuse_memory`: map arrays of `least` bytes and more each by itself. In the heap they leave holes that others break up; it
    grows for minutes."""
    _set((_MMAP_MAX, _USUAL_MMAPS), (_MMAP_THRESHOLD, least))


def give_back(number: int) -> None:
    """After every fourth segment (this was `number`): give the pages of the heap's holes back to the system. Some holes are too small for
    what comes next, and stay. Not after every segment, for pages that are used again are faulted in anew."""
    trim = _function("malloc_trim")
    if trim is not None and number % _SEGMENTS_KEPT == _SEGMENTS_KEPT - 1:
        trim(ctypes.c_size_t(0))


def _set(*values: tuple[int, int]) -> None:
    mallopt = _function("mallopt")
    if mallopt is not None:
        for parameter, value in values:
            mallopt(parameter, value)


@cache
def _function(name: str) -> Callable[..., int] | None:
    """A function of the C library, where it has that."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        function: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return None
    return function
