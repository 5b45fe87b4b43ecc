"""What each recipe trains: the one place where a recipe's tokenizer becomes a model with a loss."""

from collections.abc import Callable
from pathlib import Path

from torch import nn

from vtc.training.data import Index
from vtc.training.objective import Objective
from vtc.training.recipe import Recipe

Maker = Callable[[Recipe, Index, Path, Path | None], tuple[Objective, nn.Module]]


def create(recipe: Recipe, index: Index, folder: Path, init: Path | None) -> tuple[Objective, nn.Module]:
    """The objective and the model of a recipe, started from the videos of `index` or from the bundle `init`.

    What has to be fitted before training (the KLT, the base layer's tables) is kept in the run's `folder` for resuming.
    """
    from vtc.training.objectives.coordtok import create_coordtok
    from vtc.training.objectives.dera import create_dera
    from vtc.training.objectives.start import create_onedva
    from vtc.training.objectives.vtok import create_vtok

    makers: dict[str, Maker] = {"onedva": create_onedva, "coordtok": create_coordtok, "vtok": create_vtok, "dera": create_dera}
    return makers[recipe.tokenizer](recipe, index, folder, init)
