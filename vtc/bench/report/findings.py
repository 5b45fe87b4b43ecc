"""What a benchmark says about the bundles, in plain words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vtc.bench.bd import Comparison
from vtc.bench.catalogue import METRICS
from vtc.bench.curves import Series
from vtc.bench.style import Look

HEADLINE = ("psnr", "ssim", "ms_ssim", "xpsnr", "lpips", "vmaf", "feature")
"""Metrics that codecs are judged by, where they were measured; more of one kind would say the same again."""

EVEN = 1.0
"""Per cent up to which two codecs count as equal."""


@dataclass(frozen=True)
class Verdict:
    """A bundle in one group of curves. `lines`: a sentence for each metric, those that agree with the first in one."""

    series: Series
    lines: tuple[str, ...]


def percent(value: float | None) -> str:
    """+35 %, −8.2 %, or a dash."""
    if value is None:
        return "–"
    digits = 0 if abs(value) >= 9.95 else 1
    return f"{value:+.{digits}f} %".replace("-", "−")


def listed(words: Sequence[str]) -> str:
    """a, b and c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def verdicts(found: Sequence[Comparison], looks: Mapping[Series, Look]) -> list[Verdict]:
    """One for every bundle among the tested, of comparisons within one group."""
    bundles = dict.fromkeys(each.test.series for each in found if each.test.series.ours)
    return [Verdict(series, _lines([each for each in found if each.test.series == series], looks)) for series in bundles]


def _lines(found: Sequence[Comparison], looks: Mapping[Series, Look]) -> tuple[str, ...]:
    by_metric = {name: [each for each in found if each.metric == name] for name in HEADLINE}
    by_metric = {name: each for name, each in by_metric.items() if each}
    outcomes = {name: {each.anchor.series: _outcome(each) for each in group} for name, group in by_metric.items()}
    first = next(iter(by_metric))
    agreeing = [name for name in by_metric if name != first and outcomes[name] == outcomes[first]]
    lines = [_sentence(first, by_metric[first], looks)]
    if agreeing:
        lines.append(f"{listed([METRICS[name].label for name in agreeing])} {'says' if len(agreeing) == 1 else 'say'} the same.")
    lines += [_sentence(name, group, looks) for name, group in by_metric.items() if name != first and name not in agreeing]
    return tuple(lines)


def _outcome(each: Comparison) -> str:
    value = each.mean.percent
    if value is None:
        return f"unknown, {'' if each.gap is None else 'better' if _better(each) else 'worse'}"
    return "loses" if value > EVEN else "wins" if value < -EVEN else "even"


def _better(each: Comparison) -> bool:
    """Whether the quality is higher at equal rate."""
    return ((each.gap or 0.0) > 0) == METRICS[each.metric].higher


def _sentence(metric: str, found: Sequence[Comparison], looks: Mapping[Series, Look]) -> str:
    """By one metric: losses, then draws, then wins, each the widest first; then what has no figure."""
    clauses = []
    for outcome, words in {"loses": "loses to", "even": "is even with", "wins": "wins against"}.items():
        chosen = sorted((each for each in found if _outcome(each) == outcome), key=lambda each: -abs(each.mean.percent or 0.0))
        if chosen:
            named = [f"{looks[each.anchor.series].name} ({percent(each.mean.percent)}" for each in chosen]
            clauses.append(f"{words} {listed([f'{named[0]} bytes)', *(f'{name})' for name in named[1:])])}")
    unknown: dict[str, list[Comparison]] = {}
    for each in found:
        if each.mean.percent is None:
            unknown.setdefault(each.mean.reason, []).append(each)
    for reason, group in unknown.items():
        clause = f"has no BD-rate against {listed([looks[each.anchor.series].name for each in group])}, because {reason}"
        gaps = [_gap(each, looks) for each in group if each.gap is not None]
        clause += f": at equal rate it is {listed(gaps)}" if gaps else ""
        beside: dict[str, list[str]] = {}
        for each in group:
            if each.gap is None and each.anchor.values(metric) and each.test.values(metric):
                ours, theirs = _nearest(each)
                beside.setdefault(ours, []).append(f"{looks[each.anchor.series].name} {theirs}")
        clauses.append(clause + "".join(f"; it has {ours}, {listed(theirs)}" for ours, theirs in beside.items()))
    return f"By {METRICS[metric].label} it {'; it '.join(clauses)}."


def _nearest(each: Comparison) -> tuple[str, str]:
    """Of two curves that share no rate: the tested one's point and the anchor's that are of the nearest rates."""
    about = METRICS[each.metric]
    pairs = [(ours, theirs) for ours in each.test.values(each.metric) for theirs in each.anchor.values(each.metric)]
    ours, theirs = (
        f"{value:.{about.digits}f}{' ' + about.unit if about.unit else ''} at {rate:.3g} bpp"
        for rate, value in min(pairs, key=lambda pair: abs(math.log(pair[0][0] / pair[1][0])))
    )
    return ours, theirs


def _gap(each: Comparison, looks: Mapping[Series, Look]) -> str:
    about = METRICS[each.metric]
    size = f"{abs(each.gap or 0.0):.{about.digits}f}{' ' + about.unit if about.unit else ''}"
    return f"{size} {'better' if _better(each) else 'worse'} than {looks[each.anchor.series].name}"
