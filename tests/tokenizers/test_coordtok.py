"""CoordTok: the numbers of the public code, its mistakes included; the linear start; planes under the contract."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from vtc.errors import BundleError
from vtc.media.scene import render_scene
from vtc.tokenizers.bundle import load_bundle, save_bundle
from vtc.tokenizers.contract import Context, DecodeOptions, Query
from vtc.tokenizers.coordinate import CoordinateConfig, sampled, whole
from vtc.tokenizers.coordtok import PRESETS, CoordTok, CoordTokConfig
from vtc.tokenizers.layers.patch import to_float
from vtc.tokenizers.official import from_official, read_checkpoint
from vtc.tokenizers.planes import LinearPlanes, fit_bases

from .published import published

ROOM = Path(__file__).parents[2]
PARITY = next((p for parent in ROOM.parents if (p := parent / "shared" / "parity" / "coordtok").is_dir()), None)
TOLERANCE = 1e-5  # shared/parity/README.md

MINI = CoordTokConfig(
    clip_frames=16, side=32, width=24, heads=2, patch_depth=1, depth=1, tubelet_time=8, plane_time=4, plane_side=4, latent_time=2,
    latent_side=2, features=(12, 6), dead_zone=0.0, decoder=CoordinateConfig(width=24, heads=2, depth=1, points=32),
)  # fmt: skip


@pytest.fixture(scope="module")
def clip() -> Tensor:
    """`[1, 3, 16, 32, 32]` of the rendered scene."""
    frames = torch.stack([torch.from_numpy(frame) for frame in render_scene(32, 32, 16)])
    return to_float(frames).permute(3, 0, 1, 2)[None].contiguous()


def build(config: CoordTokConfig = MINI, shake: float = 0.0) -> CoordTok:
    torch.manual_seed(0)
    model = CoordTok(config).eval().requires_grad_(False)
    if model.linear is not None:
        fit_bases([torch.randn(3, 16, 32, 32).cumsum(1).tanh() for _ in range(3)], model.linear)
    for parameter in model.parameters():
        parameter.add_(shake * torch.randn_like(parameter))
    return model


Fixture = tuple[CoordTok, dict[str, Tensor], dict[str, Any]]


@pytest.fixture(scope="module")
def fixture() -> Fixture:
    """The model, inputs and outputs, and configuration of the public code."""
    if PARITY is None:
        pytest.skip(f"no folder shared/parity/coordtok, the fixture of the public code, beside {ROOM}")
    told = json.loads((PARITY / "config.json").read_text())
    heads = told["constructor"]["enc_num_heads"], told["constructor"]["dec_num_heads"]
    model = from_official(read_checkpoint(PARITY / "weights.safetensors"), heads, told["constructor"]["dec_patch_size_t"])
    return model.requires_grad_(False), load_file(PARITY / "io.safetensors"), told


class TestParity:
    """Each output of the public code, from the same weights."""

    def test_config_is_read_from_the_shapes(self, fixture: Fixture) -> None:
        config, told = fixture[0].config, fixture[2]["constructor"]
        assert [config.clip_frames, config.side, config.side] == told["video_shape"]
        assert (config.patch_depth, config.depth) == (told["enc_patch_num_layers"], told["enc_num_layers"])
        assert (config.latent_time, config.latent_side) == (told["latent_patch_size_t"], told["latent_patch_size_xy"])

    def test_planes(self, fixture: Fixture) -> None:
        model, io, _ = fixture
        found = model.planes(io["video"].permute(0, 4, 1, 2, 3), io["n_frames"][:, 0])
        for plane, name in zip(found, ("xy", "yt", "xt")):
            assert (plane - io[f"plane_{name}"]).abs().max() <= TOLERANCE

    def test_patches(self, fixture: Fixture) -> None:
        model, io, _ = fixture
        planes = tuple(io[f"plane_{name}"] for name in ("xy", "yt", "xt"))
        before = io["coords"].clone()
        found = model.decoder(planes, io["coords"], model.config.decoder.grid(model.size))
        assert (found - io["patches"]).abs().max() <= TOLERANCE
        assert torch.equal(io["coords"], before)

    def test_whole_clip(self, fixture: Fixture) -> None:
        model, io, told = fixture
        model.decoder.config = replace(model.decoder.config, points=told["recon"]["point_per_vid"])
        planes = io["plane_xy"], io["plane_yt"], io["plane_xt"]
        found = model.paint(planes, torch.ones(1))[0].permute(1, 2, 3, 0)
        assert (found - io["recon"]).abs().max() <= TOLERANCE


def test_padded_frames_are_favoured_as_published() -> None:
    model = build(replace(MINI, linear=False), shake=0.1)
    clip = torch.randn(2, 3, 16, 32, 32)
    every = model.planes(clip)
    assert all(torch.equal(a, b) for a, b in zip(every, model.planes(clip, torch.tensor([16, 16]))))
    half = model.planes(clip, torch.tensor([16, 15]))  # a tubelet of 8 that is partly real counts as padded
    again = model.planes(clip, torch.tensor([16, 8]))
    for a, b, c in zip(every, half, again):
        torch.testing.assert_close(a[0], b[0], atol=1e-5, rtol=1e-5)
        assert (a[1] - b[1]).abs().max() > 1e-4
        assert torch.equal(b[1], c[1])


def test_tokens_of_a_plane_must_be_a_square_number_and_may_be_scrambled() -> None:
    with pytest.raises(ValueError, match="no square"):
        build(replace(MINI, plane_time=8, latent_time=1, latent_side=1, linear=False))
    model = build(replace(MINI, plane_time=8, latent_time=1, latent_side=2, linear=False))  # 8 x 2 tokens as 4 x 4
    tokens = torch.arange(16.0).view(1, 16, 1).expand(1, 16, 24)
    yt = model.encoder.yt
    torch.nn.init.zeros_(yt.outward.weight)
    torch.nn.init.zeros_(yt.outward.bias)
    yt.outward.weight[:, 0] = 1
    plane = yt.put_together(tokens)
    expected = torch.arange(16.0).view(4, 4).repeat_interleave(2, 1).view(4, 8, 1).expand(4, 8, 6).reshape(8, 4, 6)
    assert torch.equal(plane[0], expected)


def test_official_is_the_published_size() -> None:
    with torch.device("meta"):
        model = CoordTok(PRESETS["official"])
    assert sum(stream.stride == (128, 8, 8) for stream in model.streams) == 1
    assert sum(first * second for first, second, _ in model.config.planes()) == 1280
    assert abs(sum(p.numel() for p in model.parameters()) / 1e6 - 853) < 5


@pytest.mark.parametrize("size", ["tiny", "small", "base"])
def test_sizes_stand_at_1280_tokens(size: str) -> None:
    with torch.device("meta"):
        model = CoordTok(PRESETS[size])
    assert sum(first * second for first, second, _ in model.config.planes()) <= 1280
    assert model.clip_frames == 128 and model.tile == (128, 128)


def test_checkpoints_are_read_without_running_them(tmp_path: Path) -> None:
    source = build(replace(MINI, linear=False, features=(6, 6), decoder=replace(MINI.decoder, places="table")), shake=0.1)
    state = published(source)
    torch.save({"model": state, "step": 7}, tmp_path / "a.pth")
    found = from_official(read_checkpoint(tmp_path / "a.pth"), (2, 2), 4)
    assert replace(found.config.decoder, points=32) == source.config.decoder
    clip = torch.randn(1, 3, 16, 32, 32)
    for a, b in zip(found.planes(clip), source.planes(clip)):
        assert torch.equal(a, b)

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return eval, ("1/0",)

    torch.save({"model": Trap()}, tmp_path / "trap.pth")
    with pytest.raises(BundleError, match="cannot be read"):
        read_checkpoint(tmp_path / "trap.pth")
    del state["module.decoder.projector.weight"]
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, tmp_path / "part.safetensors")
    with pytest.raises(BundleError, match="not the weights"):
        from_official(read_checkpoint(tmp_path / "part.safetensors"), (2, 2), 4)


def test_linear_start_keeps_what_it_can(clip: Tensor) -> None:
    model = build()
    assert isinstance(model.linear, LinearPlanes)
    fit_bases([clip[0]], model.linear)
    planes = model.planes(clip)
    painted = model.paint(planes, torch.ones(1))
    again = model.paint(model.planes(painted), torch.ones(1))
    error = (painted - clip).square().mean()
    assert error < 0.25 * (clip - clip.mean()).square().mean()
    assert (again - painted).square().mean() < 0.05 * error


def test_linear_patches_are_those_of_the_picture(clip: Tensor) -> None:
    model = build()
    assert model.linear is not None
    planes = model.planes(clip)
    index = torch.cartesian_prod(torch.arange(4), torch.arange(4), torch.arange(4))[None]
    patches = model.linear.patches(planes, index).view(4, 4, 4, 4, 8, 8, 3).permute(6, 0, 3, 1, 4, 2, 5).reshape(3, 16, 32, 32)
    picture, moved = model.linear.picture(planes, whole(model.size))
    assert moved == whole(model.size)
    torch.testing.assert_close(picture[0], patches, atol=1e-5, rtol=0)
    query = Query((5.0, 5.5, 11.25), 9, 3, 8, 20, 2)
    part = sampled(*model.linear.picture(planes, query))
    torch.testing.assert_close(part, sampled(picture, query), atol=1e-5, rtol=0)


def test_contract_of_latents_and_queries(clip: Tensor) -> None:
    model = build(shake=0.02)
    context = Context(torch.full((1,), 0.5), None, torch.zeros(1, 3, 4, 2, 2))
    latents = model.encode(clip, context)
    for stream in model.streams:
        slices, rows, columns = 16 // stream.stride[0], 32 // stream.stride[1], 32 // stream.stride[2]
        assert latents[stream.name].shape == (1, slices * rows * columns, stream.channels)
    assert set(model.gains(0.5)) == set(latents)
    painted = model.decode(latents, model.lengths(clip), context, DecodeOptions())
    assert painted.shape == clip.shape and painted.abs().max() <= 1
    query = Query((2.0, 2.5), 4, 8, 12, 16, 2)
    assert model.decode(latents, {}, context, DecodeOptions(query=query)).shape == (1, 3, 2, 24, 32)


def test_bundle_round_trip(tmp_path: Path, clip: Tensor) -> None:
    model = build(shake=0.02)
    save_bundle(tmp_path / "mini.safetensors", model, {}, {})
    bundle = load_bundle(tmp_path / "mini.safetensors", dtype=torch.float32)
    assert bundle.tokenizer.config == MINI
    context = Context(torch.full((1,), 0.5), None, torch.zeros(1, 3, 4, 2, 2))
    for name, latent in bundle.tokenizer.encode(clip, context).items():
        torch.testing.assert_close(latent, model.encode(clip, context)[name], atol=0.05, rtol=0.05)
