"""`--effort`: how hard an encode looks for symbols that cost less for what they show."""

from dataclasses import dataclass

from vtc.tokenizers.base import NO_SEARCH, Search


@dataclass(frozen=True)
class Effort:
    """`search`: of vectors. `scales` of the step, that are tried for the first segment of a group, 1 the first. `steps` of refinement by
    gradients through the decoder, a segment."""

    search: Search = NO_SEARCH
    scales: tuple[float, ...] = ()
    steps: int = 0


SCALES = (1.0, 0.8, 0.64, 0.5)
WIDE = Search(rounds=4, neighbours=True)
LEVELS = (Effort(), Effort(Search(rounds=2)), Effort(WIDE, SCALES), Effort(WIDE, SCALES, 12), Effort(WIDE, SCALES, 48))
