"""The loop: exact resumption, signals, schedules, stages, and what a run leaves behind."""

import dataclasses
import json
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Generator, Tensor, nn
from toy_training import RECIPE, ToyModel, ToyObjective

from vtc.errors import TrainingError, UsageError
from vtc.media import open_source
from vtc.training import shards
from vtc.training.cache import Cache
from vtc.training.log import draw_curves, read_log
from vtc.training.loop import Options, Outcome, run
from vtc.training.recipe import Recipe, Stage, find_recipe
from vtc.training.report import Reporter
from vtc.training.schedule import Schedule, stage_at
from vtc.training.watch import Rhythm

CHECKPOINT, EMA = "checkpoint.safetensors", "ema.safetensors"
OPTIONS = Options(steps=8, device="cpu", rhythm=Rhythm(log_every=1))


def train(cache: Cache, out: Path, objective: ToyObjective | None = None, **changes: Any) -> Outcome:
    recipe = changes.pop("recipe", RECIPE)
    return run(recipe, objective or ToyObjective(), ToyModel(), cache, out, dataclasses.replace(OPTIONS, **changes))


def tensors(out: Path) -> dict[str, Tensor]:
    return load_file(out / CHECKPOINT)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("step", [2, 5])
def test_a_run_that_was_stopped_and_resumed_ends_with_the_same_bits(
    cache: Cache, tmp_path: Path, step: int, number: int
) -> None:
    assert train(cache, tmp_path / "whole").finished
    before = signal.getsignal(number)
    stopped = train(cache, tmp_path / "parts", ToyObjective(step, number))
    assert signal.getsignal(number) is before
    assert not stopped.finished
    assert stopped.step == step + 1
    torch.rand(5)  # the state of the global generator is of no matter
    resumed = train(cache, tmp_path / "parts", resume=True, steps=None)
    assert resumed.finished
    assert resumed.elapsed > stopped.elapsed
    whole, parts = tensors(tmp_path / "whole"), tensors(tmp_path / "parts")
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert torch.equal(
        load_file(tmp_path / "whole" / EMA)["outer.weight"], load_file(tmp_path / "parts" / EMA)["outer.weight"]
    )


def test_training_reduces_the_loss_and_leaves_its_papers(cache: Cache, tmp_path: Path) -> None:
    outcome = train(cache, tmp_path, steps=60)
    lines = read_log(tmp_path / "log.jsonl")
    judged = [line["held_mse"] for line in lines if "held_mse" in line]
    assert len(judged) == 2  # before and after
    assert judged[1] == pytest.approx(outcome.figures["held_mse"], abs=1e-6)
    assert judged[1] < 0.7 * judged[0]
    steps = [line for line in lines if "loss" in line]
    assert [line["step"] for line in steps] == list(range(1, 61))
    assert {"stage", "loss", "mse", "norm", "lr", "clips/s", "gflop/s", "peak", "wait", "elapsed"} <= steps[0].keys()
    assert {line["stage"] for line in steps} == {"one", "two"}
    assert 0 <= steps[-1]["wait"] <= 1
    assert all(line["gflop/s"] > 0 and 0 < line["peak"] < 1 for line in steps)
    assert {path.name for path in tmp_path.iterdir()} >= {"log.jsonl", CHECKPOINT, EMA}
    assert not outcome.model.training
    assert all(torch.equal(t, load_file(tmp_path / EMA)[name]) for name, t in outcome.model.state_dict().items())


def test_curves_are_drawn_where_matplotlib_is(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("vtc.training.log.draw_curves", draw_curves)
    train(cache, tmp_path, steps=2)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_checkpoint_tells_where_the_run_stands(cache: Cache, tmp_path: Path) -> None:
    train(cache, tmp_path, steps=3)
    size = int.from_bytes((tmp_path / CHECKPOINT).read_bytes()[:8], "little")
    header = json.loads((tmp_path / CHECKPOINT).read_bytes()[8 : 8 + size])
    state = json.loads(header["__metadata__"]["state"])
    assert (state["step"], state["steps"], state["seed"], state["manifest"]) == (3, 3, 0, cache.manifest)
    assert state["recipe"]["stages"][1]["frozen"] == ["inner"]
    assert not list(tmp_path.glob(".*"))


def test_a_killed_run_drops_log_lines_after_its_checkpoint(cache: Cache, tmp_path: Path) -> None:
    train(cache, tmp_path, ToyObjective(3))
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 5, "loss": 1.0}\n{"step": 6, "lo')
    train(cache, tmp_path, resume=True)
    steps = [line["step"] for line in read_log(tmp_path / "log.jsonl") if "loss" in line]
    assert steps == list(range(1, 9))


def test_runs_are_not_mixed_up(cache: Cache, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no checkpoint"):
        train(cache, tmp_path, resume=True)
    train(cache, tmp_path, steps=1)
    with pytest.raises(TrainingError, match="already"):
        train(cache, tmp_path)
    with pytest.raises(TrainingError, match="another seed"):
        train(cache, tmp_path, resume=True, seed=1)
    with pytest.raises(TrainingError, match="another recipe"):
        train(cache, tmp_path, resume=True, recipe=dataclasses.replace(RECIPE, lr=0.5))
    with pytest.raises(TrainingError, match="another manifest"):
        train(dataclasses.replace(cache, manifest="0"), tmp_path, resume=True)
    (tmp_path / CHECKPOINT).write_bytes(b"damaged")
    with pytest.raises(TrainingError, match="cannot be read"):
        train(cache, tmp_path, resume=True)


def test_a_longer_run_may_be_asked_for_on_resuming(cache: Cache, tmp_path: Path) -> None:
    train(cache, tmp_path, steps=2)
    assert train(cache, tmp_path, steps=4, resume=True).step == 4


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_the_checkpoint(cache: Cache, tmp_path: Path) -> None:
    class Breaks(ToyObjective):
        def loss(
            self, model: nn.Module, batch: dict[str, Tensor], stage: Stage, generator: Generator, step: int
        ) -> tuple[Tensor, dict[str, Tensor]]:
            loss, parts = super().loss(model, batch, stage, generator, step)
            return loss * (float("nan") if step == 3 else 1.0), parts

    with pytest.raises(TrainingError, match="finite"):
        train(cache, tmp_path, Breaks(), rhythm=Rhythm(checkpoint_minutes=0.0, log_every=100))
    assert all(tensor.isfinite().all() for tensor in tensors(tmp_path).values())


def test_frozen_parameters_rest_in_their_stage(cache: Cache, tmp_path: Path) -> None:
    train(cache, tmp_path, ToyObjective(3))  # the last step of stage one
    middle = tensors(tmp_path)
    train(cache, tmp_path, resume=True)
    end = tensors(tmp_path)
    assert torch.equal(middle["model/inner.weight"], end["model/inner.weight"])
    assert not torch.equal(middle["model/outer.weight"], end["model/outer.weight"])
    wrong = dataclasses.replace(RECIPE, stages=(Stage("x", 1.0, frozen=("inn",)),))
    with pytest.raises(TrainingError, match="freezes inn"):
        train(cache, tmp_path / "other", recipe=wrong)


def test_minutes_end_by_the_clock_and_go_on_from_where_they_were(cache: Cache, tmp_path: Path) -> None:
    class Hears(Reporter):
        lines: list[tuple[float, dict[str, Any]]] = []  # noqa: RUF012

        def progress(self, position: float, line: dict[str, Any]) -> None:
            self.lines.append((position, line))

    first = train(cache, tmp_path, ToyObjective(10), steps=None, minutes=0.06)
    assert not first.finished
    hears = Hears()
    options = dataclasses.replace(OPTIONS, steps=None, resume=True)
    second = run(RECIPE, ToyObjective(), ToyModel(), cache, tmp_path, options, hears)
    assert second.finished
    assert 3.6 <= second.elapsed < 8
    rates = [line["lr"] for _, line in hears.lines if "lr" in line]
    assert rates[-1] < 0.1 * rates[0]
    summit = rates.index(max(rates))  # on a slow machine the first run ends within the warm-up
    assert rates[:summit] == sorted(rates[:summit])
    assert rates[summit:] == sorted(rates[summit:], reverse=True)
    assert hears.lines[0][0] >= first.elapsed / 3.6 - 0.01


def test_the_schedule_is_a_ramp_and_a_cosine_by_steps_and_by_minutes() -> None:
    steps, minutes = Schedule(100, None, 0.1), Schedule(None, 10.0, 0.1)
    assert steps.position(50, 1e9) == minutes.position(10**9, 300) == 0.5
    assert steps.position(200, 0) == minutes.position(0, 700) == 1
    for schedule in (steps, minutes):
        assert 0 < schedule.lr_scale(0.0) <= 0.1
        assert schedule.lr_scale(0.1) == 1
        assert schedule.lr_scale(0.55) == pytest.approx(0.5)
        assert schedule.lr_scale(1.0) == pytest.approx(0)
    assert Schedule(10, None, 0.0).lr_scale(0.0) == 1
    for count, minute in ((None, None), (1, 1.0), (0, None), (None, 0.0), (-1, None)):
        with pytest.raises(UsageError):
            Schedule(count, minute, 0.1)


def test_stages_follow_the_position() -> None:
    stages = (Stage("a", 0.25), Stage("b", 0.5), Stage("c", 0.25))
    assert [stage_at(stages, p).name for p in (0, 0.24, 0.25, 0.74, 0.75, 1.0)] == ["a", "a", "b", "b", "c", "c"]


def test_recipes_keep_their_rules() -> None:
    for change in ({"crop": 24}, {"sides": (16,)}, {"stages": (Stage("a", 0.5),)}, {"stages": ()}, {"ema": 1.0}):
        with pytest.raises(TrainingError, match="breaks a rule"):
            dataclasses.replace(RECIPE, **change)
    assert isinstance(RECIPE, Recipe)
    with pytest.raises(UsageError, match="no recipe nothing"):
        find_recipe("nothing", "tiny")


def test_runs_outside_the_main_thread_work_without_signals(cache: Cache, tmp_path: Path) -> None:
    results: list[Outcome] = []
    thread = threading.Thread(target=lambda: results.append(train(cache, tmp_path, steps=1)))
    thread.start()
    thread.join()
    assert results[0].finished


def test_shards_are_small_and_resume_to_the_same_bits(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "LIMIT", shards._HEADER + 100)  # bytes: the toy is small
    assert train(cache, tmp_path / "whole").finished
    out = tmp_path / "parts"
    assert not train(cache, out, ToyObjective(2), shard=True).finished
    first = set(out.glob("checkpoint-*-of-*.safetensors"))
    assert len(first) > 5
    assert all(sum(t.nbytes for t in load_file(path).values()) <= 100 for path in first)
    assert not (out / CHECKPOINT).exists()
    assert not train(cache, out, ToyObjective(5), shard=True, resume=True).finished
    assert first.isdisjoint(out.glob("checkpoint-*-of-*.safetensors"))
    assert train(cache, out, resume=True).finished  # whole again
    whole, parts = tensors(tmp_path / "whole"), tensors(out)
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert not list(out.glob("checkpoint-*"))
    assert not shards.index_of(out, "checkpoint").exists()


def test_shards_keep_every_tensor_within_sixteen_mebibytes(tmp_path: Path) -> None:
    large = {"large": torch.arange(5 * 2**20, dtype=torch.float32).view(5, -1), "scalar": torch.tensor(3), "none": torch.zeros(0, 4)}
    shards.write(tmp_path, "x", large, {"step": 1})
    assert max(path.stat().st_size for path in tmp_path.iterdir()) <= 16 * 2**20
    back, state = shards.read(tmp_path, "x")
    assert state == {"step": 1}
    assert back.keys() == large.keys()
    assert all(torch.equal(back[name], large[name]) and back[name].dtype == large[name].dtype for name in large)


def test_accumulated_batches_are_one_larger_batch(cache: Cache, tmp_path: Path) -> None:
    class Silent(ToyObjective):
        """Without chance."""

        def loss(
            self, model: nn.Module, batch: dict[str, Tensor], stage: Stage, generator: Generator, step: int
        ) -> tuple[Tensor, dict[str, Tensor]]:
            x = batch["clip"].float().movedim(1, -1) / 255
            with torch.autocast("cpu", enabled=False):
                error = (model.eval()(x) - x).square().mean()
            return error, {"mse": error}

    train(cache, tmp_path / "two", Silent(), accumulate=2)
    train(cache, tmp_path / "one", Silent(), recipe=dataclasses.replace(RECIPE, batch=6))
    two, one = tensors(tmp_path / "two"), tensors(tmp_path / "one")
    assert all(torch.allclose(two[name], one[name], rtol=1e-4, atol=1e-6) for name in one)
    losses = [[line["loss"] for line in read_log(tmp_path / run / "log.jsonl") if "loss" in line] for run in ("two", "one")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_checkpoints_from_before_a_field_of_recipes_resume(cache: Cache, tmp_path: Path) -> None:
    train(cache, tmp_path, steps=2)
    path = tmp_path / CHECKPOINT
    with safe_open(path, framework="pt") as file:
        state = json.loads(file.metadata()["state"])
    del state["batches"], state["recipe"]["speeds"], state["recipe"]["crops"]
    save_file(tensors(tmp_path), path, {"state": json.dumps(state)})
    assert train(cache, tmp_path, steps=4, resume=True).step == 4


def test_each_evaluation_leaves_a_picture(cache: Cache, tmp_path: Path) -> None:
    class Shows(ToyObjective):
        def pictures(self, model: nn.Module, clips: Sequence[dict[str, Tensor]]) -> list[list[Tensor]]:
            return [[clip["clip"][0, :, 0] / 127.5 - 1] * 3 for clip in clips]

    train(cache, tmp_path, Shows(), steps=3)
    found = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert found == ["0000000.png", "0000003.png"]
    with open_source(tmp_path / "pictures" / found[0]) as source:
        picture = next(iter(source.frames())).rgb
    assert picture.shape == (32, 3 * 32 + 2 * 4, 3)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_run_on_a_gpu_goes_on_from_its_checkpoint(cache: Cache, tmp_path: Path) -> None:
    assert not train(cache, tmp_path, ToyObjective(3), device="cuda").finished
    assert train(cache, tmp_path, resume=True, device="cuda").step == 8
    lines = [line for line in read_log(tmp_path / "log.jsonl") if "loss" in line]
    assert all(0 < line["peak"] < 1 for line in lines)
