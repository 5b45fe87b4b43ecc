"""How much arithmetic a step takes, how much the device can do, and compiling the network for it."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.benchmark import Timer
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

_PEAK_SECONDS = 0.1
_PEAK_SIDE = {"cpu": 1024, "cuda": 8192}

_Shape = tuple[int, ...]


def measure_peak(device: torch.device) -> float:
    """FLOP/s of the product of two large square bfloat16 matrices, the best of a tenth of a second."""
    side = _PEAK_SIDE.get(device.type, 1024)
    generator = torch.Generator().manual_seed(0)  # numbers as in training: some devices are faster on zeros
    a, b = (torch.randn(side, side, generator=generator).to(device, torch.bfloat16) for _ in range(2))
    timer = Timer("a @ b", globals={"a": a, "b": b}, num_threads=torch.get_num_threads())
    return 2 * side**3 / min(timer.blocked_autorange(min_run_time=_PEAK_SECONDS).times)


def count_flops(work: Callable[[], object]) -> int:
    """Floating-point operations (two a multiply-add) of matrix products, convolutions and attention in `work`.

    What is compiled cannot be counted.
    """
    counter = FlopCounterMode(display=False, custom_mapping=_CPU_ATTENTION)
    with counter:
        work()
    return counter.get_total_flops()


def compile_blocks(model: nn.Module) -> None:
    """Compile, in place, the blocks that repeat: all members of module lists. The first step takes a minute more."""
    for module in model.modules():
        if isinstance(module, nn.ModuleList):
            for block in module:
                block.compile()


def _attention(query: _Shape, key: _Shape, value: _Shape, *_: Any, **__: Any) -> int:
    return sdpa_flop_count(query, key, value)


def _attention_backward(gradient: _Shape, query: _Shape, key: _Shape, value: _Shape, *_: Any, **__: Any) -> int:
    return sdpa_backward_flop_count(gradient, query, key, value)


_CPU_ATTENTION = {  # torch's own table has those of GPUs only
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}
