"""SACP, symmetric alignment-conflict projection (DeRA, arXiv 2512.04483): two losses that pull a shared encoder apart are made not to.

With g_a and g_m the gradients of the two losses in the shared parameters alone and s = <g_a, g_m>: where s < 0,

    L_a' = L_a - sg(s / |g_m|^2) L_m        L_m' = L_m - sg(s / |g_a|^2) L_a

(sg: no gradient), so that in the shared parameters each loss keeps only what is orthogonal to the other's own gradient; where s >= 0 both
stay as they are. There is no hyper-parameter, and the weights of the losses come after the projection.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

Gradients = Sequence[Tensor | None]


@dataclass(frozen=True)
class Conflict:
    """How two losses meet in the shared parameters (0-dimensional, float32, without gradient): `inner` = s, the squared norms of both
    gradients, and `cosine` between them."""

    inner: Tensor
    square_a: Tensor
    square_m: Tensor

    @property
    def cosine(self) -> Tensor:
        """From -1 to 1; 0 where a gradient vanishes."""
        return self.inner / (self.square_a * self.square_m).sqrt().clamp_min(torch.finfo(torch.float32).tiny)

    @property
    def present(self) -> Tensor:
        """1 where s < 0, else 0."""
        return (self.inner < 0).float()

    @property
    def shares(self) -> tuple[Tensor, Tensor]:
        """How much of L_m joins L_a, and of L_a joins L_m: -s / |g_m|^2 and -s / |g_a|^2 where s < 0, else 0. Never negative."""
        tiny = torch.finfo(torch.float32).tiny  # s < 0 says that neither norm is zero
        against = (-self.inner).clamp_min(0)
        return against / self.square_m.clamp_min(tiny), against / self.square_a.clamp_min(tiny)


def measure(g_a: Gradients, g_m: Gradients) -> Conflict:
    """The conflict of two gradients, given as tensors of the same parameters in the same order; None stands for zero."""
    device = next((g.device for g in (*g_a, *g_m) if g is not None), torch.device("cpu"))
    zero = torch.zeros((), device=device)
    inner = sum((_dot(a, m) for a, m in zip(g_a, g_m, strict=True) if a is not None and m is not None), zero)
    square_a, square_m = (sum((_dot(g, g) for g in side if g is not None), zero) for side in (g_a, g_m))
    return Conflict(inner, square_a, square_m)


def project(loss_a: Tensor, loss_m: Tensor, shared: Sequence[Tensor]) -> tuple[Tensor, Tensor, Conflict]:
    """L_a' and L_m' of two losses over the `shared` parameters, and the conflict there was. Costs one backward pass of each loss.

    Under data parallelism the gradients are averaged over all processes first: s and the norms are those of the whole batch, so that every
    process projects alike and the averaged gradients are orthogonal too.
    """
    learning = [parameter for parameter in shared if parameter.requires_grad]
    g_a = torch.autograd.grad(loss_a, learning, retain_graph=True, allow_unused=True)
    g_m = torch.autograd.grad(loss_m, learning, retain_graph=True, allow_unused=True)
    if dist.is_available() and dist.is_initialized():
        g_a, g_m = _averaged(g_a, learning), _averaged(g_m, learning)
    conflict = measure(g_a, g_m)
    to_a, to_m = conflict.shares
    return loss_a + to_a * loss_m, loss_m + to_m * loss_a, conflict


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return torch.dot(a.detach().float().flatten(), b.detach().float().flatten())


def _averaged(gradients: Gradients, parameters: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The mean of every gradient over all processes, in one message."""
    whole = [torch.zeros_like(p) if g is None else g.detach() for g, p in zip(gradients, parameters, strict=True)]
    flat = torch.cat([g.float().flatten() for g in whole])
    dist.all_reduce(flat)
    parts = (flat / dist.get_world_size()).split([g.numel() for g in whole])
    return tuple(part.view_as(g) for part, g in zip(parts, whole, strict=True))
