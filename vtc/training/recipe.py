"""Recipes: everything about a training run that is not the data or the machine, as frozen data."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from vtc.errors import TrainingError, UsageError

GRID = 16
"""Pixels and frames: crops start on this grid, because prepared arrays (the base layer) are made on it."""


@dataclass(frozen=True)
class Stage:
    """A part of the schedule. `share` of it in (0, 1]; `frozen` names parameters (by dotted prefix) that rest in it."""

    name: str
    share: float
    latents: bool = True
    frozen: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """How to train one size of one tokenizer.

    crop, crops and sides in pixels, frames and cache_frames in frames; warmup is a share of the schedule in [0, 1); ema
    is the decay per step in [0, 1); clip_norm bounds the gradient's norm. A step draws one of crop and crops, and takes
    as many clips of it as hold the pixels of `batch` clips of `crop`. Drawn per video (repeat one to weigh it): sides,
    the short sides that videos are scaled to, and speeds, how fast they run: 2 takes every second frame, 0.5 shows
    every frame twice, as drawings on twos and converted frame rates do. With `hold`, videos of half a clip or more that
    are shorter than one hold their last frame, as the codec fills clips. With `turned`, clips are turned to all eight
    sides, not only mirrored; a share `recoloured` of them has its colours in another order, in negative or both, or
    draws the true ones (one in twelve).
    """

    name: str
    tokenizer: str
    size: str
    batch: int
    lr: float
    crop: int = 128
    frames: int = 16
    weight_decay: float = 0.01
    warmup: float = 0.03
    ema: float = 0.999
    clip_norm: float = 1.0
    sides: tuple[int, ...] = (128, 128, 160, 240)
    cache_frames: int = 80
    crops: tuple[int, ...] = ()
    speeds: tuple[float, ...] = (1.0,)
    hold: bool = False
    turned: bool = False
    recoloured: float = 0.0
    stages: tuple[Stage, ...] = (Stage("all", 1.0),)

    def __post_init__(self) -> None:
        shares = [stage.share for stage in self.stages]
        rules = {
            "batch and frames are at least 1": min(self.batch, self.frames) >= 1,
            f"crop and crops are multiples of {GRID}": all(c > 0 and c % GRID == 0 for c in (self.crop, *self.crops)),
            "sides are at least as long as the crop": min(self.sides) >= self.crop,
            "one of the sides is as long as the longest of crops": max(self.sides) >= max(self.crops, default=0),
            "speeds are positive": bool(self.speeds) and min(self.speeds) > 0,
            "cache_frames holds a clip": self.cache_frames >= self.frames,
            "lr is positive": self.lr > 0,
            "warmup and ema are in [0, 1)": 0 <= self.warmup < 1 and 0 <= self.ema < 1,
            "recoloured is in [0, 1]": 0 <= self.recoloured <= 1,
            "shares of stages are positive and sum to 1": bool(shares)
            and min(shares) > 0
            and abs(sum(shares) - 1) < 1e-6,
        }
        broken = [rule for rule, kept in rules.items() if not kept]
        if broken:
            raise TrainingError(f"recipe {self.name}-{self.size} breaks a rule: {'; '.join(broken)}")

    def to_json(self) -> str:
        """The recipe as one JSON object, as stored in checkpoints and cards."""
        return json.dumps(dataclasses.asdict(self))

    @staticmethod
    def completed(stored: dict[str, Any]) -> dict[str, Any]:
        """A stored recipe with the defaults of what there was not when it was stored."""
        fields = dataclasses.fields(Recipe)
        defaults = {field.name: field.default for field in fields if field.default is not dataclasses.MISSING}
        whole: dict[str, Any] = json.loads(json.dumps({**defaults, **stored}, default=dataclasses.asdict))
        return whole


_ONEDVA_STAGES = (
    Stage("structural", 0.15, latents=False),
    Stage("latents", 0.70),
    Stage("post-training", 0.15, frozen=("tokenizer.encoder",)),
)

_SPEEDS = (1.0, 1.0, 1.0, 2.0, 0.5)  # for runs that see every video many times

_COORDTOK_STAGES = (Stage("coordinates", 0.85), Stage("frames", 0.15))

recipes: dict[tuple[str, str], Recipe] = {
    (recipe.name, recipe.size): recipe
    for recipe in (
        *(
            row
            for name in ("onedva", "onedva-paper")
            for row in (
                Recipe(name, "onedva", "tiny", cache_frames=112, batch=2, lr=8e-4, stages=_ONEDVA_STAGES),
                Recipe(
                    name, "onedva", "small", cache_frames=112, batch=32, lr=6e-4, speeds=_SPEEDS, turned=True, recoloured=0.5,
                    stages=_ONEDVA_STAGES,
                ),
                Recipe(
                    name, "onedva", "base", cache_frames=112, batch=64, lr=4e-4, speeds=_SPEEDS, turned=True, recoloured=0.5,
                    stages=_ONEDVA_STAGES,
                ),
            )
        ),
        Recipe("onedva-coordinate", "onedva", "tiny", batch=2, lr=2e-3),
        Recipe("onedva-coordinate", "onedva", "small", batch=32, lr=1e-3),
        Recipe("onedva-coordinate", "onedva", "base", batch=64, lr=6e-4),
        *(
            Recipe(name, "vtok", size, batch=batch, lr=lr, frames=32)
            for name in ("vtok", "vtok-coordinate")
            for size, batch, lr in (("tiny", 2, 8e-4), ("small", 32, 6e-4), ("base", 64, 4e-4))
        ),
        *(
            Recipe(name, "dera", size, batch=batch, lr=lr)
            for name in ("dera", "dera-plain", "dera-diffusion")
            for size, batch, lr in (("tiny", 2, 8e-4), ("small", 32, 6e-4), ("base", 64, 2e-4))
        ),
        *(
            Recipe(
                name, "coordtok", size, batch=batch, lr=lr, frames=128, cache_frames=160, sides=(128, 144, 176),
                hold=True, stages=_COORDTOK_STAGES,
            )
            for name, size, batch, lr in (
                ("coordtok", "tiny", 4, 1e-3), ("coordtok", "small", 16, 5e-4), ("coordtok", "base", 32, 3e-4),
                ("coordtok", "official", 24, 1e-4),
                ("coordtok-diffusion", "tiny", 1, 5e-4), ("coordtok-diffusion", "small", 4, 3e-4), ("coordtok-diffusion", "base", 8, 2e-4),
            )  # whole clips of 128 frames are more work than coordinates of them
        ),
    )
}
"""All recipes by (name, size)."""


def find_recipe(name: str, size: str) -> Recipe:
    """The recipe of that name and size; `UsageError` listing what there is otherwise."""
    recipe = recipes.get((name, size))
    if recipe is None:
        known = ", ".join(" ".join(key) for key in sorted(recipes))
        raise UsageError(f"there is no recipe {name} of size {size}", f"there are: {known}")
    return recipe
