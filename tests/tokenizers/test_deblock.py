"""The filter in the loop: softens what quantising left, and nothing else."""

import torch

from vtc.tokenizers.deblock import deblock

ALL = torch.ones(2, 2, dtype=torch.bool)
STEPS = torch.full((2, 2), 0.5)


def blocks(gap: int) -> torch.Tensor:
    """Two flat tokens over two others: int16 `[3, 4, 32, 32]`."""
    frames = torch.full((3, 4, 32, 32), 100, dtype=torch.int16)
    frames[..., 16:, :] += gap
    frames[..., 16:] += gap
    return frames


def test_a_small_step_between_tokens_becomes_a_ramp() -> None:
    flat = blocks(8)
    soft = deblock(flat.clone(), ALL, STEPS)
    assert soft[0, 0, 0, 14:18].tolist() == [100, 103, 105, 108]
    assert soft[0, 0, 14:18, 0].tolist() == [100, 103, 105, 108]
    inside = torch.ones(32, dtype=torch.bool)
    inside[15:17] = False
    assert torch.equal(soft[:, :, inside][..., inside], flat[:, :, inside][..., inside])


def test_an_edge_of_the_source_stays() -> None:
    assert torch.equal(deblock(blocks(40), ALL, STEPS), blocks(40))


def test_what_is_not_coded_stays() -> None:
    assert torch.equal(deblock(blocks(8), ~ALL, STEPS), blocks(8))
    one = torch.tensor([[True, False], [False, False]])
    soft = deblock(blocks(8), one, STEPS)
    assert not torch.equal(soft[..., :16, 15:17], blocks(8)[..., :16, 15:17])
    assert torch.equal(soft[..., 20:, :], blocks(8)[..., 20:, :])


def test_a_finer_step_moves_less() -> None:
    fine = deblock(blocks(8), ALL, torch.full((2, 2), 0.125))
    assert torch.equal(fine, blocks(8))  # 8 is an edge of the source there
    less = deblock(blocks(7), ALL, torch.full((2, 2), 0.125))
    assert less[0, 0, 0, 14:18].tolist() == [100, 102, 105, 107]
    assert deblock(blocks(7), ALL, STEPS)[0, 0, 0, 14:18].tolist() == [100, 103, 104, 107]


def test_whole_numbers_and_floats_agree() -> None:
    frames = torch.randint(90, 140, (3, 4, 48, 64), generator=torch.Generator().manual_seed(0), dtype=torch.int16)
    coded, steps = torch.rand(3, 4) < 0.7, torch.rand(3, 4) * 2
    floats = deblock(frames.float(), coded, steps, lambda total: torch.floor(total / 8))
    whole = deblock(frames.clone(), coded, steps)
    assert torch.equal(whole.float(), floats) and not torch.equal(whole, frames)


def test_gradients_pass() -> None:
    frames = blocks(8).float().requires_grad_()
    deblock(frames, ALL, STEPS, lambda total: total / 8).square().sum().backward()
    assert frames.grad is not None and frames.grad.abs().min() > 0
