"""A section of the report: all that was found with one data set, one protocol and one rule for key frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vtc.bench.bd import Change, Comparison
from vtc.bench.canvas import Draw, svg
from vtc.bench.catalogue import AVERAGES, METRICS
from vtc.bench.curves import Curve
from vtc.bench.report.findings import EVEN, HEADLINE, listed, percent
from vtc.bench.report.html import Html, data_uri, details, join, table, tag, text, themed
from vtc.bench.report.pictures import Shown, read_picture, shown
from vtc.bench.report.results import Results
from vtc.bench.style import DARK, LIGHT, Look
from vtc.bench.summary import ANCHORS, Group

MOST_CLIPS = 100
"""Lines of a table of clips."""


def group_section(results: Results, group: Group, curves: Sequence[Curve]) -> Html:
    """Plots, changes in bytes, pictures, speed, and every point."""
    parts = [plots_of(results.plots.get(group, {})), tag("h3", "Bytes at equal quality"), _changes(results, curves)]
    if pictures := shown(curves):
        parts += [tag("h3", "The same frames at nearly equal rates"), *(_pictures(results, each) for each in pictures)]
    parts += [tag("h3", "Speed and memory"), _costs(results, curves), tag("h3", "All points"), _points(results, curves)]
    return join(parts)


def plots_of(plots: Mapping[str, Draw]) -> Html:
    """Plots beside each other."""
    return tag("div", *(themed(svg(draw, LIGHT), svg(draw, DARK), title) for title, draw in plots.items()), class_="plots")


def _changes(results: Results, curves: Sequence[Curve]) -> Html:
    """Every codec against each anchor, those of fewest bytes by PSNR first; then each bundle clip by clip."""
    mine = results.within(curves)
    anchors = list(dict.fromkeys(each.anchor.series for each in mine))
    if not anchors:
        return tag("p", f"None of {listed(ANCHORS)} was measured here, so there is nothing to compare with.")
    cells = {(each.anchor.series, each.test.series, each.metric): each for each in mine}
    metrics = [name for name in HEADLINE if any(metric == name for _, _, metric in cells)]
    parts = []
    for anchor in anchors:
        others = [curve.series for curve in curves if curve.series != anchor]
        others.sort(key=lambda series: _rank(cells.get((anchor, series, metrics[0])))) if metrics else None
        rows = []
        for series in others:
            found = [cells.get((anchor, series, name)) for name in metrics]
            rows.append([label(results.looks[series]), *(changed(each.mean if each else None) for each in found)])
        caption = f"Bytes more (+) or fewer (−) than {results.looks[anchor].name}, the fewest first"
        parts.append(table(["", *(METRICS[name].label for name in metrics)], rows, caption=caption))
    bundles = dict.fromkeys(each.test.series for each in mine if each.test.series.ours)
    for series in bundles:
        parts.append(_clip_by_clip(results, [each for each in mine if each.test.series == series and each.metric == "psnr"]))
    return join(parts)


def _rank(found: Comparison | None) -> float:
    return float("inf") if found is None or found.mean.percent is None else found.mean.percent


def changed(change: Change | None) -> Html:
    """A change in colour; what it was taken of, or why there is none, for a pointer that rests on it."""
    if change is None or change.percent is None:
        return tag("span", "–", class_="none", title=change.reason if change else "not measured")
    kind = "worse" if change.percent > EVEN else "better" if change.percent < -EVEN else None
    return tag("span", percent(change.percent), class_=kind, title=f"{change.method}, {change.low:.4g} to {change.high:.4g}")


def _clip_by_clip(results: Results, found: Sequence[Comparison]) -> Html:
    """Of one bundle: each clip against each anchor, the worst first."""
    clips = {clip for each in found for clip in each.clips}
    if not clips:
        return Html()

    def worst(clip: str) -> tuple[float, str]:
        known = [change.percent for each in found if (change := each.clips.get(clip)) and change.percent is not None]
        return (-sum(known) / len(known) if known else float("inf")), clip

    ordered = sorted(clips, key=worst)[:MOST_CLIPS]
    rows: list[list[str | Html | None]] = [[clip, *(changed(each.clips.get(clip)) for each in found)] for clip in ordered]
    means = [f"{percent(each.percent_of_clips)} ({len(each.clips) - each.refused} of {len(each.clips)})" for each in found]
    rows.append([tag("b", "mean of clips (clips with a figure)"), *means])
    head = ["clip", *(f"against {results.looks[each.anchor.series].name}" for each in found)]
    which = "the worst first" if len(ordered) == len(clips) else f"the worst {len(ordered)} of {len(clips)}"
    return details(f"{results.looks[found[0].test.series].name} clip by clip, by PSNR, {which}", table(head, rows))


def _pictures(results: Results, each: Shown) -> Html:
    """The source, then every codec's picture at about one rate, the highest PSNR first."""
    figures = []
    first = each.rows[0][1]
    source = read_picture(results.folder / first.source_picture, first.width, first.height)
    if source:
        caption = tag("figcaption", tag("b", "source"), Html("<br>"), "uncompressed")
        figures.append(tag("figure", _image(source, f"source, {each.clip}"), caption))
    for curve, row in each.rows:
        content = read_picture(results.folder / row.picture, row.width, row.height)
        if content is None:
            continue
        name, psnr = results.looks[curve.series].name, row.metrics.get("psnr")
        apart = "" if row.bpp == each.bpp else f" ({percent(100 * (row.bpp / each.bpp - 1))})"
        words = f"{row.bpp:.3g} bpp{apart}" + (f", {psnr:.2f} dB" if psnr is not None else "")
        caption = tag("figcaption", tag("b", name), f" {row.point}", Html("<br>"), words)
        figures.append(tag("figure", _image(content, f"{name}, {each.clip}, {row.point}"), caption))
    words = f" at about {each.bpp:.3g} bits per pixel; PSNR is of the whole clip"
    if each.far:
        nearest = [f"{results.looks[curve.series].name} ({bpp:.3g})" for curve, bpp in each.far]
        words += f". No point near it: {listed(nearest)}"
    title = tag("p", tag("b", each.clip), words, class_="note")
    return join([title, tag("div", *figures, class_="pictures")])


def _image(content: bytes, alt: str) -> Html:
    return Html(f'<img src="{data_uri(content, "image/png")}" alt="{text(alt)}" loading="lazy">')


def _costs(results: Results, curves: Sequence[Curve]) -> Html:
    """The middle point of every codec."""
    middle = [(curve, curve.points[len(curve.points) // 2]) for curve in curves]
    middle.sort(key=lambda pair: -(pair[1].encode_fps or 0.0))
    rows = [
        [label(results.looks[curve.series]), point.name, f"{point.bpp:.3g}", number(point.encode_fps, 1), number(point.decode_fps, 1),
         number(point.peak_mib, 0), number(point.tokens, 0)]
        for curve, point in middle
    ]  # fmt: skip
    head = ["", "point", "bpp", "encode fps", "decode fps", "peak MiB", "tokens a clip"]
    return table(head, rows, words=2, caption="The middle point of every curve, one thread, the fastest encoder first")


def _points(results: Results, curves: Sequence[Curve]) -> Html:
    """Every point, ours first, then by codec and falling rate."""
    names = [name for name in AVERAGES if any(point.metrics.get(name) is not None for curve in curves for point in curve.points)]
    rows = []
    for curve in sorted(curves, key=lambda curve: (not curve.series.ours, results.looks[curve.series].name)):
        for point in reversed(curve.points):
            figures = [number(point.metrics.get(name), AVERAGES[name].digits) for name in names]
            size = [str(len(curve.clips)), f"{point.bpp:.4f}", f"{point.bytes:,}"]
            rows.append([label(results.looks[curve.series]), point.name, *size, *figures])
    labels = [f"{about.label}, {about.unit}" if (about := AVERAGES[name]).unit else about.label for name in names]
    title = f"{len(rows)} points of {len(curves)} curves, means over clips (also in summary.csv)"
    return details(title, table(["", "point", "clips", "bpp", "bytes", *labels], rows, words=2))


def number(value: float | None, digits: int) -> str:
    """With so many digits behind the point; a dash for None."""
    return "–" if value is None else f"{value:,.{digits}f}"


def label(look: Look) -> Html:
    """A codec's name behind its colour."""
    swatch = tag("span", class_="swatch", style=f"--swatch: {look.colour[0]}; --swatch-dark: {look.colour[1]}")
    return tag("span", swatch, look.name, class_="ours" if look.ours else None)
