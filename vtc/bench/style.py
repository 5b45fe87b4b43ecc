"""How codecs look in plots and in the report: one colour each, wherever they appear, on light and on dark paper."""

from collections.abc import Iterable
from dataclasses import dataclass

from vtc.bench.curves import Series


@dataclass(frozen=True)
class Theme:
    """Colours of one paper. `hue`: which of a codec's two colours is used (0 on light, 1 on dark)."""

    paper: str
    ink: str
    quiet: str
    grid: str
    hue: int


LIGHT = Theme(paper="#ffffff", ink="#1c2024", quiet="#60676f", grid="#e4e7ea", hue=0)
DARK = Theme(paper="#14171a", ink="#e8eaec", quiet="#9aa2aa", grid="#2b3036", hue=1)

# Ours are warm, the classical ones cool; each pair has the same hue on light and on dark paper.
_COLOURS = {
    "onedva": ("#c8322b", "#ff7a70"),
    "coordtok": ("#c77700", "#f5a836"),
    "vtok": ("#b0307f", "#f07cc0"),
    "dera": ("#8a5a2b", "#d39b63"),
    "x264": ("#737b84", "#a3abb3"),
    "x265": ("#2563b0", "#6fa8f0"),
    "svtav1": ("#128067", "#45c2a3"),
    "vp9": ("#7a8a1f", "#b5c552"),
    "vvenc": ("#5b4bb3", "#a598f2"),
}
_OTHERS = (("#00788a", "#3fc1d6"), ("#9c4f96", "#d592cf"), ("#4f6d3a", "#93b67c"), ("#a04040", "#e08a8a"))

_NAMES = {"svtav1": "SVT-AV1", "vp9": "VP9", "vvenc": "VVenC", "x264": "x264", "x265": "x265"}


@dataclass(frozen=True)
class Look:
    """Of one series. `name`: for people; `colour`: on light and on dark paper; `dash`: of its line, None for an unbroken one."""

    name: str
    colour: tuple[str, str]
    dash: tuple[float, ...] | None
    ours: bool


_DASHES: tuple[tuple[float, ...] | None, ...] = (None, (4.0, 1.6), (1.3, 1.5), (6.0, 1.5, 1.3, 1.5))


def family(codec: str) -> str:
    """What a codec is a kind of: x265 of x265-half, onedva of onedva-tiny."""
    return codec.partition("-")[0]


def colour_of(codec: str) -> tuple[str, str]:
    """Its colour on light and on dark paper, outside of a set of series."""
    return _COLOURS.get(family(codec), _OTHERS[0])


def looks(series: Iterable[Series]) -> dict[Series, Look]:
    """A look for every series, the same for the same set of them.

    Presets are named only where a codec has several; series that would be called the same are told apart by what differs in their settings.
    """
    every = sorted(set(series))
    presets = {codec: {one.preset for one in every if one.codec == codec} for codec in {one.codec for one in every}}
    unknown = sorted({family(one.codec) for one in every} - set(_COLOURS))
    colours = _COLOURS | {name: _OTHERS[number % len(_OTHERS)] for number, name in enumerate(unknown)}
    kinds: dict[str, list[tuple[str, str, str]]] = {}
    found: dict[Series, Look] = {}
    for one in every:
        alike, kind = kinds.setdefault(family(one.codec), []), (one.codec, one.preset, one.variant)
        if kind not in alike:  # data sets and key frames stand in plots of their own, so they share a dash
            alike.append(kind)
        dash = _DASHES[alike.index(kind) % len(_DASHES)]
        found[one] = Look(_title(one, len(presets[one.codec]) > 1), colours[family(one.codec)], dash, one.ours)
    return _told_apart(found)


def _title(series: Series, preset: bool) -> str:
    base, _, kind = series.codec.partition("-")
    name = f"{_NAMES[base]} {kind}".strip() if base in _NAMES else series.codec
    variant = series.variant.replace("steps", "steps ")
    return " ".join(filter(None, (name, series.preset if preset and series.preset != "-" else "", variant)))


def _told_apart(found: dict[Series, Look]) -> dict[Series, Look]:
    """The same, with names that no two series of one group share."""
    result = dict(found)
    for one, look in found.items():
        group = (one.dataset, one.protocol, one.keyframes)
        twins = [other for other in found if (other.dataset, other.protocol, other.keyframes) == group and found[other].name == look.name]
        if len(twins) > 1:
            common = set.intersection(*(set(other.told) for other in twins))
            words = [value for name, value in one.told if (name, value) not in common]
            if len({other.bundle for other in twins}) > 1:
                words.insert(0, one.bundle[:6])
            result[one] = Look(f"{look.name} ({', '.join(words)})", look.colour, look.dash, look.ours)
    return result
