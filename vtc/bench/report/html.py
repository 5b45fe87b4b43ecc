"""Pieces of HTML. Whatever is not `Html` is text and gets escaped, so nothing of a file's name or an error's words becomes markup."""

import base64
from collections.abc import Iterable, Sequence
from html import escape


class Html(str):
    """Markup that is ready."""

    __slots__ = ()


Cell = str | Html | None


def text(value: object) -> Html:
    """Escaped, unless it is `Html` already; nothing of None."""
    return value if isinstance(value, Html) else Html("" if value is None else escape(str(value)))


def tag(name: str, *content: object, **attributes: object) -> Html:
    """An element; attributes without a value are left out, `class_` is `class`."""
    words = "".join(f' {key.rstrip("_")}="{escape(str(value))}"' for key, value in attributes.items() if value is not None)
    return Html(f"<{name}{words}>{''.join(map(text, content))}</{name}>")


def join(parts: Iterable[object], between: str = "") -> Html:
    """Parts one after the other."""
    return Html(text(between).join(map(text, parts)))


def table(head: Sequence[Cell], rows: Iterable[Sequence[Cell]], words: int = 1, caption: str = "", prose: bool = False) -> Html:
    """A table in a box that scrolls sideways, under its caption. The first `words` columns are text, the others numbers; with `prose` the
    last may break."""

    def line(kind: str, cells: Sequence[Cell]) -> Html:
        classes = [None if at < words else "number" for at in range(len(cells))]
        if prose:
            classes[-1] = "prose"
        return tag("tr", *(tag(kind, cell, class_=name) for cell, name in zip(cells, classes)))

    whole = tag("table", tag("thead", line("th", head)), tag("tbody", *(line("td", cells) for cells in rows)))
    return join([tag("p", caption, class_="caption") if caption else "", tag("div", whole, class_="scroll", tabindex=0)])


def data_uri(content: bytes, kind: str) -> str:
    """A file as an address that holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def themed(light: bytes, dark: bytes, alt: str) -> Html:
    """An SVG that follows the reader's choice of light or dark."""
    source = Html(f'<source media="(prefers-color-scheme: dark)" srcset="{data_uri(dark, "image/svg+xml")}">')
    return tag("picture", source, Html(f'<img src="{data_uri(light, "image/svg+xml")}" alt="{escape(alt)}">'), class_="plot")


def details(summary: object, *content: object) -> Html:
    """Content behind a line that opens it."""
    return tag("details", tag("summary", summary), *content)
