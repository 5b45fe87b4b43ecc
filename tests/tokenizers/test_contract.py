"""The contract battery: what the codec relies on, for every tokenizer with every decoder."""

from pathlib import Path

import pytest
import torch

from vtc.tokenizers.bundle import load_bundle, save_bundle
from vtc.tokenizers.contract import DecodeOptions, Query, Tokenizer

from .zoo import DECODERS, ZOO, built, example, full, one, rounded

both = pytest.mark.parametrize("decoder", DECODERS)


@pytest.fixture(scope="module", params=list(ZOO))
def model(request: pytest.FixtureRequest) -> Tokenizer:
    return built(request.param)


def coded(model: Tokenizer) -> list[str]:
    """Names of the streams that the network gives."""
    return list(model.gains(0.5))


def test_it_has_both_decoders(model: Tokenizer) -> None:
    assert set(model.decoders) == set(DECODERS)


def test_latents_have_the_shapes_of_their_streams(model: Tokenizer) -> None:
    clip, context = example(model)
    latents = model.encode(clip, context)
    assert set(latents) == set(coded(model)) <= {stream.name for stream in model.streams}
    for stream in model.streams:
        if stream.name in latents:
            size = clip.shape[2:]
            cells = torch.tensor([length / stride for length, stride in zip(size, stream.stride)])
            count = stream.items * stream.positions if stream.kind == "sequence" else int(cells.prod())
            assert latents[stream.name].shape == (2, count, stream.channels)
            assert latents[stream.name].dtype == torch.float32
            assert stream.kind == "sequence" or torch.equal(cells, cells.floor())


def test_lengths_are_those_of_the_streams_that_may_be_cut(model: Tokenizer) -> None:
    clip, _ = example(model)
    lengths = model.lengths(clip)
    assert set(lengths) == {stream.name for stream in model.streams if stream.cut}
    for stream in model.streams:
        if stream.cut:
            assert lengths[stream.name].shape == (2, stream.items) and lengths[stream.name].dtype == torch.int64
            assert int(lengths[stream.name].min()) >= 0 and int(lengths[stream.name].max()) <= stream.positions


def test_finer_steps_have_larger_gains_or_the_same(model: Tokenizer) -> None:
    fine, coarse = model.gains(0.2), model.gains(0.8)
    assert all(fine[name] >= coarse[name] > 0 for name in fine)


@both
def test_a_clip_comes_back_in_its_size_and_range(model: Tokenizer, decoder: str) -> None:
    clip, context = example(model)
    out = model.decode(rounded(model, clip, context), full(model, 2), context, DecodeOptions(decoder=decoder))
    assert out.shape == clip.shape and out.dtype == torch.float32
    assert out.isfinite().all() and out.abs().max() <= 1 and out.std() > 0


@both
def test_the_same_latents_give_the_same_clip(model: Tokenizer, decoder: str) -> None:
    clip, context = example(model)
    latents, options = rounded(model, clip, context), DecodeOptions(decoder=decoder)
    first = model.decode(latents, full(model, 2), context, options)
    assert torch.equal(model.decode(latents, full(model, 2), context, options), first)
    for item in range(2):
        own = {name: latent[item : item + 1] for name, latent in latents.items()}
        alone = model.decode(own, full(model, 1), one(context, item), options)
        torch.testing.assert_close(alone, first[item : item + 1], atol=1e-4, rtol=0)


@both
def test_every_stream_reaches_the_picture(model: Tokenizer, decoder: str) -> None:
    clip, context = example(model)
    latents, options = rounded(model, clip, context), DecodeOptions(decoder=decoder)
    out = model.decode(latents, full(model, 2), context, options)
    for name in coded(model):
        other = {**latents, name: latents[name].flip(1) + 1}
        assert (model.decode(other, full(model, 2), context, options) - out).abs().max() > 1e-4, name


@both
def test_what_was_cut_does_not_matter(model: Tokenizer, decoder: str) -> None:
    clip, context = example(model)
    latents, options = rounded(model, clip, context), DecodeOptions(decoder=decoder)
    for stream in model.streams:
        if stream.cut:
            kept = torch.full((2, stream.items), stream.positions // 2)
            spoiled = latents[stream.name].unflatten(1, (stream.items, stream.positions)).clone()
            spoiled[:, :, stream.positions // 2 :] = 9.0
            other = {**latents, stream.name: spoiled.flatten(1, 2)}
            lengths = {**full(model, 2), stream.name: kept}
            first, second = (model.decode(parts, lengths, context, options) for parts in (latents, other))
            assert torch.equal(first, second), stream.name


def test_only_the_diffusion_decoder_draws(model: Tokenizer) -> None:
    clip, context = example(model)
    latents, noise = rounded(model, clip, context), torch.randn(clip.shape, generator=torch.Generator().manual_seed(1))

    def painted(decoder: str, drawn: torch.Tensor) -> torch.Tensor:
        return model.decode(latents, full(model, 2), context, DecodeOptions(3, drawn, decoder))

    assert torch.equal(painted("diffusion", noise), painted("diffusion", noise))
    assert not torch.allclose(painted("diffusion", noise), painted("diffusion", -noise), atol=1e-5)
    assert torch.equal(painted("coordinate", noise), painted("coordinate", -noise))


def test_the_coordinate_decoder_answers_queries(model: Tokenizer) -> None:
    clip, context = example(model)
    latents, lengths = rounded(model, clip, context), full(model, 2)
    height, width = clip.shape[3:]

    def asked(query: Query | None) -> torch.Tensor:
        return model.decode(latents, lengths, context, DecodeOptions(decoder="coordinate", query=query))

    whole = asked(None)
    times = tuple(map(float, range(model.clip_frames)))
    torch.testing.assert_close(asked(Query(times, 0, 0, height, width)), whole, atol=1e-5, rtol=0)
    part = asked(Query((1.0, 6.0), 3, 5, 17, 9))
    assert part.shape == (2, 3, 2, 17, 9)
    assert (part - whole[:, :, [1, 6], 3:20, 5:14]).abs().mean() < 0.05 * whole.std()
    large = asked(Query((0.0, 0.5), 0, 0, height, width, 2))
    assert large.shape == (2, 3, 2, 2 * height, 2 * width) and large.isfinite().all()


def test_a_bundle_holds_all_of_it(model: Tokenizer, tmp_path: Path) -> None:
    save_bundle(tmp_path / "model.safetensors", model, {}, {})
    back = load_bundle(tmp_path / "model.safetensors", dtype=torch.float32).tokenizer
    assert back.config == model.config and back.decoders == model.decoders and back.streams == model.streams
    clip, context = example(model, 1)
    latents = rounded(model, clip, context)
    for decoder in DECODERS:
        options = DecodeOptions(decoder=decoder)
        mine, theirs = (m.decode(latents, full(m, 1), context, options) for m in (model, back))
        assert (mine - theirs).abs().mean() < 0.02
