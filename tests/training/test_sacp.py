"""SACP: projected gradients are orthogonal to the other's own where the two conflict, and untouched otherwise."""

import math
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from vtc.training.sacp import measure, project


def problem(seed: int, scale: float) -> tuple[Tensor, Tensor, list[Tensor], list[Tensor]]:
    """Two losses of a small shared network with a head each; the second loss is up to `scale` times as steep."""
    generator = torch.Generator().manual_seed(seed)
    encoder = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 6))
    heads = nn.ModuleList((nn.Linear(6, 3), nn.Linear(6, 4)))
    for parameter in (*encoder.parameters(), *heads.parameters()):
        nn.init.normal_(parameter, generator=generator)
    inputs = torch.randn(2, 9, 5, generator=generator)
    loss_a = heads[0](encoder(inputs[0])).square().mean()
    loss_m = scale * heads[1](encoder(inputs[1])).sin().mean()
    return loss_a, loss_m, list(encoder.parameters()), list(heads.parameters())


def gradient(loss: Tensor, parameters: list[Tensor]) -> Tensor:
    return torch.cat([g.flatten().double() for g in torch.autograd.grad(loss, parameters, retain_graph=True)])


@given(seed=st.integers(0, 10_000), scale=st.sampled_from([1e-3, 1.0, -1.0, 1e3]))
@settings(max_examples=40, deadline=None)
def test_projected_gradients_are_orthogonal_in_conflict_and_untouched_otherwise(seed: int, scale: float) -> None:
    loss_a, loss_m, shared, _ = problem(seed, scale)
    g_a, g_m = gradient(loss_a, shared), gradient(loss_m, shared)
    new_a, new_m, conflict = project(loss_a, loss_m, shared)
    got_a, got_m = gradient(new_a, shared), gradient(new_m, shared)
    size = g_a.norm() * g_m.norm()
    if g_a @ g_m < 0:
        assert conflict.present == 1
        assert abs(got_a @ g_m) <= 1e-5 * size
        assert abs(got_m @ g_a) <= 1e-5 * size
        assert got_a.norm() <= g_a.norm() * (1 + 1e-6)  # a projection takes away
        expected = g_a - (g_a @ g_m) / (g_m @ g_m) * g_m
        assert torch.allclose(got_a, expected, atol=1e-5 * float(g_a.norm()))
    else:
        assert conflict.present == 0
        assert torch.equal(got_a, g_a)
        assert torch.equal(got_m, g_m)


def test_both_cases_occur() -> None:
    seen = {float(project(*problem(seed, 1.0)[:3])[2].present) for seed in range(20)}
    assert seen == {0.0, 1.0}


def test_the_coefficients_carry_no_gradient() -> None:
    """A projected loss has the weighted sum of both gradients everywhere, heads included: nothing flows through s."""
    loss_a, loss_m, shared, heads = next(p for p in (problem(seed, 1.0) for seed in range(20)) if project(*p[:3])[2].present)
    new_a, _, conflict = project(loss_a, loss_m, shared)
    share = conflict.shares[0].double()
    assert share > 0
    for parameters in (shared, heads):
        both = [gradient_or_zero(loss, parameters) for loss in (loss_a, loss_m, new_a)]
        assert torch.allclose(both[2], both[0] + share * both[1], atol=1e-6)


def gradient_or_zero(loss: Tensor, parameters: list[Tensor]) -> Tensor:
    found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    return torch.cat([torch.zeros_like(p).flatten().double() if g is None else g.flatten().double() for g, p in zip(found, parameters)])


def test_frozen_and_unused_parameters_count_as_nothing() -> None:
    loss_a, loss_m, shared, heads = problem(3, 1.0)
    plain = project(loss_a, loss_m, shared)[2]
    frozen = torch.zeros(4)
    more = project(loss_a, loss_m, [*shared, *heads, frozen])[2]
    assert torch.allclose(plain.inner, more.inner)  # each head is in one of the losses only
    assert more.square_a > plain.square_a


@settings(deadline=None, max_examples=30)
@given(angle=st.floats(0, math.pi), length=st.floats(1e-3, 1e3))
def test_the_measure_of_two_plain_vectors(angle: float, length: float) -> None:
    conflict = measure([torch.tensor([1.0, 0.0]), None], [torch.tensor([math.cos(angle), math.sin(angle)]) * length, None])
    assert float(conflict.cosine) == pytest.approx(math.cos(angle), abs=1e-5)
    assert min(float(share) for share in conflict.shares) >= 0
    nothing = measure([None], [torch.ones(2)])
    assert (float(nothing.cosine), float(nothing.present)) == (0.0, 0.0)


def _process(rank: int, folder: str) -> None:
    """Each of two processes has its own data; the averaged gradients must be orthogonal, and the coefficients the same."""
    dist.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=2)
    torch.manual_seed(0)
    shared = nn.Parameter(torch.randn(6))
    data = torch.randn(2, 6, generator=torch.Generator().manual_seed(rank))
    loss_a, loss_m = (shared * data[0]).sum(), -(shared * (data[0] + 0.3 * data[1])).sum()
    own = [torch.autograd.grad(loss, shared, retain_graph=True)[0] for loss in (loss_a, loss_m)]
    new_a, _, conflict = project(loss_a, loss_m, [shared])
    got = torch.autograd.grad(new_a, shared)[0]
    means = torch.stack((*own, got, conflict.inner.expand(6)))
    dist.all_reduce(means)
    means /= 2
    assert conflict.present == 1
    assert torch.allclose(means[3][0], conflict.inner)
    assert abs(means[2] @ means[1]) < 1e-5 * means[0].norm() * means[1].norm()
    dist.destroy_process_group()


def test_two_processes_project_the_averaged_gradients(tmp_path: Path) -> None:
    mp.spawn(_process, (str(tmp_path),), nprocs=2)
