"""Displaced contexts of the base layer: fetched exactly, found where content moved."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vtc.tokenizers import motion


def texture(height: int, width: int) -> torch.Tensor:
    """A smooth random picture uint8 [3, height, width]."""
    rough = torch.rand(1, 3, height // 8, width // 8, generator=torch.Generator().manual_seed(5))
    smooth = torch.nn.functional.interpolate(rough, (height, width), mode="bicubic")
    return (smooth[0] * 255).clamp(0, 255).to(torch.uint8)


def test_doubling_keeps_every_pixel_and_stays_in_range() -> None:
    frame = texture(32, 48)
    doubled = motion.double(frame)
    assert doubled.shape == (3, 64, 96)
    assert torch.equal(doubled[:, ::2, ::2], frame)


def test_a_still_vector_fetches_the_frame_itself() -> None:
    frame = texture(32, 48)
    blocks = motion.fetch(motion.double(frame), torch.zeros(2, 3, 2, dtype=torch.int64))
    assert blocks.shape == (2, 3, 3, 4, 16, 16)
    assert torch.equal(blocks[1, 2, :, 3], frame[:, 16:32, 32:48])


@settings(max_examples=40, deadline=None)
@given(st.integers(-127, 127), st.integers(-127, 127))
def test_fetching_equals_indexing_the_doubled_frame(dy: int, dx: int) -> None:
    doubled = motion.double(texture(32, 32))
    blocks = motion.fetch(doubled, torch.tensor([dy, dx]).expand(2, 2, 2))
    for frame in range(4):
        shift_y, shift_x = ((v * (frame + 1) + 2) // 4 for v in (dy, dx))
        rows = [min(max(2 * y - shift_y, 0), 63) for y in range(32)]
        cols = [min(max(2 * x - shift_x, 0), 63) for x in range(32)]
        expected = doubled[:, rows][:, :, cols]
        got = blocks[:, :, :, frame].permute(2, 0, 3, 1, 4).reshape(3, 32, 32)
        assert torch.equal(got, expected)


def test_search_finds_a_pan() -> None:
    big = texture(160, 192)
    last = big[:, 32:128, 32:160]
    frames = torch.stack([big[:, 32 - i : 128 - i, 32 - 2 * i : 160 - 2 * i] for i in range(1, 5)], 1)  # moves by (1, 2) a frame
    brightness = motion.luma(last)
    found = motion.search(motion.luma(frames)[list(motion.SEARCH_FRAMES)], brightness, motion.double(brightness[None]))
    inner = found[1:-1, 1:-1].reshape(-1, 2)
    assert (inner == torch.tensor([8, 16])).all(-1).float().mean() > 0.9


def test_shift_rounds_halves_up_in_integers() -> None:
    vectors = torch.tensor([-3, -2, -1, 0, 1, 2, 3])
    assert motion.frame_shift(vectors, 1).tolist() == [-1, -1, 0, 0, 1, 1, 2]
    assert motion.frame_shift(vectors, 3).tolist() == vectors.tolist()
