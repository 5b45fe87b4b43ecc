"""Two processes under torchrun train as one does on twice as many clips."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.distributed import is_available
from toy_training import RECIPE, ToyModel, ToyObjective
from two_processes import STOP

from vtc.errors import TrainingError
from vtc.training.cache import Cache
from vtc.training.log import read_log
from vtc.training.loop import Options, run
from vtc.training.parallel import ALONE, World
from vtc.training.watch import Rhythm

ONE = Options(steps=8, device="cpu", rhythm=Rhythm(log_every=2))


@pytest.mark.skipif(not is_available(), reason="this torch has no distributed training")
def test_two_processes_are_one_with_twice_the_batch_even_when_stopped_and_resumed_alone(
    folder: Path, cache: Cache, tmp_path: Path
) -> None:
    out = tmp_path / "two"
    here = Path(__file__).parent
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    place = cache.train[0].folder.parent
    done = subprocess.run(
        [*launch, str(here / "two_processes.py"), str(folder), str(place), str(out)],
        capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[:3000]
    run(RECIPE, ToyObjective(), ToyModel(), cache, tmp_path / "one", Options(**{**vars(ONE), "accumulate": 2}))
    logs = {name: [line for line in read_log(tmp_path / name / "log.jsonl") if "loss" in line] for name in ("one", "two")}
    assert [line["step"] for line in logs["two"]] == list(range(2, STOP + 2, 2))
    for two, one in zip(logs["two"], logs["one"]):
        assert two["loss"] == pytest.approx(one["loss"], rel=1e-6)
        assert two["norm"] == pytest.approx(one["norm"], rel=1e-6)
    with pytest.raises(TrainingError, match="3 processes cannot share"):
        resume = Options(device="cpu", resume=True)
        run(RECIPE, ToyObjective(), ToyModel(), cache, out, resume, world=World(0, 3))
    assert run(RECIPE, ToyObjective(), ToyModel(), cache, out, resume).finished
    two, one = (load_file(tmp_path / name / "checkpoint.safetensors") for name in ("two", "one"))
    assert two.keys() == one.keys()
    weights = [name for name in one if not name.endswith("seen")]  # which counts batches of a process
    assert all(torch.equal(two[name], one[name]) for name in weights)


def test_alone_nothing_is_asked_of_others() -> None:
    assert ALONE.agree(0.3, True) == (0.3, True)
    assert ALONE.mean({"loss": 1.5}) == {"loss": 1.5}
    with ALONE.first_goes_ahead():
        assert ALONE.first
