"""`vtc weights`: the bundles at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vtc.cli.options import Debug, Json, Quiet, Yes
from vtc.cli.output import Output, readable
from vtc.errors import UsageError

app = typer.Typer(
    no_args_is_help=True,
    help="The bundles at hand: list, show a card, verify, import another program's. VTC_WEIGHTS names a folder that is searched first.",
    epilog="[bold]Examples[/bold]\n\n  vtc weights list\n\n  vtc weights show onedva-tiny",
)

IMPORT_EXAMPLE = "vtc weights import coordtok ckpt.pth -o coordtok-official.safetensors --calibrate clips/"

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


@app.command("import", epilog=f"[bold]Examples[/bold]\n\n  {IMPORT_EXAMPLE}")
def import_(
    kind: Annotated[str, typer.Argument(metavar="coordtok", help="Whose checkpoint it is: the public CoordTok code's.")],
    checkpoint: Annotated[Path, typer.Argument(metavar="CKPT", help="Its .pth, or a .safetensors with the same names.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="BUNDLE", help="Where to; ends in .safetensors.")],
    calibrate: Annotated[Path, typer.Option("--calibrate", metavar="DIR", help="Clips that quantiser and tables are fitted to.")],
    clips: Annotated[int, typer.Option("--clips", metavar="N", min=1, help="How many of them.")] = 8,
    heads: Annotated[
        str | None, typer.Option("--heads", metavar="E,D", help="Of encoder and decoder.", show_default="one for 64 channels")
    ] = None,
    patch_time: Annotated[int, typer.Option("--patch-time", metavar="N", min=1, help="Frames of a decoded patch.")] = 1,
    yes: Yes = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Make a bundle of another program's checkpoint. Nothing in the checkpoint is run."""
    from vtc.codec.output import refuse_existing

    if kind != "coordtok":
        raise UsageError(f"checkpoints of {kind} cannot be imported", "coordtok can")
    if output.suffix != ".safetensors":
        raise UsageError(f"{output}: the name of a bundle ends in .safetensors", f"-o {output.stem}.safetensors")
    if not checkpoint.is_file():
        raise UsageError(f"there is no file {checkpoint}", "give the .pth of the public code")
    refuse_existing(output, yes)
    pair = None
    if heads is not None:
        parts = heads.split(",")
        if len(parts) != 2 or not all(part.isdecimal() and int(part) for part in parts):
            raise UsageError(f"--heads {heads!r} is not a pair of numbers", "give those of encoder and decoder: 16,16")
        pair = int(parts[0]), int(parts[1])
    voice = Output(as_json=json, quiet=quiet)

    from vtc.codec.weights import describe
    from vtc.training.importing import import_coordtok
    from vtc.training.report import Reporter

    class Voice(Reporter):
        """What the import says, on stderr."""

        def say(self, text: str) -> None:
            voice.note(text)

    model = import_coordtok(
        checkpoint, output, calibrate, count=clips, heads=pair, patch_time=patch_time, reporter=Voice()
    )
    bundle = describe(output)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    values = {"bundle": output, "bytes": bundle.bytes, "sha256": bundle.sha256, "parameters": parameters}
    voice.done(values, f"{output}: {readable(bundle.bytes)}, {parameters:,} parameters, sha256 {bundle.sha256[:16]}")
