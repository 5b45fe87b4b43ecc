"""report.html as a whole.

In this order: what it says about the bundles, where they lose first; curves, tables and pictures for every data set, protocol and rule for
key frames; speed; what failed or was not to be had; how everything was measured.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from string import Template

from vtc.bench.bd import Comparison
from vtc.bench.report.findings import EVEN, listed, verdicts
from vtc.bench.report.group import changed, group_section, label
from vtc.bench.report.html import Cell, Html, details, join, table, tag, text
from vtc.bench.report.method import gaps, protocol
from vtc.bench.report.results import Results, group_title
from vtc.bench.report.speed import speed_section
from vtc.bench.row import DONE
from vtc.bench.summary import groups


def write_report(results: Results, path: Path) -> None:
    """The report as one file of HTML."""
    sections: dict[str, tuple[str, Html]] = {}
    if not _only_speed(results):
        sections["short"] = "In short", _in_short(results)
    for number, (group, curves) in enumerate(groups(results.curves).items()):
        sections[f"group{number}"] = (group_title(group), group_section(results, group, curves))
    if results.speeds:
        sections["speed"] = ("Speed", speed_section(results))
    sections["gaps"] = ("What failed or is missing", gaps(results))
    if not _only_speed(results):
        sections["protocol"] = ("How it was measured", protocol(results))
    template = Template(files("vtc.bench.report").joinpath("page.html").read_text(encoding="utf-8"))
    page = template.substitute(
        title=text(_title(results)),
        lead=text(_lead(results)),
        contents=join((tag("a", title, href=f"#{name}") for name, (title, _) in sections.items()), "\n"),
        body=join((tag("section", tag("h2", title), content, id=name) for name, (title, content) in sections.items()), "\n"),
    )
    path.write_text(page, encoding="utf-8")


def _only_speed(results: Results) -> bool:
    return bool(results.speeds) and not results.rows


def _title(results: Results) -> str:
    if _only_speed(results):
        return f"Speed of {listed(sorted({row.codec for row in results.speeds}))}"
    bundles = sorted({curve.series.codec for curve in results.curves if curve.series.ours})
    return f"Rate and distortion of {listed(bundles or ['codecs'])}"


def _lead(results: Results) -> str:
    if _only_speed(results):
        return f"{sum(row.status == DONE for row in results.speeds)} measurements"
    clips = len({(row.dataset, row.clip) for row in results.rows})
    codecs = len({row.codec for row in results.rows})
    done = sum(row.status == DONE for row in results.rows)
    datasets = listed(sorted({row.dataset for row in results.rows}) or ["no data set"])
    return f"{clips} clips of {datasets}, {codecs} codecs, {done} measurements, vtc {results.about.get('version', '')}".rstrip(" vtc,")


def _in_short(results: Results) -> Html:
    """Every bundle against the anchors by PSNR, then the same in words and by the other metrics."""
    lines: list[list[Cell]] = []
    words: list[Html] = []
    anchors = list(dict.fromkeys(each.anchor.series.codec for each in results.comparisons))
    for group, curves in groups(results.curves).items():
        mine = results.within(curves)
        said = {verdict.series: verdict.lines for verdict in verdicts(mine, results.looks)}
        bundles = [curve.series for curve in curves if curve.series.ours]
        title: Cell = group_title(group)
        for series in bundles:
            found = {each.anchor.series.codec: each for each in mine if each.test.series == series and each.metric == "psnr"}
            lines.append([title, label(results.looks[series]), *(_glance(found.get(anchor)) for anchor in anchors)])
            title = ""
        spoken = [_verdict(results.looks[series].name, said.get(series, (NO_ANCHOR,))) for series in bundles]
        if bundles:
            words.append(details(f"{group_title(group)}: in words, by every metric", *spoken))
    if not lines:
        return tag("p", "No bundle of vtc is among the results.")
    names = {each.anchor.series.codec: results.looks[each.anchor.series].name for each in results.comparisons}
    caption = "Bytes more (+) or fewer (−) at equal PSNR" if anchors else NO_ANCHOR
    shown = table(["", "", *(f"against {names[anchor]}" for anchor in anchors)], lines, words=2, caption=caption)
    return join([shown, *words, tag("p", RULE, class_="note")])


def _verdict(name: str, lines: Iterable[str]) -> Html:
    return tag("div", tag("h4", name), *(tag("p", line) for line in lines), class_="verdict")


def _glance(each: Comparison | None) -> Html:
    """Bytes at equal PSNR, or PSNR at equal bytes where that is all there is."""
    if each is None or each.mean.percent is not None or each.gap is None:
        return changed(each.mean if each else None)
    kind = "better" if each.gap > 0 else "worse"
    return tag("span", f"{each.gap:+.1f} dB".replace("-", "−"), class_=kind, title=each.mean.reason)


NO_ANCHOR = "No anchor was measured that it could be held against."

RULE = f"""Per cent are BD-rates: bytes more or fewer than an anchor's at equal quality, over the qualities that both reach, of the mean
curves of all clips. Within {EVEN:g} % two codecs count as even. Where there is no BD-rate, which the words explain, dB are PSNR more or
less than the anchor's at equal rates."""
