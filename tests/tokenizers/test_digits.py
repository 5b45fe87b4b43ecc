"""Numbers in digits of discrete tokens: exact where they fit, coarse to fine, every digit used."""

from itertools import pairwise

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from vtc.tokenizers.digits import Digits


def fitted(numbers: int, tokens: int, level: int = 9, seed: int = 0) -> tuple[Digits, Tensor]:
    """Digits for numbers of falling size, and 500 samples of these."""
    deviation = 50.0 / (1 + torch.arange(numbers)) ** 1.2
    digits = Digits(numbers, tokens, 4, level)
    digits.fit(deviation)
    return digits, torch.randn(500, numbers, generator=torch.Generator().manual_seed(seed)) * deviation


@given(numbers=st.integers(3, 60), tokens=st.integers(1, 30), level=st.sampled_from([3, 5, 9]), seed=st.integers(0, 99))
@example(numbers=9, tokens=12, level=5, seed=19)  # has a number half-way between two digits
@settings(deadline=None, max_examples=30)
def test_digits_are_whole_and_numbers_come_back_within_half_a_unit(numbers: int, tokens: int, level: int, seed: int) -> None:
    digits, samples = fitted(numbers, tokens, level, seed)
    found = digits(samples)
    assert found.shape == (500, tokens, 4)
    assert torch.equal(found, found.round())
    assert found.abs().max() <= level // 2
    ids = digits.fsq.ids(found)
    assert 0 <= int(ids.min()) <= int(ids.max()) < level**4
    used = (digits.place >= 0).long()
    told = torch.zeros(numbers, dtype=torch.long).index_add(0, digits.source, used)
    reach = (level ** told.double() - 1) / 2 + 0.5
    kept = (samples.abs() < reach * digits.unit) & (told > 0)
    error = (digits.numbers(found) - samples).abs() / digits.unit
    assert error[kept].max() <= 0.5 + 1e-3


def test_more_tokens_tell_more() -> None:
    errors = []
    for tokens in (4, 8, 16, 32):
        digits, samples = fitted(100, tokens)
        errors.append(float((digits.numbers(digits(samples)) - samples).square().mean()))
    assert all(later < 0.6 * before for before, later in pairwise(errors))


def test_every_prefix_of_the_tokens_is_worth_more() -> None:
    digits, samples = fitted(100, 24)
    found = digits(samples)
    errors = []
    for kept in range(0, 25, 4):
        part = found.clone()
        part[:, kept:] = 0
        errors.append(float((digits.numbers(part) - samples).square().mean()))
    assert errors == sorted(errors, reverse=True)
    assert errors[1] < 0.2 * errors[0]


def test_weights_make_units_finer() -> None:
    digits = Digits(2, 1, 4, 9)
    digits.fit(torch.tensor([10.0, 10.0]), torch.tensor([8.0, 1.0]))
    assert digits.unit[1] == pytest.approx(8 * float(digits.unit[0]))


def test_what_is_added_moves_the_number_and_gradients_come_through_once() -> None:
    digits, samples = fitted(6, 3)
    added = torch.zeros(500, 3, 4, requires_grad=True)
    numbers = samples.clone().requires_grad_(True)
    found = digits.numbers(digits(numbers, added))
    lowest = (digits.place == 0).view(3, 4)
    (by_number, by_added) = torch.autograd.grad(found.sum(), (numbers, added))
    told = torch.zeros(6).index_add(0, digits.source, (digits.place >= 0).float()) > 0
    inside = (found.detach() - samples).abs() <= 0.5 * digits.unit
    assert torch.allclose(by_number[:, told][inside[:, told]], torch.ones(()))
    assert by_added[:, ~lowest].abs().max() == 0
    with torch.no_grad():
        moved = digits.numbers(digits(samples, torch.where(lowest, 3.0, 0.0).expand(500, -1, -1)))
    assert torch.allclose((moved - found)[inside & told] / digits.unit.expand(500, -1)[inside & told], torch.tensor(3.0), atol=1.01)
