"""The base layer: what it codes it decodes, exactly; prediction pays; a smaller step is better."""

import torch

from vtc.tokenizers.base import ALONE, CONTEXT, SIDES, BaseLayer
from vtc.tokenizers.layers.patch import patchify, to_float, to_uint8, unpatchify

from .pictures import psnr, scene


def test_patchify_has_an_inverse() -> None:
    clip = torch.randn(2, 3, 8, 32, 48)
    assert torch.equal(unpatchify(patchify(clip)), clip)


def test_every_byte_survives_the_float_form() -> None:
    every = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(to_float(every)), every)


def test_klt_is_orthonormal(layer: BaseLayer) -> None:
    assert torch.allclose(layer.basis.T @ layer.basis, torch.eye(64), atol=1e-4)


def test_decoding_gives_the_encoders_frames(layer: BaseLayer) -> None:
    video, last_encoded, last_decoded = scene(32), None, None
    for part in video.split(16, 1):
        segment = layer.encode(part, last_encoded, 0.4)
        decoded = layer.decode(segment.motion, segment.structural, last_decoded, 0.4)
        assert torch.equal(decoded, segment.frames)
        last_encoded, last_decoded = segment.frames[:, -1], decoded[:, -1]


def test_threads_do_not_change_symbols_or_frames(layer: BaseLayer) -> None:
    before = torch.get_num_threads()
    results = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        results.append(layer.encode(scene(16), None, 0.4))
    torch.set_num_threads(before)
    for name in ("motion", "structural", "frames"):
        assert torch.equal(getattr(results[0], name), getattr(results[1], name)), name


def test_the_first_slice_stands_alone_and_later_ones_lean(layer: BaseLayer) -> None:
    segment = layer.encode(scene(16), None, 0.4)
    assert (segment.motion[0, ..., 0] == ALONE).all()
    assert (segment.motion[1:, ..., 0] == CONTEXT).float().mean() > 0.5


def test_still_content_costs_nothing_after_it_was_sent(layer: BaseLayer) -> None:
    still = scene(1).expand(-1, 16, -1, -1).contiguous()
    first = layer.encode(still, None, 0.4)
    second = layer.encode(still, first.frames[:, -1], 0.4)
    assert (second.motion == 0).float().mean() > 0.9
    assert second.structural.abs().sum() < 0.05 * first.structural.abs().sum()


def test_a_smaller_step_is_better(layer: BaseLayer) -> None:
    video = scene(16)
    quality = [psnr(layer.encode(video, None, step).frames, video) for step in (1.6, 0.8, 0.4)]
    assert quality == sorted(quality)


def test_prices_change_choices(layer: BaseLayer) -> None:
    dear = BaseLayer(layer.config, classes=8, tables=4)
    dear.load_state_dict(layer.state_dict())
    dear.set_costs(layer.symbol_bits * 8, layer.symbol_rows, layer.class_floor, layer.class_bits)
    video = scene(16, speed=5)
    assert dear.encode(video, None, 0.4).structural.abs().sum() < layer.encode(video, None, 0.4).structural.abs().sum()


def test_sides_stay_within_the_entropy_model() -> None:
    sides = [BaseLayer.sides(step) for step in (0.05, 0.5, 0.7, 1.2, 5.0)]
    assert {side for pair in sides for side in pair} <= set(range(SIDES))
    assert all(alone == context + 1 for context, alone in sides)


def test_side_tells_of_every_token(layer: BaseLayer) -> None:
    segment = layer.encode(scene(16), None, 0.4)
    side = layer.side(segment.motion, segment.structural)
    assert side.shape == (3, *segment.motion.shape[:3])
    assert torch.equal(side[0], segment.motion[..., 0].float())
