"""What each recipe trains: the one place where a recipe's tokenizer becomes a model with a loss."""

from pathlib import Path

from torch import nn

from vtc.training.data import Index
from vtc.training.objective import Objective
from vtc.training.recipe import Recipe


def create(recipe: Recipe, index: Index, folder: Path, init: Path | None) -> tuple[Objective, nn.Module]:
    """The objective and the model of a recipe, started from the videos of `index` or from the bundle `init`.

    What has to be fitted before training (the KLT, the base layer's tables) is kept in the run's `folder` for resuming.
    """
    if recipe.tokenizer == "coordtok":
        from vtc.training.objectives.coordtok import create_coordtok

        return create_coordtok(recipe, index, folder, init)
    from vtc.training.objectives.start import create_onedva

    return create_onedva(recipe, index, folder, init)
