"""The command line: one file a verb. It prints, asks and exits; whatever a library user would miss lives below."""


def main() -> None:
    """The `vtc` script: run the command line and exit with its status."""
    from vtc.cli.app import run

    raise SystemExit(run())
