"""A base layer of 64 coefficients, fitted to a moving picture and to noise; its KLT is worked out once for all tests."""

import pytest
import torch

from vtc.tokenizers.base import BaseConfig, BaseLayer, fit_klt
from vtc.tokenizers.layers.patch import patchify, to_float

from .pictures import scene


@pytest.fixture(scope="session")
def layer() -> BaseLayer:
    base = BaseLayer(BaseConfig(coefficients=64), classes=8, tables=4)
    noise = torch.rand(3, 64, 64, 96, generator=torch.Generator().manual_seed(2)).mul(255).to(torch.uint8)
    patches = patchify(to_float(torch.cat((scene(64), noise), 1))[None]).reshape(-1, 3072)
    basis, mean = fit_klt(patches, 64)
    base.basis.copy_(basis)
    base.mean.copy_(mean)
    return base
