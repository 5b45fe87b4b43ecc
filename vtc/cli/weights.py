"""`vtc weights`: the bundles at hand."""

from __future__ import annotations

from typing import Annotated

import typer

from vtc.cli.options import Debug, Json, Quiet
from vtc.cli.output import Output, readable

app = typer.Typer(
    no_args_is_help=True,
    help="The bundles at hand: list them, show a card, verify one. VTC_WEIGHTS names a folder that is searched first.",
    epilog="[bold]Examples[/bold]\n\n  vtc weights list\n\n  vtc weights show onedva-tiny",
)

Name = Annotated[str, typer.Argument(metavar="BUNDLE", help="Name or path of a bundle.")]


@app.command("list", epilog="[bold]Examples[/bold]\n\n  vtc weights list\n\n  VTC_WEIGHTS=~/bundles vtc weights list --json")
def list_(json: Json = False, quiet: Quiet = False, debug: Debug = False) -> None:
    """List the bundles at hand: name, size, hash, folder."""
    from rich.table import Table

    from vtc.codec.weights import bundles, folders

    found = bundles()
    table = Table("name", "bytes", "sha256", "path", box=None, header_style="bold", pad_edge=False)
    for bundle in found:
        table.add_row(bundle.name, readable(bundle.bytes), bundle.sha256[:16], str(bundle.path))
    rows = [{"name": b.name, "path": str(b.path), "bytes": b.bytes, "sha256": b.sha256} for b in found]
    out = Output(as_json=json, quiet=quiet)
    out.result({"bundles": rows, "folders": [str(place) for place in folders()]}, table)
    if not found and not json:
        out.note("no bundle at hand; VTC_WEIGHTS names a folder of them")


@app.command("show", epilog="[bold]Examples[/bold]\n\n  vtc weights show onedva-tiny\n\n  vtc weights show ./mine.safetensors --json")
def show(name: Name, json: Json = False, quiet: Quiet = False, debug: Debug = False) -> None:
    """Show a bundle's card: what it is, how it was trained, what it scores."""
    from rich.markdown import Markdown
    from rich.pretty import Pretty

    from vtc.codec.weights import describe, find

    bundle = describe(find(name))
    page = bundle.path.with_suffix(".md")
    shown = Markdown(page.read_text(encoding="utf-8")) if page.is_file() else Pretty(bundle.card)
    head = f"[bold]{bundle.name}[/bold]  {readable(bundle.bytes)}  sha256 {bundle.sha256}\n{bundle.path}\n"
    values = {"name": bundle.name, "path": str(bundle.path), "bytes": bundle.bytes, "sha256": bundle.sha256}
    Output(as_json=json, quiet=quiet).result({**values, "card": bundle.card}, head, shown)


@app.command("verify", epilog="[bold]Examples[/bold]\n\n  vtc weights verify onedva-tiny")
def verify(name: Name, json: Json = False, quiet: Quiet = False, debug: Debug = False) -> None:
    """Load a bundle and check that it is whole and fits this program."""
    from vtc.codec.weights import describe, find
    from vtc.tokenizers.bundle import load_bundle

    path = find(name)
    bundle = load_bundle(path)
    described = describe(path)
    parameters = sum(p.numel() for p in bundle.tokenizer.parameters())
    streams = [stream.name for stream in bundle.tokenizer.streams]
    values = {"name": described.name, "path": str(path), "sha256": described.sha256, "ok": True}
    Output(as_json=json, quiet=quiet).result(
        {**values, "parameters": parameters, "streams": streams},
        f"{described.name}: whole, {parameters:,} parameters, streams {', '.join(streams)}, sha256 {described.sha256}",
    )
