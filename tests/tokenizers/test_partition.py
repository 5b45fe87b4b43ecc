"""Tokens in parts: each part fetches what its own vector says, search finds parts that move apart, and it pays."""

import torch
from torch import Tensor

from vtc.tokenizers import motion, partition
from vtc.tokenizers.base import BaseLayer
from vtc.tokenizers.motion import CONTEXT

from .pictures import psnr, scene

LAST = scene(1, 64, 96)[:, 0]
DOUBLED = motion.double(LAST)
EVERY = torch.ones(4, 6, dtype=torch.bool)
AT = torch.tensor([1, 2]), torch.tensor([4, 1])


def crossing(count: int) -> Tensor:
    """Two halves of a picture, 8 pixels off the grid of tokens, that slide apart: uint8 `[3, count, 64, 96]`."""
    picture = scene(1, 64, 200)[:, 0]
    frames = []
    for number in range(count):
        frame = picture[..., 50:146].clone()
        frame[:, :24] = picture[:, :24, 50 + number : 146 + number]
        frame[:, 24:] = picture[:, 24:, 50 - number : 146 - number]
        frames.append(frame)
    return torch.stack(frames, 1)


def told(parts: Tensor) -> Tensor:
    """`[4, 6, 8]`: these parts of the two tokens at `AT`, all others whole."""
    partition_ = torch.zeros(4, 6, 8, dtype=torch.int64)
    partition_[AT] = parts
    return partition_


def test_every_part_has_its_own_vector() -> None:
    vectors, parts = torch.zeros(4, 6, 2, dtype=torch.int64), torch.arange(16).view(2, 8) - 8
    vectors[AT] = torch.tensor([[3, -7], [0, 12]])
    at, found = partition.contexts(DOUBLED, vectors, told(parts), EVERY, overlap=False)
    assert found.shape == (2, 3, 4, 16, 16) and all(map(torch.equal, at, AT))
    for number, (down, across) in enumerate((d, a) for d in (0, 8) for a in (0, 8)):
        inside = slice(down, down + 8), slice(across, across + 8)
        own = vectors[AT] + parts[:, 2 * number : 2 * number + 2]
        assert torch.equal(found[..., inside[0], inside[1]], motion.fetch(DOUBLED, own, at=AT, inside=inside))


def test_parts_are_blended_with_those_beside_them() -> None:
    vectors, parts = torch.zeros(4, 6, 2, dtype=torch.int64), torch.tensor([6, -9] * 4).expand(2, 8)
    plain, mixed = (partition.contexts(DOUBLED, vectors, told(parts), EVERY, overlap=overlap)[1] for overlap in (False, True))
    still = motion.fetch(DOUBLED, vectors[AT], at=AT)
    # In the middle, where four equal parts meet, nothing is mixed; at the border to a neighbour, nearly half of it.
    assert torch.equal(mixed[..., 4:12, 4:12], plain[..., 4:12, 4:12])
    off = (mixed[:1, ..., 3:5, 0].float() - plain[:1, ..., 3:5, 0]).abs().mean()
    whole = (still[:1, ..., 3:5, 0].float() - plain[:1, ..., 3:5, 0]).abs().mean()
    assert 0.35 * whole < off < 0.5 * whole
    alone = EVERY.clone()
    alone[1, 3] = False  # left of the first: it has no say
    assert torch.equal(partition.contexts(DOUBLED, vectors, told(parts), alone, overlap=True)[1][0, ..., 4:12, :8], plain[0, ..., 4:12, :8])


def test_search_finds_parts_that_move_apart() -> None:
    frames = crossing(5)
    target, last = motion.luma(frames[:, [2, 4]]), motion.luma(frames[:, 0])
    at = torch.tensor([1, 1, 1]), torch.tensor([2, 3, 4])
    parts = partition.search(target, motion.double(last[None]), torch.zeros(4, 6, 2, dtype=torch.int64), at)
    assert (parts - torch.tensor([0, -8, 0, -8, 0, 8, 0, 8])).abs().max() <= 1


def test_no_part_leaves_its_bound() -> None:
    torch.manual_seed(0)
    target = torch.randint(0, 256, (2, 64, 96), dtype=torch.uint8)
    vectors = torch.randint(-127, 128, (4, 6, 2))
    parts = partition.search(target, motion.double(motion.luma(LAST)[None]), vectors, AT)
    assert parts.any() and parts.abs().max() <= partition.PARTITION_BOUND


def test_tokens_are_parted_where_it_pays(layer: BaseLayer) -> None:
    video = crossing(8)
    first = layer.encode(video[:, :4], None, 0.4)
    second = layer.encode(video[:, 4:], first.frames[:, -1], 0.4)
    parted = second.partition.any(-1)
    assert parted[:, 1].any() and (second.motion[..., 0] == CONTEXT)[parted].all()
    assert torch.equal(
        layer.decode(second.motion, second.finer, second.partition, second.structural, first.frames[:, -1], 0.4), second.frames
    )
    whole = layer.decode(
        second.motion, second.finer, torch.zeros_like(second.partition), second.structural, first.frames[:, -1], 0.4
    )
    assert psnr(second.frames, video[:, 4:]) > psnr(whole, video[:, 4:]) + 0.5
