"""A base layer of 64 coefficients, fitted to a moving picture and to noise, without overlap and with; its KLT is worked out once for all
tests."""

import pytest
import torch
from torch import Tensor

from vtc.tokenizers.base import BaseConfig, BaseLayer, fit_klt
from vtc.tokenizers.layers.patch import patchify, to_float

from .pictures import scene


@pytest.fixture(scope="session")
def klt() -> tuple[Tensor, Tensor]:
    noise = torch.rand(3, 64, 64, 96, generator=torch.Generator().manual_seed(2)).mul(255).to(torch.uint8)
    return fit_klt(patchify(to_float(torch.cat((scene(64), noise), 1))[None]).reshape(-1, 3072), 64)


@pytest.fixture(scope="session", params=[False, True], ids=["plain", "overlap"])
def layer(request: pytest.FixtureRequest, klt: tuple[Tensor, Tensor]) -> BaseLayer:
    base = BaseLayer(BaseConfig(coefficients=64, overlap=request.param), classes=8, tables=4)
    for buffer, fitted in zip((base.basis, base.mean), klt, strict=True):
        buffer.copy_(fitted)
    return base
