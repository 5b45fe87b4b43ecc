"""DeRA under the contract of a tokenizer: discrete ids, streams that never meet, a linear start that is a codec already."""

import pytest
import torch
from torch import Tensor

from vtc.tokenizers.contract import Context, DecodeOptions
from vtc.tokenizers.coordinate import CoordinateConfig
from vtc.tokenizers.dera import DeRA, DeRAConfig
from vtc.tokenizers.layers.fsq import FSQ
from vtc.training.objectives.dera import start

from .test_keyframe import moving

SMALL = DeRAConfig(
    side=32, width=48, heads=2, depth=1, appearance=64, motion=96, level=9, key_channels=64, rest_channels=24,
    coordinate=CoordinateConfig(width=48, heads=2, depth=1, points=64),
)  # fmt: skip


@pytest.fixture(scope="module")
def model() -> DeRA:
    """Fitted, and as it is before training: what the networks add is nothing yet."""
    torch.manual_seed(3)
    model = DeRA(SMALL)
    speeds = [(0, 1), (1, 0), (1, 1), (0, -1), (-1, 0)] * 4
    start(model, [moving(16, *speed, seed, SMALL.side) for seed, speed in enumerate(speeds)])
    return model.eval().requires_grad_(False)


def told(clip: Tensor) -> Context:
    b, _, t, h, w = clip.shape
    return Context(torch.ones(b), None, torch.zeros(b, 3, t // 4, h // 16, w // 16))


def test_latents_are_digits_of_ids_below_the_codebook_size(model: DeRA) -> None:
    clip = torch.stack([moving(16, 1, 0, 30), moving(16, 0, 0, 31)])
    latents = model.encode(clip, told(clip))
    for stream in model.streams:
        digits = latents[stream.name]
        assert digits.shape == (2, stream.positions, stream.channels)
        assert torch.equal(digits, digits.round())
        ids = FSQ(stream.levels).ids(digits)
        assert 0 <= int(ids.min()) <= int(ids.max()) < model.codebook_size == 9**4
    assert not torch.equal(latents["motion"][0], latents["motion"][1])


def test_the_untrained_model_is_a_codec(model: DeRA) -> None:
    clip = moving(16, 1, -1, 32)[None]
    latents = model.encode(clip, told(clip))
    painted = model.decode(latents, {}, told(clip), DecodeOptions())
    assert torch.allclose(painted, model.painting(latents).clamp(-1, 1), atol=1e-5)
    without = model.painting({**latents, "motion": 0 * latents["motion"]})
    assert (painted - clip).square().mean() < 0.7 * (without - clip).square().mean()
    first = clip[:, :, 0]
    assert (without[:, :, 0] - first).square().mean() < 0.5 * first.square().mean()  # appearance alone shows the first frame


def test_every_prefix_of_both_streams_is_a_better_picture(model: DeRA) -> None:
    clip = moving(16, 0, 1, 33)[None]
    latents = model.encode(clip, told(clip))
    for name in ("appearance", "motion"):
        errors = []
        groups = model.groups if name == "motion" else 1
        for share in (0.0, 0.25, 0.5, 1.0):
            digits = latents[name].unflatten(1, (groups, -1)).clone()
            digits[:, :, int(share * digits.shape[2]) :] = 0
            errors.append(float((model.painting({**latents, name: digits.flatten(1, 2)}) - clip).square().mean()))
        assert errors == sorted(errors, reverse=True)


def test_the_streams_never_meet_in_the_encoder(model: DeRA) -> None:
    clip = moving(16, 1, 0, 34)[None]
    other = clip.clone()
    other[:, :, 1:] = moving(15, 0, 1, 35)[None]
    first, second = model.encode(clip, told(clip)), model.encode(other, told(other))
    assert torch.equal(first["appearance"], second["appearance"])  # tells of the first frame alone
    assert not torch.equal(first["motion"], second["motion"])
    (still, _), (moving_, _) = model.encoder(clip)
    (still_, _), (again, _) = model.encoder(other)
    assert torch.equal(still, still_)
    assert not torch.allclose(moving_, again)


def test_both_streams_share_the_blocks_and_nothing_else(model: DeRA) -> None:
    encoder = DeRA(SMALL).encoder
    torch.nn.init.normal_(encoder.appearance_out.weight)
    torch.nn.init.normal_(encoder.motion_out.weight)
    (still, appearance), (moved, motion) = encoder(moving(16, 1, 1, 36)[None])
    shared = {id(parameter) for parameter in encoder.shared()}
    touched = []
    for outputs in ((still, appearance), (moved, motion)):
        total = sum((output.square().sum() for output in outputs), torch.zeros(()))
        named = dict(encoder.named_parameters())
        found = torch.autograd.grad(total, list(named.values()), retain_graph=True, allow_unused=True)
        touched.append({id(p) for p, g in zip(named.values(), found, strict=True) if g is not None})
    assert touched[0] & touched[1] == shared
