"""`vtc train`, with a toy in the place of the objectives."""

import json
from pathlib import Path

import pytest
import typer
from toy_training import RECIPE, ToyModel, ToyObjective
from typer.testing import CliRunner

from vtc.cli.train import described, train
from vtc.errors import TrainingError, UsageError
from vtc.training.checkpoint import read_tensors
from vtc.training.recipe import recipes
from vtc.training.shards import index_of


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    monkeypatch.setattr("vtc.training.train.create", lambda recipe, index, folder, init: (ToyObjective(), ToyModel()))
    monkeypatch.setitem(recipes, ("toy", "tiny"), RECIPE)
    app = typer.Typer()
    app.command()(train)
    return app


def test_from_a_folder_to_a_bundle(verb: typer.Typer, folder: Path, tmp_path: Path) -> None:
    arguments = ["toy", "--data", str(folder), "--steps", "3", "--out", str(tmp_path), "--json", "--workers", "1"]
    done = CliRunner().invoke(verb, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert told["steps"] == 3
    assert (told["videos"], told["skipped"]) == (4, 2)
    assert {"bundle", "seconds", "training_seconds", "manifest", "held_mse"} <= told.keys()
    assert (tmp_path / "toy-tiny.safetensors").read_text() == "bundle"
    assert "left out" in done.stderr
    facts = json.loads((tmp_path / "data.json").read_text())
    assert facts["manifest"] == told["manifest"]
    assert set(facts["skipped"]) == {"a/broken.mp4", "a/short.mp4"}
    assert (len(facts["train"]), len(facts["held"])) == (4, 1)
    again = CliRunner().invoke(verb, [*arguments, "--resume"], catch_exceptions=False)
    assert json.loads(again.stdout)["steps"] == 3
    with pytest.raises(TrainingError, match="already"):
        CliRunner().invoke(verb, arguments, catch_exceptions=False)


def test_evaluation_clips_are_refused_and_batches_and_shards_are_passed_on(
    verb: typer.Typer, folder: Path, tmp_path: Path
) -> None:
    arguments = ["toy", "--data", str(folder), "--steps", "2", "--out", str(tmp_path / "run"), "--workers", "1", "-q"]
    judge = tmp_path / "judge"
    judge.mkdir()
    (judge / "other.mp4").write_bytes((folder / "a" / "1.mp4").read_bytes())
    with pytest.raises(TrainingError, match=r"1 training videos are evaluation clips: .*1\.mp4"):
        CliRunner().invoke(verb, [*arguments, "--eval", str(judge)], catch_exceptions=False)
    assert not (tmp_path / "run").exists()
    CliRunner().invoke(verb, [*arguments, "--accumulate", "2", "--batch", "3", "--shard"], catch_exceptions=False)
    _, state = read_tensors(tmp_path / "run", "checkpoint")
    assert (state["batches"], state["recipe"]["batch"]) == (2, 3)
    assert index_of(tmp_path / "run", "checkpoint").exists()


def test_the_progress_line_tells_losses_and_speed() -> None:
    line = {"step": 10, "stage": "all", "loss": 0.5, "lr": 1e-3, "clips/s": 3.14159, "gflop/s": 251.7, "peak": 0.655, "wait": 0.003}
    assert described(line | {"elapsed": 9.0}) == "step 10 all  loss 0.5  3.14 clips/s, 252 GFLOP/s (66% of peak), wait 0.3%"
    assert described({"step": 10, "psnr": 30.1234, "elapsed": 9.0}) == "step 10  psnr 30.12"


@pytest.mark.parametrize("length", [[], ["--steps", "3", "--minutes", "1"]])
def test_the_length_of_a_run_is_asked_for(verb: typer.Typer, folder: Path, length: list[str]) -> None:
    with pytest.raises(UsageError, match=r"long|length"):
        CliRunner().invoke(verb, ["toy", "--data", str(folder), *length], catch_exceptions=False)
