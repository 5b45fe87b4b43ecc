"""Arithmetic is counted as it is done, and the device's peak is a rate."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from toy_training import ToyModel

from vtc.training.compute import compile_blocks, count_flops, measure_peak


def test_products_convolutions_and_attention_are_counted_with_their_gradients() -> None:
    linear = nn.Linear(8, 16, bias=False)
    assert count_flops(lambda: linear(torch.randn(4, 8))) == 2 * 4 * 8 * 16
    assert count_flops(lambda: linear(torch.randn(4, 8)).sum().backward()) == 2 * 2 * 4 * 8 * 16
    conv = nn.Conv2d(3, 5, 3, bias=False)
    assert count_flops(lambda: conv(torch.randn(1, 3, 10, 10))) == 2 * 27 * 5 * 64
    q, k, v = (torch.randn(1, 2, 6, 4, requires_grad=True) for _ in range(3))
    forward = 2 * 2 * (6 * 6 * 4) * 2
    assert count_flops(lambda: F.scaled_dot_product_attention(q, k, v)) == forward
    both = count_flops(lambda: F.scaled_dot_product_attention(q, k, v).sum().backward())
    assert both == forward + 5 * forward // 2  # products of keys and queries are made anew


def test_counting_changes_nothing() -> None:
    model = ToyModel()
    x = torch.randn(5, 3)
    torch.manual_seed(0)
    plain = model(x)
    torch.manual_seed(0)
    found = []
    count_flops(lambda: found.append(model(x)))
    assert torch.equal(plain, found[0])


def test_the_peak_is_a_rate() -> None:
    assert 1e8 < measure_peak(torch.device("cpu")) < 1e14


@pytest.mark.slow
def test_compiled_blocks_give_what_they_gave() -> None:
    torch.manual_seed(0)
    model = nn.ModuleList([nn.Linear(8, 8), nn.Sequential(nn.Linear(8, 8), nn.ReLU())])
    x = torch.randn(4, 8)
    plain = [block(x) for block in model]
    compile_blocks(model)
    assert all(torch.allclose(block(x), before, atol=1e-6) for block, before in zip(model, plain))
    copied = copy.deepcopy(model)
    assert count_flops(lambda: copied[0](x)) == 2 * 4 * 8 * 8  # a copy is not compiled
