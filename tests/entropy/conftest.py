import pytest

from vtc.entropy import StaticModel, fit_grid, fit_sequence

from . import samples


@pytest.fixture(scope="session")
def grid_model() -> StaticModel:
    return fit_grid(samples.GRID, [samples.grid(seed) for seed in range(12)])


@pytest.fixture(scope="session")
def flat_model() -> StaticModel:
    return fit_grid(samples.FLAT, [samples.grid(seed, samples.FLAT) for seed in range(3)])


@pytest.fixture(scope="session")
def sequence_model() -> StaticModel:
    return fit_sequence(samples.SEQUENCE, 10, [samples.sequence(seed) for seed in range(30)])
