"""Tokens in parts: each part fetches what its own vector says, search finds parts that move apart, and it pays."""

import torch
from torch import Tensor

from vtc.tokenizers import motion, partition
from vtc.tokenizers.base import CONTEXT, BaseLayer

from .pictures import psnr, scene

LAST = scene(1, 64, 96)[:, 0]
DOUBLED = motion.double(LAST)
AT = torch.tensor([1, 2]), torch.tensor([4, 0])


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


def test_parts_without_differences_are_the_token() -> None:
    vectors = torch.tensor([[3, -7], [0, 12]])
    found = partition.contexts(DOUBLED, vectors, torch.zeros(2, 8, dtype=torch.int64), AT)
    assert torch.equal(found, motion.fetch(DOUBLED, vectors, at=AT))


def test_every_part_has_its_own_vector() -> None:
    vectors, parts = torch.tensor([[3, -7], [0, 12]]), torch.arange(16).view(2, 8) - 8
    found = partition.contexts(DOUBLED, vectors, parts, AT)
    assert found.shape == (2, 3, 4, 16, 16)
    for number, (down, across) in enumerate((d, a) for d in (0, 8) for a in (0, 8)):
        inside = slice(down, down + 8), slice(across, across + 8)
        own = vectors + parts[:, 2 * number : 2 * number + 2]
        assert torch.equal(found[..., inside[0], inside[1]], motion.fetch(DOUBLED, own, at=AT, inside=inside))


def test_search_finds_parts_that_move_apart() -> None:
    frames = crossing(5)
    target, last = motion.luma(frames[:, [2, 4]]), motion.luma(frames[:, 0])
    at = torch.tensor([1, 1, 1]), torch.tensor([2, 3, 4])
    parts = partition.search(target, motion.double(last[None]), torch.zeros(3, 2, dtype=torch.int64), at)
    assert (parts - torch.tensor([0, -8, 0, -8, 0, 8, 0, 8])).abs().max() <= 1
    assert parts.abs().max() <= partition.PARTITION_BOUND


def test_no_part_leaves_its_bound() -> None:
    torch.manual_seed(0)
    target = torch.randint(0, 256, (2, 64, 96), dtype=torch.uint8)
    parts = partition.search(target, motion.double(motion.luma(LAST)[None]), torch.full((2, 2), 120), AT)
    assert parts.any() and parts.abs().max() <= partition.PARTITION_BOUND


def test_tokens_are_parted_where_it_pays(layer: BaseLayer) -> None:
    video = crossing(8)
    first = layer.encode(video[:, :4], None, 0.4)
    second = layer.encode(video[:, 4:], first.frames[:, -1], 0.4)
    parted = second.partition.any(-1)
    assert parted[:, 1].sum() > parted[:, 3].sum() and (second.motion[..., 0] == CONTEXT)[parted].all()
    assert torch.equal(
        layer.decode(second.motion, second.finer, second.partition, second.structural, first.frames[:, -1], 0.4), second.frames
    )
    whole = layer.decode(
        second.motion, second.finer, torch.zeros_like(second.partition), second.structural, first.frames[:, -1], 0.4
    )
    assert psnr(second.frames, video[:, 4:]) > psnr(whole, video[:, 4:]) + 0.5
