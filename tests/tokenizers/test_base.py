"""The base layer: what it codes it decodes, exactly; prediction pays; a smaller step is better."""

import numpy as np
import torch
from torch import Tensor

from vtc.codec.quality import stored
from vtc.tokenizers.base import SIDES, TOLD, BaseLayer
from vtc.tokenizers.layers.patch import patchify, to_float, to_uint8, unpatchify
from vtc.tokenizers.motion import ALONE, CONTEXT
from vtc.tokenizers.steps import FINEST, steps_of

from .pictures import psnr, scene


def mixed(clip: Tensor) -> Tensor:
    """Every fineness that there is, for the tokens of a clip."""
    shape = clip.shape[1] // 4, clip.shape[2] // 16, clip.shape[3] // 16
    return torch.arange(shape[0] * shape[1] * shape[2]).view(shape) % (FINEST + 1)


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
        segment = layer.encode(part, last_encoded, 0.4, finer=mixed(part))
        decoded = layer.decode(segment.motion, segment.finer, segment.partition, segment.structural, last_decoded, 0.4)
        assert torch.equal(decoded, segment.frames)
        last_encoded, last_decoded = segment.frames[:, -1], decoded[:, -1]


def test_threads_do_not_change_symbols_or_frames(layer: BaseLayer) -> None:
    before = torch.get_num_threads()
    results = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        results.append(layer.encode(scene(16), None, 0.4))
    torch.set_num_threads(before)
    for name in ("motion", "partition", "structural", "frames"):
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
    sides = BaseLayer.sides(torch.tensor([0.05, 0.5, 0.7, 1.2, 5.0]))
    assert sides.tolist() == [0, 0, 2, 4, 6] and int(sides.max()) + ALONE < SIDES


def test_finer_tokens_are_nearer_to_the_source(layer: BaseLayer) -> None:
    video = scene(16)
    finer = torch.zeros(4, 4, 6, dtype=torch.int16)
    finer[:, :, 3:] = FINEST
    same, better = layer.encode(video, None, 1.6), layer.encode(video, None, 1.6, finer=finer)
    left, right = (slice(0, 40), slice(56, 96))
    assert psnr(better.frames[..., right], video[..., right]) > psnr(same.frames[..., right], video[..., right]) + 0.8
    assert abs(psnr(better.frames[..., left], video[..., left]) - psnr(same.frames[..., left], video[..., left])) < 1.5
    assert torch.equal(better.finer[..., 0], finer)


def test_steps_are_the_same_with_and_without_torch() -> None:
    finer = np.arange(FINEST + 1).reshape(1, -1)
    for step in (0.11, 0.63, 5.5):
        step = stored(step)
        assert np.array_equal(BaseLayer.steps(torch.from_numpy(finer), step).numpy(), steps_of(finer, step))


def test_side_tells_of_every_token(layer: BaseLayer) -> None:
    segment = layer.encode(scene(16), None, 0.4)
    coarser = torch.rand(segment.motion.shape[:3])
    side = layer.side(segment.motion, segment.structural, coarser)
    assert side.shape == (TOLD, *segment.motion.shape[:3]) and torch.equal(side[3], coarser)
    assert torch.equal(side[0], segment.motion[..., 0].float())
