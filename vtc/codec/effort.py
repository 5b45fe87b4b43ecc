"""`--effort`: how hard an encode looks for symbols that cost less for what they show."""

from dataclasses import dataclass

from vtc.tokenizers.choice import NO_SEARCH, Search


@dataclass(frozen=True)
class Effort:
    """`search`: of vectors. `steps` of refinement by gradients through the decoder, a segment."""

    search: Search = NO_SEARCH
    steps: int = 0


WIDE = Search(rounds=4, neighbours=True)
LEVELS = (Effort(), Effort(Search(rounds=2)), Effort(WIDE), Effort(WIDE, 12), Effort(WIDE, 48))
