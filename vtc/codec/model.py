"""A bundle ready to run: its tokenizer on a device, its base layer, its entropy models."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from vtc.codec.ground import Ground, Reference, ground_of, inherited
from vtc.codec.memory import map_large, reuse_memory
from vtc.codec.network import LengthRule, Network
from vtc.codec.refiner import Refiner
from vtc.codec.streams import BASE_STREAMS, Geometry, StreamInfo, Symbols
from vtc.codec.symbols import SymbolCoder
from vtc.codec.weights import identity
from vtc.errors import BundleError, UsageError
from vtc.tokenizers.base import STRUCTURAL_BOUND, BaseLayer, BaseSegment
from vtc.tokenizers.bundle import load_bundle
from vtc.tokenizers.choice import NO_SEARCH, Search
from vtc.tokenizers.contract import Tokenizer


class Model:
    """`name` and `identity` (sha256) of the bundle, `streams` in its order, `coder`: symbols to bytes, `tokenizer`, `base` (or None).
    `threads` of the CPU to use."""

    def __init__(self, path: Path, device: torch.device, threads: int) -> None:
        bundle = load_bundle(path, device)
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", bundle.name):
            raise BundleError(f"{path}: a bundle's name has 1 to 64 letters, digits and ._-", "rename the file")
        self.name, self.identity, self.device, self.threads = bundle.name, bundle.identity, device, threads
        self.tokenizer: Tokenizer = bundle.tokenizer
        self.base: BaseLayer | None = self.tokenizer.base
        self.clip_frames = self.tokenizer.clip_frames
        self.streams = stream_infos(self.tokenizer)
        self.coder = SymbolCoder(self.streams, bundle.entropy)

    def geometry(self, width: int, height: int) -> Geometry:
        """The shapes of a picture's streams."""
        return Geometry(height, width, self.clip_frames, self.tokenizer.tile)

    def decoder(self, wanted: str | None) -> str:
        """The decoder of that name, or the default one. UsageError where the bundle does not have it."""
        has = self.tokenizer.decoders
        if wanted is not None and wanted not in has:
            raise UsageError(
                f"bundle {self.name} has no {wanted} decoder", f"it has: {', '.join(has)}; leave out --decoder"
            )
        return wanted or has[0]

    def refiner(self, geometry: Geometry, rate: float, rule: LengthRule, steps: int) -> Refiner | None:
        """What refines the base layer's segments in so many `steps`; None where there is nothing to refine."""
        if self.base is None or steps == 0:
            return None
        return Refiner(self.tokenizer, self.streams, geometry, rate, rule, steps)

    def network(self, geometry: Geometry, rate: float) -> Network:
        """The network for pictures of a geometry at `rate` frames a second (0: unknown)."""
        return Network(self.tokenizer, self.streams, geometry, self.device, rate, self.threads)

    def base_threads(self) -> None:
        """To be called in the thread that runs the base layer: half of the threads are for it, as it runs beside the network."""
        torch.set_num_threads(max(1, self.threads // 2))

    def base_encode(
        self,
        pixels: Tensor,
        before: Reference | None,
        step: float,
        finer: Tensor | None = None,
        search: Search = NO_SEARCH,
        refiner: Refiner | None = None,
    ) -> tuple[Symbols, Ground | None]:
        """The base layer of a clip uint8 `[3, T, H, W]` that leans on what was `before`, its tokens so much `finer` `[S, gh, gw]` than
        `step` (None: none is), refined by `refiner`; nothing where there is no base layer."""
        if self.base is None:
            return Symbols({}, {}), None
        clip, last = pixels.to(self.device), None if before is None else before.frame
        segment: BaseSegment = self.base.encode(
            clip, last, step, search, None if finer is None else finer.to(self.device)
        )
        if refiner is not None:
            segment = refiner(segment, clip, before, step)
        segment = replace(segment, finer=inherited(segment.finer, segment.structural, before))
        arrays = {name: getattr(segment, name).cpu().numpy() for name in BASE_STREAMS}
        return Symbols(arrays, {}), ground_of(segment, before, step)

    def saturated(self, symbols: Symbols) -> npt.NDArray[np.bool_]:
        """Tokens bool `[S, gh, gw]` of which a symbol of the base layer has reached its bound, so that it was probably clipped."""
        return np.asarray((abs(symbols.arrays["structural"]) >= STRUCTURAL_BOUND).any(-1))

    def base_decode(self, symbols: Symbols, before: Reference | None, step: float) -> Ground | None:
        """What `base_encode` gave the network, from its symbols."""
        if self.base is None:
            return None
        motion, finer, parts, structural = (
            torch.from_numpy(symbols.arrays[name]).to(self.device) for name in BASE_STREAMS
        )
        last = None if before is None else before.frame
        frames = self.base.decode(motion, finer, parts, structural, last, step)
        return ground_of(BaseSegment(motion, finer, parts, structural, frames), before, step)


def stream_infos(tokenizer: Tokenizer) -> tuple[StreamInfo, ...]:
    """The streams as the floor without torch sees them. A sequence whose length is that of the patches is a grid over its tile."""
    infos = []
    for stream in tokenizer.streams:
        kind = stream.kind if stream.positions else "grid"
        whole = tokenizer.base is not None and stream.name in BASE_STREAMS
        info = StreamInfo(
            stream.name, stream.channels, stream.bound, kind, stream.positions, whole, stream.cut, stream.items,
            stream.stride, stream.levels,
        )  # fmt: skip
        infos.append(info)
    return tuple(infos)


def pick_device(name: str) -> torch.device:
    """The device of `--device`: auto is CUDA where there is one."""
    has_cuda = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if has_cuda else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and not has_cuda:
        raise UsageError(f"--device {name}: there is no CUDA device here", "use --device cpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"--device {name}: there are only {torch.cuda.device_count()} CUDA devices here")
    return device


_IN_USE: WeakValueDictionary[tuple[Any, ...], Model] = WeakValueDictionary()


def load_model(path: Path, device: str = "auto", threads: int | None = None) -> Model:
    """The bundle at `path` on a device, to run on `threads` of the CPU (None: all that this process may use). One that is still in use in
    this process is not loaded again."""
    reuse_memory()
    map_large()
    on, threads = pick_device(device), threads or usable_cores()
    key = path.absolute(), identity(path), on, threads
    model = _IN_USE.get(key)
    if model is None:
        model = _IN_USE[key] = Model(path, on, threads)
    return model


def usable_cores() -> int:
    """Cores that this process may use: not all of the machine's, where it was given only some."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def own_threads() -> Iterator[None]:
    """Stages set how many threads torch takes in their own thread, and torch takes that for new threads elsewhere too: set back here.
    Numpy's matrix products (the context profile's are small) stay in the thread that asks: shared out, they wait for cores in use."""
    before = torch.get_num_threads()
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)
