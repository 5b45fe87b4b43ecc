"""The last sections of the report: what failed or was not to be had, and how everything was measured."""

from __future__ import annotations

from collections.abc import Sequence

from vtc.bench.catalogue import FVD, METRICS
from vtc.bench.curves import Curve
from vtc.bench.report.html import Cell, Html, details, join, table, tag
from vtc.bench.report.results import Results, group_title
from vtc.bench.row import FAILED

BYTES = """Bytes of vtc are those of the whole file less sound; of other codecs those of the packets less SEI units. bpp: their bits over
frames × width × height of what was coded. Encoding and decoding are timed in one thread, without loading weights."""

AVERAGING = """PSNR is averaged in three ways: over frames, then over clips (PSNR); of each clip's mean squared error, over clips
(PSNR of the clip); of the mean squared error of all clips (PSNR of the set). Every other metric is the mean over frames, then over
clips."""

BD_RATES = """BD-rates are by the package bjontegaard, piecewise cubic (pchip) through the logarithm of the rate over quality, over the
qualities that both curves reach; there is none where that is less than half of the shorter curve's range, where more bytes do not buy
quality, or where the anchor has fewer than four points. A codec of fewer than four points is compared point by point with the anchor's
curve."""


def gaps(results: Results) -> Html:
    """Failures, codecs and clips that were left out, metrics that were unavailable, and clips that a curve lacks."""
    found = [
        _titled("Failed", ["rows", "where", "reason"], _failures(results)),
        _titled("Left out", ["what", "protocol", "reason"], _left_out(results)),
        _titled("Metrics that are unavailable", ["metric", "rows", "reason"], _unavailable(results)),
        _titled("Clips that a curve lacks", ["codec", "where", "clips"], _lost(results)),
        _titled("Speed that was not measured", ["what", "reason"], _unmeasured(results)),
    ]
    whole = join(found)
    return whole or tag("p", "Nothing: all that was asked for was measured.")


def protocol(results: Results) -> Html:
    """Frames, bytes, averages, metrics, commands, weights and the machine."""
    about = results.about
    parts = [tag("p", tag("b", f"{name}. "), words) for name, words in about.get("protocols", {}).items()]
    parts += [tag("p", words) for words in (BYTES, AVERAGING, BD_RATES)]
    used = [name for name in METRICS if any(row.metrics.get(name) is not None for row in results.rows)]
    parts.append(_titled("Metrics", ["metric", "definition"], [[METRICS[name].label, METRICS[name].meaning] for name in used]))
    parts += [tag("h3", "Codecs and commands"), _codecs(results)]
    hashes = sorted({(name, value) for row in results.rows for name, value in row.metric_weights.items()})
    parts.append(_titled("Weights of the metrics", ["metric", "sha256"], [[name, tag("code", value)] for name, value in hashes]))
    commands = [tag("li", tag("code", command)) for command in about.get("commands", []) if command]
    machine = [tag("li", f"{name}: {about[name]}") for name in ("machine", "version") if about.get(name)]
    return join([*parts, tag("h3", "Run"), tag("ul", *commands, *machine)])


def _failures(results: Results) -> list[list[Cell]]:
    reasons: dict[str, list[str]] = {}
    for row in results.rows:
        if row.status == FAILED:
            reasons.setdefault(row.reason, []).append(f"{row.codec} {row.point} on {row.clip}")
    ordered = sorted(reasons.items(), key=lambda item: -len(item[1]))
    return [[str(len(where)), _some(where, 1), reason] for reason, where in ordered]


def _left_out(results: Results) -> list[list[Cell]]:
    named = results.about.get("left_out", {})
    return [[name, protocol, reason] for protocol, reasons in named.items() for name, reason in sorted(reasons.items())]


def _unavailable(results: Results) -> list[list[Cell]]:
    missing: dict[tuple[str, str], int] = {}
    for row in results.rows:
        for name, reason in row.unavailable.items():
            missing[name, reason] = missing.get((name, reason), 0) + 1
    labels = {name: about.label for name, about in (METRICS | {FVD.name: FVD}).items()}
    return [[labels.get(name, name), str(count), reason] for (name, reason), count in sorted(missing.items())]


def _lost(results: Results) -> list[list[Cell]]:
    """A clip that one point lacks is left out of the codec's whole curve."""
    rows: list[list[Cell]] = []
    for curve in results.curves:
        if curve.lost:
            series = curve.series
            title = group_title((series.dataset, series.protocol, series.keyframes))
            rows.append([results.looks[series].name, title, _some(curve.lost, 5)])
    return rows


def _unmeasured(results: Results) -> list[list[Cell]]:
    failed = [row for row in results.speeds if row.status == FAILED]
    return [[f"{row.codec} {row.verb} {row.width}×{row.height}, {row.frames} frames, {row.device}", row.reason] for row in failed]


def _codecs(results: Results) -> Html:
    """Settings and command of the middle point of every codec, once for all data sets."""
    curves: dict[tuple[str, str, str, str, str], Curve] = {}
    for curve in results.curves:
        series = curve.series
        curves.setdefault((series.codec, series.preset, series.variant, series.keyframes, series.bundle), curve)
    parts = []
    for curve in sorted(curves.values(), key=lambda curve: (not curve.series.ours, results.looks[curve.series].name)):
        row = curve.points[len(curve.points) // 2].rows[0]
        settings = ", ".join(f"{name} {value}" for name, value in row.settings.items())
        lines = [tag("p", tag("code", row.command)), tag("p", settings, class_="note")]
        if row.bundle:
            lines.append(tag("p", "bundle sha256 ", tag("code", row.bundle), class_="note"))
        keyframes = "" if row.keyframes == "default" else f", a key frame every {row.keyframes}"
        parts.append(details(f"{results.looks[curve.series].name}{keyframes} ({row.point})", *lines))
    return join(parts)


def _titled(title: str, head: Sequence[Cell], rows: Sequence[Sequence[Cell]]) -> Html:
    """A table of words under its title; nothing where there are no rows."""
    return join([tag("h3", title), table(head, rows, words=len(head), prose=True)]) if rows else Html()


def _some(words: Sequence[str], most: int) -> str:
    return ", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")
