"""VTok under the contract of a tokenizer: tokens by the formula, the length rule, prefixes, the key frame's place, clips of any length."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from vtc.tokenizers.contract import Context, DecodeOptions, Latents
from vtc.tokenizers.diffusion import DiffusionConfig
from vtc.tokenizers.keyframe import Frames
from vtc.tokenizers.vtok import Coded, VTok, VTokConfig
from vtc.training.objectives.vtok import start

from .test_keyframe import moving

SMALL = VTokConfig(
    clip_frames=8, side=32, width=48, heads=2, depth=1, key_channels=64, group=2, residuals=4, residual_channels=8, rest_channels=24,
    decoder=DiffusionConfig(48, 2, 1, 16, 1),
)  # fmt: skip


def build(config: VTokConfig) -> VTok:
    """A model with a fitted linear part, whose every weight matters: zero starts are shaken."""
    torch.manual_seed(3)
    model = VTok(config)
    clips = [moving(config.clip_frames, *speed, seed, config.side) for seed, speed in enumerate([(0, 1), (1, 0), (1, 1)] * 3)]
    start(model, clips)
    model = model.eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.01)
    return model


@pytest.fixture(scope="module", params=["best", "first"])
def model(request: pytest.FixtureRequest) -> VTok:
    return build(replace(SMALL, key_frame=request.param))


def told(clip: Tensor, step: float = 0.3) -> Context:
    b, _, t, h, w = clip.shape
    return Context(torch.full((b,), step), None, torch.zeros(b, 3, t // 4, h // 16, w // 16))


def coded(model: VTok, clip: Tensor, step: float = 0.3) -> Latents:
    """Latents as they come back from a file."""
    gains = model.gains(step)
    return {name: (values * gains[name]).round() / gains[name] for name, values in model.encode(clip, told(clip, step)).items()}


def test_tokens_are_those_of_the_formula(model: VTok) -> None:
    clip = torch.stack([moving(8, 1, 0, 40), moving(8, 0, -1, 41)])
    latents = model.encode(clip, told(clip))
    config = model.config
    assert set(latents) == {stream.name for stream in model.streams} == set(model.gains(1.0))
    assert latents["key"].shape == (2, config.spatial, config.key_channels)
    assert latents["residual"].shape == (2, config.groups * config.residuals, config.residual_channels)
    for frames, group in ((32, 1), (128, 1), (32, 4), (128, 6)):
        wide = replace(config, clip_frames=frames, group=group, residuals=1)
        assert wide.spatial + wide.groups == (32 // 16) ** 2 + -(-(frames - 1) // group)  # S + (T - 1) where each frame has a token
    out = model.decode(coded(model, clip), model.lengths(clip), told(clip), DecodeOptions())
    assert out.shape == clip.shape
    assert out.dtype == torch.float32
    assert out.abs().max() <= 1


def test_the_linear_start_follows_motion_and_beats_the_held_key_frame(model: VTok) -> None:
    clip = moving(8, 1, -1, 50)[None]
    latents, step = coded(model, clip, 0.1), torch.tensor([0.1])
    kept = model.lengths(clip)["residual"]
    rules = [{"residual": lengths} for lengths in (0 * kept, kept, 0 * kept + 4)]
    bases = [model.painting(model.coded(latents, rule, step)).base for rule in rules]
    held, ruled, whole = (float((base - clip).square().mean()) for base in bases if base is not None)
    assert whole <= ruled * 1.01
    assert whole < 0.7 * held


def test_still_frames_need_no_tokens_and_moving_ones_all(model: VTok) -> None:
    still = moving(8, 0, 0)[None]
    assert model.lengths(still)["residual"].tolist() == [[0] * model.config.groups]
    half = still.clone()
    half[:, :, 6:] = moving(2, 0, 0, 99)[None]
    kept = model.lengths(half)["residual"][0].tolist()
    assert kept[0] == 0
    assert kept[-1] == model.config.residuals


def test_the_best_key_frame_is_where_the_file_says() -> None:
    model = build(SMALL)
    clip = torch.stack([moving(8, 0, 2, 80), moving(8, 0, 2, 80).flip(1)])
    clip[1, :, :6] = clip[1, :, 6:7]  # still but for its last two frames
    latents = coded(model, clip)
    place = latents["place"].flatten().long()
    assert torch.equal(place, model.key_frame(clip))
    assert 1 < int(place[0]) < 6
    base = model.painting(model.coded(latents, model.lengths(clip), torch.tensor([0.3, 0.3]))).base
    assert base is not None
    key = model.linear.picture(latents["key"])
    assert torch.allclose(base[torch.arange(2), :, place], key, atol=1e-5)


def test_weights_do_not_hang_on_the_length_of_the_clip(model: VTok) -> None:
    longer = VTok(replace(model.config, clip_frames=24)).eval().requires_grad_(False)
    longer.load_state_dict(model.state_dict())
    clip = moving(24, 0, 1, 95)[None]
    latents = coded(longer, clip)
    assert latents["residual"].shape[1] == 12 * model.config.residuals
    out = longer.decode(latents, longer.lengths(clip), told(clip), DecodeOptions())
    assert out.shape == clip.shape


def test_the_rate_of_symbols_stays_within_their_bound_at_any_step(model: VTok) -> None:
    """Fields are not rounded finer than their bound allows, whatever the quality."""
    clip = moving(8, 3, -3, 96)[None]
    for step in (5.5, 0.63, 0.11):
        latents, gains = model.encode(clip, told(clip, step)), model.gains(step)
        for stream in model.streams:
            assert (latents[stream.name] * gains[stream.name]).abs().max() <= stream.bound


def test_frames_of_a_sparse_clip_may_be_far_apart(model: VTok) -> None:
    clip, times = moving(8, 0, 1, 97)[None], torch.tensor([[0, 9, 10, 11, 12, 13, 14, 15]])
    frames = Frames.of(torch.tensor([0]), times, model.config.group)
    key, residual = model.analyse(clip, frames, torch.tensor([0.3]))
    coded = Coded(key, residual, torch.full((1, 4), 4), frames, times, torch.tensor([0.3]))
    base = model.painting(coded).base
    assert base is not None
    assert base.shape == clip.shape
    close = torch.arange(8)[None]
    together = Frames.of(torch.tensor([0]), close, model.config.group)
    near = replace(coded, frames=together, times=close)
    # Residual tokens carry their frames' time.
    assert not torch.allclose(model.tokens(coded, model.reader), model.tokens(near, model.reader))
