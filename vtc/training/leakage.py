"""Training and evaluation clips must not mix: what is judged with must not have been trained on.

Files are compared by content (sha256), whatever they are called. Only files whose sizes collide are read.
"""

import csv
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from vtc.errors import TrainingError

MANIFEST = "MANIFEST.csv"
"""Lists a folder's clips; of its columns `bytes` and `sha256` are read. Clips need not lie in the folder themselves."""


def check_leakage(training: Iterable[Path], evaluation: Sequence[Path], listed: Sequence[Path]) -> None:
    """Raise `TrainingError` where a training file is an evaluation file too, or is listed in an evaluation folder's manifest.

    `evaluation`: the evaluation files; `listed`: manifests.
    """
    files: dict[int, list[Path]] = defaultdict(list)
    hashes: dict[int, set[str]] = defaultdict(set)
    for path in evaluation:
        files[path.stat().st_size].append(path)
    for manifest in listed:
        for size, digest in _rows(manifest):
            hashes[size].add(digest)
    found = []
    for path in training:
        size = path.stat().st_size
        judged = hashes.get(size, set())
        if size in files:
            judged |= {sha256(other) for other in files.pop(size)}
            hashes[size] = judged
        if judged and sha256(path) in judged:
            found.append(path)
    if found:
        names = ", ".join(str(path) for path in found[:3]) + (", …" if len(found) > 3 else "")
        hint = "take them out of the training data, or figures would mean nothing"
        raise TrainingError(f"{len(found)} training videos are evaluation clips: {names}", hint)


def sha256(path: Path) -> str:
    """Of a file's content, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _rows(manifest: Path) -> list[tuple[int, str]]:
    """Size and sha256 of every clip in a manifest that tells both; nothing of one that does not."""
    try:
        with manifest.open(newline="", encoding="utf-8") as file:
            return [(int(row["bytes"]), row["sha256"].lower()) for row in csv.DictReader(file)]
    except KeyError:
        return []
    except (ValueError, TypeError, AttributeError, OSError) as error:
        raise TrainingError(f"{manifest} cannot be read: {error}", "mend it, or take it away") from error
