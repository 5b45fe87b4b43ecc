"""report.html as a whole.

In this order: what it says about the bundles, where they lose first; curves, tables and pictures for every data set, protocol and rule for
key frames; speed; what failed or was not to be had; how everything was measured.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from string import Template

from vtc.bench.report.findings import EVEN, listed, verdicts
from vtc.bench.report.group import group_section
from vtc.bench.report.html import Html, join, tag, text
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
    parts: list[Html] = []
    for group, curves in groups(results.curves).items():
        bundles = [curve.series for curve in curves if curve.series.ours]
        said = {verdict.series: verdict.lines for verdict in verdicts(results.within(curves), results.looks)}
        if bundles:
            parts.append(tag("h3", group_title(group)))
        for series in bundles:
            lines = said.get(series, ("No anchor was measured that it could be held against.",))
            parts.append(tag("div", tag("h4", results.looks[series].name), *(tag("p", line) for line in lines), class_="verdict"))
    if not parts:
        return tag("p", "No bundle of vtc is among the results.")
    rule = (
        "Per cent are BD-rates: bytes more or fewer than an anchor's at equal quality, over the qualities that both reach, of the mean "
        f"curves of all clips. Within {EVEN:g} % two codecs count as even."
    )
    return join([*parts, tag("p", rule, class_="note")])
