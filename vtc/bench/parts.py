"""Where the seconds of an encode or a decode go: in reading, the base layer, the network, entropy coding and writing.

Parts run beside each other in threads of their own, so that together they may take longer than the whole.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import torch

import vtc
from vtc.codec.model import Model, load_model
from vtc.codec.symbols import SymbolCoder
from vtc.container import Writer
from vtc.media.encoded import EncodedSink
from vtc.media.source import VideoSource


@dataclass(frozen=True)
class Parted:
    """One run. `seconds` of every part; `whole`: of all, without loading the bundle; `device_mib`: most memory of a GPU, else None."""

    seconds: dict[str, float]
    whole: float
    device_mib: float | None


def encode_parts(
    source: Path, coded: Path, bundle: Path, device: str = "cpu", threads: int | None = None, entropy: str = "auto"
) -> Parted:
    """Encodes `source` into `coded`, which is replaced, with a profile of `entropy` coding, and tells where the time went."""
    model = load_model(bundle, device, threads)  # held here, so that the run itself loads nothing
    places = [
        (VideoSource, "frames", "read"), (Model, "base_encode", "base layer"), (type(model.tokenizer), "encode", "network"),
        (SymbolCoder, "encode", "entropy"), (Writer, "write_segment", "write"),
    ]  # fmt: skip
    with _timed(places, model.device) as timers:
        found = vtc.encode(
            source, coded, model=str(bundle), device=device, threads=threads, entropy=entropy, overwrite=True
        )
    return Parted(dict(timers.seconds), found.seconds, _device_mib(model.device))


def decode_parts(coded: Path, target: Path, bundle: Path, device: str = "cpu", threads: int | None = None) -> Parted:
    """Decodes `coded` into the video `target`, which is replaced, and tells where the time went. `bundle` must be found by its identity."""
    model = load_model(bundle, device, threads)
    places = [
        (SymbolCoder, "decode", "entropy"), (Model, "base_decode", "base layer"), (type(model.tokenizer), "decode", "network"),
        (EncodedSink, "write", "write"),
    ]  # fmt: skip
    with _timed(places, model.device) as timers:
        found = vtc.decode(coded, target, device=device, threads=threads, overwrite=True)
    return Parted(dict(timers.seconds), found.seconds, _device_mib(model.device))


class Timers:
    """Wall seconds spent inside of functions, by part. `settle`: called before a clock is read, for devices that work on by themselves."""

    def __init__(self, settle: Callable[[], None] | None = None) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._lock, self._settle = threading.Lock(), settle

    def calls(self, owner: Any, name: str, part: str) -> Callable[[], None]:
        """Times every call of `owner.name`, and every step where that gives an iterator; returns what undoes it."""
        plain = getattr(owner, name)

        @wraps(plain)
        def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            found = plain(*args, **kwargs)
            self._add(part, began)
            return self._stepped(found, part) if isinstance(found, Iterator) else found

        setattr(owner, name, timed)
        return lambda: setattr(owner, name, plain)

    def _stepped(self, items: Iterator[Any], part: str) -> Iterator[Any]:
        while True:
            began = time.perf_counter()
            try:
                item = next(items)
            except StopIteration:
                return
            finally:
                self._add(part, began)
            yield item

    def _add(self, part: str, began: float) -> None:
        if self._settle is not None:
            self._settle()
        with self._lock:
            self.seconds[part] += time.perf_counter() - began


@contextmanager
def _timed(places: list[tuple[Any, str, str]], device: torch.device) -> Iterator[Timers]:
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    timers = Timers((lambda: torch.cuda.synchronize(device)) if on_gpu else None)
    undo = [timers.calls(*place) for place in places]
    try:
        yield timers
    finally:
        for each in undo:
            each()


def _device_mib(device: torch.device) -> float | None:
    return torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else None
