"""VTok's linear painting: which frame is what, fields between frames, warping, and what full bases keep."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vtc.tokenizers.displacement import between, find_fields, warp
from vtc.tokenizers.keyframe import Frames, LinearKey, fit_linear_key, groups_of, take
from vtc.tokenizers.layers.spectrum import from_spectrum, lowest_first, spectrum

SIDE = 32


def texture(height: int, width: int, seed: int = 0) -> Tensor:
    """A smooth picture `[3, H, W]` without repetition."""
    noise = torch.randn(3, height // 4 + 2, width // 4 + 2, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(noise[None], size=(height, width), mode="bicubic")[0].clamp(-2, 2) / 2


def moving(frames: int, down: int, across: int, seed: int = 0, side: int = SIDE) -> Tensor:
    """A clip `[3, T, side, side]` whose content moves by whole pixels a frame."""
    margin = frames * max(abs(down), abs(across)) + 1
    whole = texture(side + 2 * margin, side + 2 * margin, seed)
    corners = [(margin - down * t, margin - across * t) for t in range(frames)]
    return torch.stack([whole[:, y : y + side, x : x + side] for y, x in corners], 1)


@given(frames=st.integers(2, 40), group=st.integers(1, 6), data=st.data())
def test_every_frame_is_the_key_frame_or_a_later_one(frames: int, group: int, data: st.DataObject) -> None:
    keys = torch.tensor(data.draw(st.lists(st.integers(0, frames - 1), min_size=1, max_size=3)))
    times = torch.arange(frames).expand(len(keys), -1)
    told = Frames.of(keys, times, group)
    assert told.later.shape == (len(keys), groups_of(frames, group) * group)
    for key, later, when in zip(keys.tolist(), told.later.tolist(), told.when.tolist(), strict=True):
        others = [t for t in range(frames) if t != key]
        assert later == others + [others[-1]] * (len(later) - len(others))
        assert when == [t - key for t in later]
    values = torch.rand(len(keys), 2, frames, 3)
    rows = torch.arange(len(keys))
    again = told.arranged(values[rows, :, keys], take(values[..., None], told.later)[..., 0], frames)
    assert torch.equal(again, values)


@given(seed=st.integers(0, 1000), key=st.integers(0, 11))
@settings(deadline=None)
def test_fields_between_frames_are_those_of_constant_speed(seed: int, key: int) -> None:
    """Where every patch moves at its own constant speed, fields at a few frames tell those of all frames between them."""
    speed = torch.randn(1, 1, 2, 2, 2, generator=torch.Generator().manual_seed(seed))
    told = Frames.of(torch.tensor([key]), torch.arange(12)[None], 3)
    at = between(speed * told.at.view(1, -1, 1, 1, 1), told.at, told.when)
    inside = (told.when >= told.at.clamp(max=0).min()) & (told.when <= told.at.clamp(min=0).max())
    expected = speed * told.when.view(1, -1, 1, 1, 1)
    assert torch.allclose(at[inside], expected[inside], atol=1e-4)
    assert at.isfinite().all()


def test_fields_find_and_undo_a_motion() -> None:
    clip = moving(3, 2, -1, side=64)[None]
    fields = find_fields(clip[:, :, 0], clip)
    assert not fields[:, 0].any()
    middle = fields[:, :, :, 1:-1, 1:-1]
    assert torch.equal(middle[:, 2, 0], torch.full((1, 2, 2), -4.0))  # content that moved down by 4 stands 4 higher in the key frame
    assert torch.equal(middle[:, 2, 1], torch.full((1, 2, 2), 2.0))
    back = warp(clip[:, :, 0], fields)
    assert (back - clip)[..., 12:-12, 12:-12].abs().max() < 0.02
    assert torch.allclose(warp(clip[:, :, 0], torch.zeros(1, 1, 2, 4, 4))[:, :, 0], clip[:, :, 0], atol=1e-5)


@given(st.integers(1, 9), st.integers(1, 9))
def test_the_spectrum_is_orthonormal_and_smooth_first(height: int, width: int) -> None:
    x = torch.randn(2, height, width)
    there = spectrum(x)
    assert torch.allclose(from_spectrum(there), x, atol=1e-5)
    assert torch.allclose(there.square().sum(), x.square().sum(), rtol=1e-4)
    order = lowest_first(height, width)
    assert sorted(order.tolist()) == list(range(height * width))
    flat = spectrum(torch.ones(height, width)).flatten()
    assert flat[order[0]].abs() == flat.abs().max()


def complete(group: int) -> LinearKey:
    """Bases that keep everything."""
    size, cells = 768 * group, SIDE // 16
    linear = LinearKey(SIDE, group, 768, (2 + size) * cells**2, size)
    generator = torch.Generator().manual_seed(1)
    linear.key_basis.copy_(torch.linalg.qr(torch.randn(768, 768, generator=generator))[0])
    linear.rest_basis.copy_(torch.linalg.qr(torch.randn(size, size, generator=generator))[0])
    return linear


def rounded(values: Tensor) -> Tensor:
    return (values / 0.01).round() * 0.01


@pytest.mark.parametrize(("group", "key"), [(1, 0), (2, 3)])
def test_what_is_kept_whole_comes_back_but_for_rounding(group: int, key: int) -> None:
    linear, clip = complete(group), moving(5, 1, 2)[None]
    frames = Frames.of(torch.tensor([key]), torch.arange(5)[None], group)
    picture = linear.picture(rounded(linear.key(clip[:, :, key])))
    residual = linear.residual(clip, frames, picture, rounded)
    painted, fields = linear.paint(picture, rounded(residual), frames, 5)
    assert 0 < (painted - clip).abs().max() < 0.03  # the rounding of the key frame and of fields is made good again
    assert fields.shape == (1, 2, 5, 2, 2)
    assert not fields[:, :, key].any()


def test_a_fit_beats_the_still_key_frame_and_its_prefixes_rise() -> None:
    clips = [moving(9, down, across, seed) for seed, (down, across) in enumerate([(0, 1), (1, 0), (1, 1), (0, 2)] * 2)]
    linear = LinearKey(SIDE, 4, 96, 64, 48)
    fit_linear_key(clips, linear, first=False)
    clip = moving(9, 1, -1, 77)[None]
    key = linear.nearest_to_mean(clip)
    assert 1 < int(key) < 7  # of a constant motion, the frames in the middle are nearest to all
    frames = Frames.of(key, torch.arange(9)[None], 4)
    picture = linear.picture(linear.key(take(clip, key[:, None])[:, :, 0]))
    residual = linear.residual(clip, frames, picture, rounded)
    errors = []
    for kept in (0, linear.field_size, residual.shape[2]):
        part = residual.clone()
        part[..., kept:] = 0
        errors.append(float((linear.paint(picture, part, frames, 9)[0] - clip).square().mean()))
    assert errors[2] < errors[1] < errors[0]
