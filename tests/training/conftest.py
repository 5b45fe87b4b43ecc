"""Videos and their cache, made once."""

from pathlib import Path

import pytest
import torch
from toy_training import RECIPE, ToyObjective, make_folder

from vtc.training.cache import Cache, build_cache
from vtc.training.data import index_folders


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def cache(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Cache:
    objective = ToyObjective()
    place = tmp_path_factory.mktemp("cache")
    return build_cache(index_folders([folder]), RECIPE, place, objective.prepare, objective.prepare_key, workers=1)


@pytest.fixture(autouse=True)
def no_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than a toy's training."""
    monkeypatch.setattr("vtc.training.log.draw_curves", lambda lines, path: None)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
