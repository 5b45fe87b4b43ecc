"""The report of made-up rows: whole, self-contained, plain about losses, and safe against names that are markup."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="plots come with the bench extra")
pytest.importorskip("bjontegaard", reason="BD-rate comes with the bench extra")

from PIL import Image

from tests.bench.made_up import failed, made_up
from vtc.bench.curves import curves
from vtc.bench.publish import publish
from vtc.bench.report.findings import verdicts
from vtc.bench.report.html import Html, join, tag, text
from vtc.bench.report.pictures import read_picture, shown
from vtc.bench.row import Row
from vtc.bench.style import looks
from vtc.bench.summary import comparisons

HOSTILE = "<script>alert('1')</script>&\".mp4"
VOID = {"meta", "img", "source", "br"}


class Page(HTMLParser):
    """Notes tags that do not match, and what the page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.fetched: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.add(name)
        self.fetched += [value or "" for key, value in attributes if key in ("src", "srcset", "href")]
        if name not in VOID:
            self.open.append(name)

    def handle_endtag(self, name: str) -> None:
        assert self.open.pop() == name

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def write(rows: list[Row], folder: Path) -> list[Row]:
    """results.jsonl of rows, with pictures of noise."""
    (folder / "pictures").mkdir()
    rng = np.random.default_rng(0)
    pictured = []
    for row in rows:
        if row.status == "done":
            row = replace(row, picture=f"pictures/{row.key}.png")
            for name in (row.picture, row.source_picture):
                Image.fromarray(rng.integers(0, 256, (8, 20, 3), np.uint8)).save(folder / name)
        pictured.append(row)
    (folder / "results.jsonl").write_text("".join(row.to_json() + "\n" for row in pictured), encoding="utf-8")
    return pictured


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    clips = {"calm.mp4": 0.4, "wild.mp4": 2.5, HOSTILE: 1.0}
    rows = made_up({"x264": 1.0, "svtav1": 0.6, "onedva-toy": 1.2}, clips)
    rows[0] = failed(rows[0])
    write(rows, folder)
    publish(folder)
    return folder


def test_everything_is_written_and_the_same_again(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert {"summary.csv", "bd_rate.csv", "report.html"} <= set(before)
    assert "plot_made-up-128-32-frames-default-psnr.png" in before
    assert "plot_made-up-128-32-frames-default-onedva-toy-rate-by-stream.png" in before
    assert {path.name for path in publish(folder)} == set(before) - {"results.jsonl"}
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


def test_the_page_is_whole_and_needs_no_other_file(folder: Path) -> None:
    page = Page()
    page.feed((folder / "report.html").read_text(encoding="utf-8"))
    page.close()
    assert page.open == []
    assert page.fetched
    assert all(address.startswith(("data:image/", "#")) for address in page.fetched)
    anchors = {address[1:] for address in page.fetched if address.startswith("#")}
    assert all(f'id="{name}"' in (folder / "report.html").read_text(encoding="utf-8") for name in anchors)


def test_names_are_text_and_never_markup(folder: Path) -> None:
    page = Page()
    page.feed((folder / "report.html").read_text(encoding="utf-8"))
    assert "script" not in page.seen
    assert any(HOSTILE in words for words in page.words)


def test_losses_come_first_and_plainly(folder: Path) -> None:
    page = Page()
    page.feed((folder / "report.html").read_text(encoding="utf-8"))
    words = "".join(page.words)
    assert re.search(r"By PSNR it loses to SVT-AV1 \(\+\d+ % bytes\) and x264 \(\+20 %\)\.", words)
    assert words.index("against x264") < words.index("+20 %") < words.index("it loses to") < words.index("Bytes at equal quality")
    assert "it broke" in words  # the failed row, with its reason
    assert "needs torchvision's AlexNet" in words  # the metric that is missing
    assert "ab" * 32 in words  # the bundle
    assert f"code {HOSTILE}" in words  # a command


def said(factor: float, steps: range = range(5)) -> tuple[str, ...]:
    rows = made_up({"x264": 1.0}) + made_up({"onedva-toy": factor}, steps=steps)
    found = curves(rows)
    (verdict,) = verdicts(comparisons(found), looks(curve.series for curve in found))
    return verdict.lines


def test_verdicts_say_who_wins_and_what_has_no_figure() -> None:
    assert said(1.5)[0] == "By PSNR it loses to x264 (+50 % bytes)."
    assert said(0.5)[0] == "By PSNR it wins against x264 (−50 % bytes)."
    assert said(1.002)[0].startswith("By PSNR it is even with x264")
    assert said(1.5)[1] == "SSIM and SqueezeNet feature distance say the same."
    apart = said(40.0, range(-6, -2))[0]
    assert "no BD-rate against x264, because the curves share less than half" in apart
    assert "dB worse than x264" in apart
    alone = said(0.5, range(-2, -1))[0]
    assert alone == (
        "By PSNR it has no BD-rate against x264, because the anchor's curve reaches the quality of none of its points; "
        "it has 18.00 dB at 0.00401 bpp, x264 24.00 dB at 0.026 bpp."
    )


def test_pictures_are_of_nearly_equal_rates(tmp_path: Path) -> None:
    rows = write(made_up({"x264": 1.0, "onedva-toy": 1.2, "vp9": 60.0}), tmp_path)
    found = shown(curves(rows))
    assert {each.clip for each in found} == {"calm.mp4", "middle.mp4", "wild.mp4"}
    for each in found:
        assert {curve.series.codec for curve, _ in each.rows} == {"x264", "onedva-toy"}
        assert all(1 / 1.5 <= row.bpp / each.bpp <= 1.5 for _, row in each.rows)
        assert [curve.series.codec for curve, _ in each.far] == ["vp9"]


def test_of_large_frames_the_middle_is_shown(tmp_path: Path) -> None:
    wide = np.zeros((500, 2 * 700 + 4, 3), np.uint8)
    wide[250, 350], wide[250, 704 + 350] = 255, 200
    Image.fromarray(wide).save(tmp_path / "wide.png")
    (tmp_path / "out.png").write_bytes(read_picture(tmp_path / "wide.png", 700, 500) or b"")
    cut = np.asarray(Image.open(tmp_path / "out.png"))
    assert cut.shape == (240, 2 * 320 + 4, 3)
    assert (cut[120, 160] == 255).all() and (cut[120, 324 + 160] == 200).all()
    assert read_picture(tmp_path / "missing.png", 700, 500) is None


def test_a_report_of_nothing_says_so(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").write_text("")
    publish(tmp_path)
    words = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "No bundle of vtc is among the results." in words


def test_markup_is_made_of_escaped_text() -> None:
    assert tag("p", "a < b", Html("<br>"), class_="x\"y", id=None) == '<p class="x&quot;y">a &lt; b<br></p>'
    assert join(["<", tag("b", "&")], ", ") == "&lt;, <b>&amp;</b>"
    assert text(None) == ""
