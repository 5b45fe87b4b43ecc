"""One-DVA under the contract of a tokenizer: sizes, prefixes, steps, determinism, bundles."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from vtc.errors import BundleError
from vtc.tokenizers import diffusion
from vtc.tokenizers.base import TOLD, BaseConfig
from vtc.tokenizers.bundle import load_bundle, save_bundle
from vtc.tokenizers.contract import Context, DecodeOptions
from vtc.tokenizers.diffusion import DiffusionConfig, timesteps
from vtc.tokenizers.layers.length import cut, motion_length, motion_score, training_length
from vtc.tokenizers.onedva import OneDVA, OneDVAConfig
from vtc.tokenizers.teacher import StandInTeacher

SMALL = OneDVAConfig(
    width=48, heads=2, depth=1, queries=8, base=BaseConfig(coefficients=16), decoder=DiffusionConfig(48, 2, 1, 16, 1)
)


def build(config: OneDVAConfig) -> OneDVA:
    """A model whose every weight matters: zero starts are shaken."""
    torch.manual_seed(3)
    model = OneDVA(config).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.02)
    return model


@pytest.fixture(scope="module", params=["base layer", "paper"])
def model(request: pytest.FixtureRequest) -> OneDVA:
    return build(SMALL if request.param == "base layer" else replace(SMALL, base=None))


def tile(model: OneDVA, b: int = 2, h: int = 32, w: int = 48) -> tuple[Tensor, Context]:
    generator = torch.Generator().manual_seed(7)
    clip = torch.rand(b, 3, 16, h, w, generator=generator) * 2 - 1
    side = torch.rand(b, 3 if model.base is None else TOLD, 4, h // 16, w // 16, generator=generator)
    base = (clip + 0.1 * torch.randn(clip.shape, generator=generator)).clamp(-1, 1) if model.base is not None else None
    return clip, Context(torch.full((b,), 0.5), base, side)


@pytest.mark.parametrize("size", [(16, 16), (32, 48), (80, 16)])
def test_any_multiple_of_16_goes_in_and_comes_out(model: OneDVA, size: tuple[int, int]) -> None:
    clip, context = tile(model, 1, *size)
    latents = model.encode(clip, context)
    for stream in model.streams:
        if stream.kind == "sequence":
            assert latents[stream.name].shape[0] == 1
            assert latents[stream.name].shape[2] == stream.channels
    out = model.decode(latents, {"query": torch.tensor([[4]])}, context, DecodeOptions())
    assert out.shape == clip.shape
    assert out.dtype == torch.float32
    assert out.abs().max() <= 1


def test_a_batch_gives_what_its_items_give(model: OneDVA) -> None:
    clip, context = tile(model)
    whole = model.decode(model.encode(clip, context), {"query": torch.tensor([[3], [8]])}, context, DecodeOptions())
    for i, kept in enumerate((3, 8)):
        one = Context(context.step[i : i + 1], None if context.base is None else context.base[i : i + 1], context.side[i : i + 1])
        alone = model.decode(model.encode(clip[i : i + 1], one), {"query": torch.tensor([[kept]])}, one, DecodeOptions())
        assert torch.allclose(alone, whole[i : i + 1], atol=1e-4)


def test_what_was_cut_does_not_matter(model: OneDVA) -> None:
    clip, context = tile(model, 1)
    latents = model.encode(clip, context)
    spoiled = {**latents, "query": latents["query"].clone()}
    spoiled["query"][:, 5:] = 9.0
    kept = {"query": torch.tensor([[5]])}
    assert torch.equal(model.decode(latents, kept, context, DecodeOptions()), model.decode(spoiled, kept, context, DecodeOptions()))
    spoiled["query"][:, :5] = 9.0
    assert not torch.equal(model.decode(latents, kept, context, DecodeOptions()), model.decode(spoiled, kept, context, DecodeOptions()))


def test_one_step_knows_no_noise_and_more_steps_do(model: OneDVA) -> None:
    clip, context = tile(model, 1)
    latents, kept = model.encode(clip, context), {"query": torch.tensor([[8]])}
    noise = torch.randn(clip.shape, generator=torch.Generator().manual_seed(1))

    def paint(steps: int, noise: Tensor | None) -> Tensor:
        return model.decode(latents, kept, context, DecodeOptions(steps, noise))

    assert torch.allclose(paint(1, noise), paint(1, None), atol=1e-6)
    assert torch.equal(paint(4, noise), paint(4, noise))
    assert not torch.allclose(paint(4, noise), paint(4, -noise), atol=1e-4)


def test_gains_cover_the_streams_that_the_network_gives(model: OneDVA) -> None:
    clip, context = tile(model, 1)
    assert set(model.gains(0.5)) == set(model.encode(clip, context))


def test_klt_start_makes_the_paper_form_a_transform_codec() -> None:
    model = OneDVA(replace(SMALL, base=None, structural_channels=48)).eval().requires_grad_(False)
    basis, _ = torch.linalg.qr(torch.randn(3072, 48, generator=torch.Generator().manual_seed(0)))
    model.start(basis, torch.zeros(3072))
    clip, context = tile(model, 1)
    latents = model.encode(clip, context)
    from vtc.tokenizers.layers.patch import patchify

    expected = patchify(clip).flatten(1, 3) @ basis @ basis.T
    got = model.completed(latents, context).base
    assert got is not None
    assert torch.allclose(patchify(got).flatten(1, 3), expected, atol=1e-3)


def test_motion_scores_and_lengths_rise_with_motion() -> None:
    frame = torch.rand(1, 3, 1, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    clips = [torch.cat([torch.roll(frame, k * t, -1) for t in range(8)], 2) for k in (0, 1, 3)]
    still, slow, fast = (motion_score(clip) for clip in clips)
    assert still < slow <= fast + 0.2
    lengths = motion_length(torch.linspace(-9, 3, 50), -3.0, 1.0, 2, 32)
    assert (lengths[1:] >= lengths[:-1]).all()
    assert lengths.min() >= 2
    assert lengths.max() <= 32


def test_training_lengths_cover_all_prefixes_and_centre_on_the_rule() -> None:
    drawn = training_length(torch.full((4000,), 16), 32, torch.Generator().manual_seed(0))
    assert set(drawn.tolist()) == set(range(33))
    assert abs(drawn.float().mean() - 16) < 0.5


def test_cut_zeroes_the_tail_only() -> None:
    tokens = torch.ones(2, 4, 3)
    assert cut(tokens, torch.tensor([1, 4])).sum((1, 2)).tolist() == [3.0, 12.0]


def test_timesteps_have_a_thick_tail() -> None:
    t = timesteps(20000, 0.25, torch.Generator().manual_seed(0), torch.device("cpu"))
    assert abs((t == 0).float().mean() - 0.25) < 0.01
    assert t.min() >= 0
    assert t.max() < 1


def test_stand_in_teacher_tells_patches_apart() -> None:
    clip = torch.rand(2, 3, 8, 32, 48) * 2 - 1
    tokens = StandInTeacher().tokens(clip)
    assert tokens.shape == (2, 2 * 2 * 3, StandInTeacher.channels)
    assert tokens.isfinite().all()
    assert tokens.std(1).mean() > 0.01


def test_bundle_round_trip_and_identity(tmp_path: Path) -> None:
    model = build(SMALL)
    path = tmp_path / "tiny.safetensors"
    save_bundle(path, model, {"query.symbol_rows": np.zeros((1, 8, 8), np.int32)}, {"steps": 1})
    bundle = load_bundle(path, dtype=torch.float32)
    assert bundle.name == "tiny"
    assert bundle.card == {"steps": 1}
    assert bundle.tokenizer.config == SMALL
    assert set(bundle.entropy) == {"query.symbol_rows"}
    clip, context = tile(model, 1)
    close = bundle.tokenizer.encode(clip, context)["query"] - model.encode(clip, context)["query"]
    assert close.abs().max() < 0.05
    tensors = load_file(path)
    tensors["model.query_place"][0, 0] += 1
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    other = tmp_path / "other.safetensors"
    save_file(tensors, other, metadata)
    assert load_bundle(other).identity != bundle.identity


@pytest.mark.parametrize("content", [b"", b"no bundle at all", b"\x10" + bytes(200)])
def test_what_is_no_bundle_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(BundleError):
        load_bundle(path)


def test_a_bundle_of_other_settings_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "odd.safetensors"
    save_file({"model.x": torch.zeros(1)}, path, {"vtc": '{"format": 1, "tokenizer": "onedva", "config": {"width": 3}, "card": {}}'})
    with pytest.raises(BundleError, match="do not fit"):
        load_bundle(path)


NETWORKS = {
    "half size": DiffusionConfig(48, 2, 1, 16, 2),
    "half size, shift": DiffusionConfig(48, 2, 1, 16, 2, shift=True),
    "U-Net": DiffusionConfig(48, 2, 1, 16, 3, inner_channels=24, inner_blocks=2),
    "quarter size": DiffusionConfig(48, 2, 1, 16, 0, inner_channels=24, inner_blocks=2),
    "U-Net, shift": DiffusionConfig(48, 2, 1, 16, 2, inner_channels=24, inner_blocks=2, shift=True),
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_every_unpatchifier_starts_from_the_base_and_is_the_same_in_parts(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = OneDVA(replace(SMALL, decoder=NETWORKS[kind])).eval().requires_grad_(False)
    clip, context = tile(model)
    noise = torch.randn(clip.shape, generator=torch.Generator().manual_seed(1))
    latents, kept = model.encode(clip, context), {"query": torch.full((2, 1), 4)}
    base = context.base
    assert base is not None
    assert torch.equal(model.decode(latents, kept, context, DecodeOptions()), base)
    model = build(replace(SMALL, decoder=NETWORKS[kind]))
    painted = []
    for frames in (1, 3, 64):
        monkeypatch.setattr(diffusion, "_CACHED_PIXELS", frames * 32 * 48)
        painted.append([model.decode(latents, kept, context, DecodeOptions(steps, noise)) for steps in (1, 2)])
    for steps in range(2):
        assert not torch.equal(painted[0][steps], base)
        for other in painted[1:]:
            assert torch.allclose(painted[0][steps], other[steps], atol=1e-6)
    with torch.enable_grad():
        trained = model.decoder.sample(model.tokens(latents["query"], kept["query"][:, 0]), context, 1, None)
    assert torch.allclose(trained.clamp(-1, 1), painted[0][0], atol=1e-6)


@pytest.mark.parametrize("kind", ["half size, shift", "U-Net, shift"])
def test_shifted_frames_see_their_neighbours_within_the_clip(kind: str) -> None:
    x = torch.arange(2 * 3 * 16 * 2 * 2, dtype=torch.float32).view(6, 16, 2, 2)
    seen = diffusion.shifted(x, 3).unflatten(0, (2, 3))
    clips = x.unflatten(0, (2, 3))
    assert torch.equal(seen[:, :, :2], clips[:, [0, 0, 1], :2])
    assert torch.equal(seen[:, :, 2:4], clips[:, [1, 2, 2], 2:4])
    assert torch.equal(seen[:, :, 4:], clips[:, :, 4:])
    model = build(replace(SMALL, decoder=NETWORKS[kind]))
    clip, context = tile(model, 2)
    latents, kept = model.encode(clip, context), {"query": torch.full((2, 1), 4)}
    both = model.decode(latents, kept, context, DecodeOptions())
    assert context.base is not None
    first = Context(context.step[:1], context.base[:1], context.side[:1])
    alone = model.decode({"query": latents["query"][:1]}, {"query": kept["query"][:1]}, first, DecodeOptions())
    assert torch.allclose(alone, both[:1], atol=1e-6)
