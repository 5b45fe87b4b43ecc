"""Finite scalar quantisation: digits in range, ids one to one, gradients straight through."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vtc.tokenizers.layers.fsq import FSQ

LEVELS = st.lists(st.integers(2, 12), min_size=1, max_size=6)


@given(levels=LEVELS, spread=st.sampled_from([0.01, 1.0, 100.0]), seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=30)
def test_digits_are_whole_and_in_range(levels: list[int], spread: float, seed: int) -> None:
    fsq = FSQ(levels)
    digits = fsq(torch.randn(200, len(levels), generator=torch.Generator().manual_seed(seed)) * spread)
    assert torch.equal(digits, digits.round())
    count = torch.tensor(levels)
    assert (digits >= -(count // 2)).all()
    assert (digits <= (count - 1) // 2).all()
    ids = fsq.ids(digits)
    assert ids.dtype == torch.int64
    assert 0 <= int(ids.min()) <= int(ids.max()) < fsq.codebook_size
    assert torch.equal(fsq.digits(ids).float(), digits)


@given(levels=LEVELS)
@settings(deadline=None, max_examples=30)
def test_every_digit_can_be_reached_and_nothing_goes_to_nothing(levels: list[int]) -> None:
    fsq = FSQ(levels)
    digits = fsq(torch.linspace(-12, 12, 4001)[:, None].expand(-1, len(levels)))
    for channel, count in enumerate(levels):
        assert len(digits[:, channel].unique()) == count
    assert torch.equal(fsq(torch.zeros(len(levels))), torch.zeros(len(levels)))


def test_ids_count_through_the_whole_codebook() -> None:
    fsq = FSQ((3, 4, 5))
    every = torch.arange(fsq.codebook_size)
    digits = fsq.digits(every)
    assert len(digits.unique(dim=0)) == 60
    assert torch.equal(fsq.ids(digits), every)


def test_rounding_is_straight_through_and_the_bound_is_not() -> None:
    x = torch.linspace(-9, 9, 100)[:, None].expand(-1, 2).clone().requires_grad_(True)
    (through,) = torch.autograd.grad(FSQ((8, 5))(x).sum(), x)
    inside = (x > torch.tensor([-4.5, -2.5])) & (x < torch.tensor([3.5, 2.5]))
    assert torch.equal(through, inside.float())


def test_half_precision_inputs_are_quantised_in_float32() -> None:
    x = torch.randn(400, 3, dtype=torch.bfloat16)
    assert torch.equal(FSQ((8, 8, 8))(x), FSQ((8, 8, 8))(x.float()))


def test_levels_that_make_no_sense_are_refused() -> None:
    for levels in ((), (1,), (5, 0)):
        with pytest.raises(ValueError, match="at least 2"):
            FSQ(levels)
