"""Overlapped contexts: only where vectors differ, exactly the weighted mean of what they fetch, without an edge."""

import torch
from torch import Tensor

from vtc.tokenizers import motion
from vtc.tokenizers.overlap import WHOLE, blended, weights

from .pictures import scene

LAST = scene(1, 64, 96)[:, 0]
DOUBLED = motion.double(LAST)
EVERY = torch.ones(4, 6, dtype=torch.bool)


def field(*moving: tuple[int, int], by: tuple[int, int] = (6, -9)) -> Tensor:
    vectors = torch.zeros(4, 6, 2, dtype=torch.int64)
    for row, column in moving:
        vectors[row, column] = torch.tensor(by)
    return vectors


def test_no_neighbour_weighs_more_than_the_token_itself() -> None:
    share = weights()
    own = WHOLE - share.sum(0)
    assert share.dtype == torch.int32 and (share >= 0).all() and (own >= share.amax(0)).all()
    above, left, right, below = share
    assert torch.equal(above, below.flip(0)) and torch.equal(left, right.flip(1)) and torch.equal(above, left.T)
    assert not above[8:].any()


def test_tokens_among_equals_are_left_alone() -> None:
    still, panned = field(), field(by=(4, 4)) + torch.tensor([4, 4])
    for vectors in (still, panned):
        at, mixed = blended(DOUBLED, vectors, EVERY)
        assert len(at[0]) == 0 and mixed.shape == (0, 3, 4, 16, 16)


def test_a_token_that_moves_alone_mixes_with_its_neighbours() -> None:
    at, mixed = blended(DOUBLED, field((1, 2)), EVERY)
    assert sorted(zip(*(part.tolist() for part in at), strict=True)) == [(0, 2), (1, 1), (1, 2), (1, 3), (2, 2)]
    share = weights()
    own, still = (motion.fetch(DOUBLED, vectors)[1, 2].float() for vectors in (field((1, 2)), field()))
    expected = ((own * (WHOLE - share.sum(0)) + still * share.sum(0) + WHOLE / 2) / WHOLE).floor().to(torch.uint8)
    found = mixed[[place == (1, 2) for place in zip(*(part.tolist() for part in at), strict=True)]][0]
    assert torch.equal(found, expected)
    assert torch.equal(mixed, mixed.round()) and mixed.min() >= 0 and mixed.max() <= 255


def test_tokens_that_stand_alone_have_no_say_and_no_context() -> None:
    leaning = EVERY.clone()
    leaning[1, 2] = False
    at, _ = blended(DOUBLED, field((1, 2)), leaning)
    assert len(at[0]) == 0


def test_blending_smooths_the_edge_between_two_motions() -> None:
    vectors = field(*((row, column) for row in range(4) for column in range(3, 6)), by=(0, 40))
    plain = motion.fetch(DOUBLED, vectors)
    at, mixed = blended(DOUBLED, vectors, EVERY)
    smooth = plain.index_put(at, mixed.to(torch.uint8))

    def jump(blocks: Tensor) -> float:
        left, right = blocks[:, 2, :, 3, :, -1].float(), blocks[:, 3, :, 3, :, 0].float()
        return float((left - right).abs().mean())

    assert jump(smooth) < 0.5 * jump(plain)
