"""Refinement of the base layer's symbols: exact decoding, true gradients, and a cost that only falls."""

import pytest
import torch
from torch import Tensor

from vtc.tokenizers.base import BaseLayer, BaseSegment
from vtc.tokenizers.choice import Search
from vtc.tokenizers.layers.patch import to_float
from vtc.tokenizers.refine import Score, decode, refine

from .pictures import psnr, scene

STEP = 0.4
FINER = (torch.arange(96) % 4).view(4, 4, 6)
STEPS = BaseLayer.steps(FINER, STEP)


def plain(clip: Tensor) -> Score:
    """The score of a decoder that shows the base picture as it is."""

    def score(picture: Tensor, symbols: Tensor) -> tuple[float, Tensor]:
        off = picture / 127.5 - 1 - to_float(clip)
        return float(off.square().sum()), 2 * off / 127.5

    return score


def cost(base: BaseLayer, segment: BaseSegment, clip: Tensor) -> float:
    bits = base.prices(segment.motion, segment.finer, segment.structural, STEP)[0] * base.steps(segment.finer[..., 0], STEP).square()
    return float((to_float(segment.frames) - to_float(clip)).square().sum() + base.config.lagrangian * bits.sum())


def test_decoding_in_float_gives_the_same_numbers(layer: BaseLayer) -> None:
    first, second = scene(32).split(16, 1)
    last = layer.encode(first, None, STEP).frames[:, -1]
    for clip, before in ((first, None), (second, last)):
        segment = layer.encode(clip, before, STEP, finer=FINER)
        with torch.no_grad():
            shown = decode(layer, segment.motion, segment.partition, segment.structural.float(), before, STEPS)
        assert torch.equal(shown, segment.frames.float())


def test_a_symbol_answers_for_the_slices_that_lean_on_it(layer: BaseLayer) -> None:
    clip = scene(16, speed=0)
    segment = layer.encode(clip, None, STEP)
    symbols = segment.structural.float().requires_grad_()
    shown = decode(layer, segment.motion, segment.partition, symbols, None, layer.steps(segment.finer[..., 0], STEP))
    late = torch.zeros_like(shown)
    late[:, -1] = 1.0
    (gradient,) = torch.autograd.grad(shown, symbols, late)
    assert gradient[0].abs().max() > 0 and gradient[-1].abs().max() > 0


def test_refinement_costs_less_and_decodes_to_what_it_says(layer: BaseLayer) -> None:
    clip = scene(16, speed=2)
    before = layer.encode(clip, None, STEP, finer=FINER)
    after = refine(layer, before, None, STEP, plain(clip), 12)
    assert torch.equal(after.motion, before.motion) and not torch.equal(after.structural, before.structural)
    assert after.structural.dtype == before.structural.dtype
    assert torch.equal(layer.decode(after.motion, after.finer, after.partition, after.structural, None, STEP), after.frames)
    assert cost(layer, after, clip) < cost(layer, before, clip)
    unchanged = refine(layer, before, None, STEP, plain(clip), 0)
    assert torch.equal(unchanged.structural, before.structural)


@pytest.mark.parametrize("search", [Search(rounds=2), Search(rounds=4, neighbours=True)])
def test_a_wider_search_of_vectors_costs_no_more(layer: BaseLayer, search: Search) -> None:
    first, second = scene(32, speed=3).split(16, 1)
    last = layer.encode(first, None, STEP).frames[:, -1]
    usual, wide = layer.encode(second[:, :4], last, STEP), layer.encode(second[:, :4], last, STEP, search)
    assert torch.equal(layer.decode(wide.motion, wide.finer, wide.partition, wide.structural, last, STEP), wide.frames)
    assert psnr(wide.frames, second[:, :4]) > 20
    assert cost(layer, wide, second[:, :4]) <= cost(layer, usual, second[:, :4]) * 1.001
