"""What a bundle says of how it was made."""

import json
from pathlib import Path
from typing import Any

from vtc.training.data import Index
from vtc.training.recipe import Recipe


def card(recipe: Recipe, index: Index, folder: Path) -> dict[str, Any]:
    """Provenance: recipe, data, and the run's first and last judgement."""
    told: dict[str, Any] = {"recipe": json.loads(recipe.to_json()), "manifest": index.manifest, "sources": index.sources}
    log = folder / "log.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    judged = [line for line in lines if "psnr" in line]
    return told | ({"start": judged[0], "end": judged[-1]} if judged else {})
