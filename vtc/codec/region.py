"""A part of the picture through the network, finer or at other times than it was coded: only the tiles and patches that it touches."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from vtc.codec.network import Call, D, Network
from vtc.codec.pipeline import spread
from vtc.tokenizers.contract import DecodeOptions, Query
from vtc.tokenizers.layers.patch import to_uint8


def paint_regions(
    network: Network, works: Iterable[D], decoder: str, ask: Callable[[D], Query]
) -> Iterator[tuple[D, Tensor | None]]:
    """Every segment with what `ask` wants of it, uint8 `[3, F, h, w]` on the CPU, None where its symbols are missing. Queries are in pixels
    of the whole picture."""
    canvas = torch.empty(0)
    for (call, query, last), painted in spread(
        partial(_paint, network, decoder), _calls(network, works, ask), network.workers, network.setup
    ):
        if painted is None or not call.places:
            empty = torch.empty((3, 0, query.height * query.factor, query.width * query.factor), dtype=torch.uint8)
            yield call.batch[0], empty if call.works else None
            continue
        tile = call.places[0][1]
        if not canvas.numel():
            canvas = torch.zeros(painted.shape[:2] + (query.height * query.factor, query.width * query.factor), device=painted.device)
        own, rows, columns = within(network, query, tile)
        share = torch.from_numpy(network.geometry.layout.weights[tile][own.top :, own.left :][: own.height, : own.width])
        share = share.to(painted.device).repeat_interleave(query.factor, 0).repeat_interleave(query.factor, 1)
        canvas[..., rows, columns].addcmul_(painted, share)
        if last:
            yield call.batch[0], torch.stack([to_uint8(frame).cpu() for frame in canvas.unbind(1)], 1)
            canvas = torch.empty(0)


def within(network: Network, query: Query, tile: int) -> tuple[Query, slice, slice]:
    """The part of a query that lies in a tile, in that tile's pixels, and its rows and columns in what is painted."""
    rows, columns = network.geometry.layout.windows[tile]
    top, bottom = max(query.top, rows.start), min(query.top + query.height, rows.stop)
    left, right = max(query.left, columns.start), min(query.left + query.width, columns.stop)
    own = replace(query, top=top - rows.start, left=left - columns.start, height=bottom - top, width=right - left)
    down, across = (
        slice((a - first) * query.factor, (b - first) * query.factor)
        for a, b, first in ((top, bottom, query.top), (left, right, query.left))
    )
    return own, down, across


def _calls(network: Network, works: Iterable[D], ask: Callable[[D], Query]) -> Iterator[tuple[Call[D], Query, bool]]:
    """One for each tile that has a share in a segment's query; one without a place where nothing is to be painted."""
    for work in works:
        query = ask(work)
        there = [work] if work.symbols is not None else []
        tiles = [tile for tile in range(network.geometry.layout.count) if _shares(network, query, tile)]
        if not there or not query.times:
            yield Call([work], there, [], True), query, True
            continue
        for tile in tiles:
            yield Call([work], there, [(0, tile)], tile == tiles[-1]), query, tile == tiles[-1]


def _shares(network: Network, query: Query, tile: int) -> bool:
    own, _, _ = within(network, query, tile)
    if own.height <= 0 or own.width <= 0:
        return False
    weights = network.geometry.layout.weights[tile]
    return bool(weights[own.top : own.top + own.height, own.left : own.left + own.width].any())


@torch.inference_mode()
def _paint(network: Network, decoder: str, asked: tuple[Call[D], Query, bool]) -> Tensor | None:
    """A tile's part `[3, F, h, w]`, float on the device."""
    call, query, _ = asked
    if not call.places:
        return None
    latents, lengths = network.inputs(call)
    own, _, _ = within(network, query, call.places[0][1])
    options = DecodeOptions(decoder=decoder, query=own)
    return network.tokenizer.decode(latents, lengths, network.context(call), options).float()[0]
