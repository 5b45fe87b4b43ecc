"""The `vtc` command: its verbs, and the frame around each run (failures, interrupts, exit status)."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import Annotated, Any, NoReturn

import typer

from vtc.cli import bench, compare, decode, demo, encode, info, tokens, train, verify, weights
from vtc.cli.errors import INTERRUPTED, report
from vtc.cli.options import State

app = typer.Typer(
    name="vtc",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Try first: [bold]vtc demo[/bold]      Then: [bold]vtc encode clip.mp4 -o clip.vtc[/bold]",
)


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        sys.stdout.write(f"vtc {version('vtc')}\n")
        raise typer.Exit


@app.callback()
def vtc(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Video compression by learned tokenizers: video in, a small .vtc file, video out."""


def _verb(name: str, function: Callable[..., Any], *examples: str, group: typer.Typer = app) -> None:
    shown = "\n\n".join(["[bold]Examples[/bold]", *(f"  {line}" for line in examples)])
    group.command(name, epilog=shown)(function)


_verb("encode", encode.encode, *encode.EXAMPLES)
_verb("decode", decode.decode, *decode.EXAMPLES)
_verb("info", info.info, *info.EXAMPLES)
_verb("verify", verify.verify, *verify.EXAMPLES)
_verb("compare", compare.compare, *compare.EXAMPLES)
_verb("tokens", tokens.tokens, *tokens.EXAMPLES)
_verb("bench", bench.bench, *bench.EXAMPLES)
_verb("train", train.train, *train.EXAMPLES)
_verb("demo", demo.demo, *demo.EXAMPLES)
app.add_typer(weights.app, name="weights")


def run(arguments: list[str] | None = None) -> int:
    """Run one command line (default: that of the process) and return its exit status; whatever fails is reported on stderr."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        typer.main.get_command(app)(arguments, prog_name="vtc")
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        return report(KeyboardInterrupt(), debug=False) if status == INTERRUPTED else status
    except BaseException as error:
        return report(error, debug=State.debug)
    return 0


def _terminated(number: int, frame: object) -> NoReturn:
    """`kill` removes partial outputs just as Ctrl-C does."""
    raise SystemExit(128 + number)
