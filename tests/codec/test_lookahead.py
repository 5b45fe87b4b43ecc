"""How finely tokens are coded: finer where later slices show them again."""

import torch

from vtc.codec.ground import Reference, inherited
from vtc.codec.lookahead import finer, look, passed_on
from vtc.tokenizers.steps import FINEST

STEP = 0.6


def clip(frames: int, still: bool) -> torch.Tensor:
    """Noise that stays, or noise that is new in every frame: uint8 [3, frames, 64, 96]."""
    noise = torch.randint(0, 256, (3, frames, 64, 96), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return noise[:, :1].expand(-1, frames, -1, -1).contiguous() if still else noise


def test_what_stays_is_coded_finer_and_less_so_towards_the_end() -> None:
    levels = finer([look(clip(32, still=True), None)], STEP)
    assert levels.dtype == torch.int16 and levels.shape == (8, 4, 6)
    assert (levels[0] >= FINEST - 1).all() and (levels[-1] == 0).all()
    assert (levels[:-1] >= levels[1:]).all()


def test_what_changes_is_not() -> None:
    assert (finer([look(clip(32, still=False), None)], STEP) == 0).all()


def test_only_the_part_that_stays_is_finer() -> None:
    frames = clip(16, still=False)
    frames[..., 48:] = frames[:, :1, :, 48:]
    levels = finer([look(frames, None)], STEP)
    assert levels[0, :, 3:].min() > levels[0, :, :3].max()


def test_segments_behind_count() -> None:
    first, second = clip(32, still=True).split(16, 1)
    one = look(first, None)
    both = finer([one, look(second, one)], STEP)
    assert both.shape == (4, 4, 6) and both.sum() > finer([one], STEP).sum()


def test_amounts_follow_the_motion_and_none_is_lost() -> None:
    alone, leaning = torch.full((2, 4, 6), 1e9), torch.zeros(2, 4, 6)
    vectors = torch.zeros(2, 4, 6, 2, dtype=torch.int64)
    vectors[1, 2, 3] = torch.tensor([0, 51])  # about a token to the right: it comes from the one to its left
    passed = passed_on(alone, leaning, vectors, STEP)
    assert torch.isclose(passed.sum(), torch.tensor(24.0)) and passed[1].sum() == 0
    assert passed[0, 2, 2] > 1.9 and passed[0, 2, 3] < 0.1


def test_tokens_without_symbols_inherit() -> None:
    levels = torch.arange(8, dtype=torch.int16).view(4, 1, 2, 1)
    symbols = torch.zeros(4, 1, 2, 3, dtype=torch.int16)
    symbols[1, 0, 0] = 1
    assert inherited(levels, symbols, None)[..., 0].flatten(1).tolist() == [[0, 0], [2, 0], [2, 0], [2, 0]]
    before = Reference(torch.empty(0), torch.tensor([[3, 4]], dtype=torch.int16), torch.empty(0))
    assert inherited(levels, symbols, before)[..., 0].flatten(1).tolist() == [[3, 4], [2, 4], [2, 4], [2, 4]]
