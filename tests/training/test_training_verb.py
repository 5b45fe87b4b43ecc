"""`vtc train`, with a toy in the place of the objectives."""

import json
from pathlib import Path

import pytest
import typer
from toy_training import RECIPE, ToyModel, ToyObjective
from typer.testing import CliRunner

from vtc.cli.train import train
from vtc.errors import TrainingError, UsageError
from vtc.training.recipe import recipes


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


@pytest.mark.parametrize("length", [[], ["--steps", "3", "--minutes", "1"]])
def test_the_length_of_a_run_is_asked_for(verb: typer.Typer, folder: Path, length: list[str]) -> None:
    with pytest.raises(UsageError, match=r"long|length"):
        CliRunner().invoke(verb, ["toy", "--data", str(folder), *length], catch_exceptions=False)
