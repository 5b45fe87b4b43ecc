"""The processes of a run: this one alone, or those that torchrun started, which share out the batches of each step."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist

from vtc.errors import UsageError

_PATIENCE = timedelta(hours=24)
"""How long processes wait for the first one, which fits and caches. One that died ends the others through torchrun."""


@dataclass(frozen=True)
class World:
    """`rank` of this process of `size`; `local` is its rank on its machine, the number of its GPU."""

    rank: int = 0
    size: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        """Whether this process is the one that judges, writes and speaks."""
        return self.rank == 0

    @contextmanager
    def first_goes_ahead(self) -> Iterator[None]:
        """The first process does what is inside before the others do it, who find on disk what it made."""
        if not self.first:
            self._wait()
        yield
        if self.first:
            self._wait()

    def agree(self, position: float, stop: bool) -> tuple[float, bool]:
        """The first process's position, and whether any process was asked to stop: the same for all."""
        if self.size == 1:
            return position, stop
        told = torch.tensor([position if self.first else 0.0, float(stop)], dtype=torch.float64)
        dist.all_reduce(told, dist.ReduceOp.MAX)
        return told[0].item(), bool(told[1])

    def mean(self, figures: dict[str, float]) -> dict[str, float]:
        """The mean over all processes of figures that each of them has."""
        if self.size == 1 or not figures:
            return figures
        told = torch.tensor(list(figures.values()), dtype=torch.float64) / self.size
        dist.all_reduce(told)
        return dict(zip(figures, told.tolist()))

    def _wait(self) -> None:
        if self.size > 1:
            dist.all_reduce(torch.zeros(1))  # a barrier by gloo: that of NCCL keeps the waiting GPU busy


ALONE = World()


@contextmanager
def join() -> Iterator[World]:
    """Join the processes that torchrun started together, until the end of the block; alone, nothing happens."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ALONE
        return
    if not dist.is_available():
        raise UsageError("this torch cannot train in several processes", "start vtc train without torchrun")
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if torch.cuda.is_available():
        torch.cuda.set_device(local)
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=_PATIENCE)
    try:
        yield World(dist.get_rank(), size, local)
    finally:
        dist.destroy_process_group()
