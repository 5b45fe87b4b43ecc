"""Bundles at hand: found by name, path or identity, described without torch.

The folder that VTC_WEIGHTS names is searched first, then the released bundles that come with the program.
"""

import functools
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import vtc
from vtc.errors import BundleError

ENDING = ".safetensors"
SIZES = ("tiny", "small", "base", "official")


@dataclass(frozen=True)
class BundleFile:
    """A bundle on disk: `identity` is the sha256 of the file, `card` what it says of itself (JSON):
    its tokenizer, config and streams, and what its makers put there."""

    name: str
    path: Path
    identity: bytes
    bytes: int
    card: dict[str, Any]

    @property
    def sha256(self) -> str:
        return self.identity.hex()


def folders() -> list[Path]:
    """Where bundles are looked for, in order; folders that do not exist are left out."""
    package = Path(vtc.__file__).parent
    places = [package / "weights", package.parent / "weights"]
    named = os.environ.get("VTC_WEIGHTS")
    if named:
        places.insert(0, Path(named).expanduser())
    return [place for place in places if place.is_dir()]


def paths() -> list[Path]:
    """All bundles at hand; where two folders have one of the same name, the first is taken."""
    found: dict[str, Path] = {}
    for folder in folders():
        for path in sorted(folder.glob("*" + ENDING)):
            found.setdefault(path.stem, path)
    return [found[name] for name in sorted(found)]


def bundles() -> list[BundleFile]:
    """Descriptions of all bundles at hand that can be read."""
    readable = []
    for path in paths():
        try:
            readable.append(describe(path))
        except BundleError:
            continue
    return readable


def find(model: str) -> Path:
    """The bundle of a name or path. `onedva` finds `onedva-tiny` and the like: the smallest size first."""
    if model.endswith(ENDING) or os.sep in model:
        path = Path(model).expanduser()
        if not path.is_file():
            raise BundleError(f"no bundle at {model}", "`vtc weights list` shows those at hand")
        return path
    at_hand = {path.stem: path for path in paths()}
    for name in (model, *(f"{model}-{size}" for size in SIZES)):
        if name in at_hand:
            return at_hand[name]
    places = ", ".join(map(str, folders())) or "no folder"
    known = ", ".join(at_hand) or "none"
    raise BundleError(
        f"no bundle named {model!r} in {places}", f"at hand: {known}; VTC_WEIGHTS names a folder of more"
    )


def find_identity(wanted: bytes, name: str) -> Path:
    """The bundle whose file has the sha256 `wanted`, or one that was made of it by adding context tables (its card `reads` the files of the
    other). `name` is the name that the bundle had when the `.vtc` file was made."""
    candidates = [path for folder in folders() for path in sorted(folder.glob("*" + ENDING))]
    candidates.sort(key=lambda path: path.stem != name)
    for path in candidates:
        if identity(path) == wanted:
            return path
    for path in candidates:
        if _reads(path, wanted):
            return path
    same_name = next((path for path in candidates if path.stem == name), None)
    if same_name is not None:
        raise BundleError(
            f"the file was made with bundle {name} of sha256 {wanted.hex()}; {same_name} is another one, "
            f"sha256 {identity(same_name).hex()}",
            "put the right file into a folder and name that in VTC_WEIGHTS",
        )
    raise BundleError(
        f"the file was made with bundle {name}, sha256 {wanted.hex()}, which is not at hand",
        f"put {name}{ENDING} into a folder and name that in VTC_WEIGHTS",
    )


def _reads(path: Path, wanted: bytes) -> bool:
    """Whether a bundle says that it decodes the files of another."""
    try:
        return wanted.hex() in describe(path).card.get("reads", [])
    except BundleError:
        return False


def identity(path: Path) -> bytes:
    """The sha256 of a bundle's file; computed again only when the file has changed."""
    try:
        state = path.stat()
    except OSError as problem:
        raise BundleError(f"cannot read bundle {path}: {problem.strerror}") from problem
    return _identity(path, state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=256)
def _identity(path: Path, _changed: int, _size: int) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as problem:
        raise BundleError(f"cannot read bundle {path}: {problem.strerror}") from problem


def describe(path: Path) -> BundleFile:
    """Name, identity and card of a bundle, read without torch. BundleError where it is no bundle."""
    return _describe(path, identity(path))


@functools.lru_cache(maxsize=64)
def _describe(path: Path, sha: bytes) -> BundleFile:
    metadata = _metadata(path)
    try:
        header = json.loads(metadata["vtc"])
        told = {name: header[name] for name in ("tokenizer", "config", "streams") if name in header}
        card = {**told, **header["card"]}
    except (KeyError, TypeError, ValueError) as problem:
        raise BundleError(f"{path} is not a bundle of vtc", "`vtc weights list` shows those at hand") from problem
    return BundleFile(path.stem, path, sha, path.stat().st_size, card)


def _metadata(path: Path) -> dict[str, str]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as problem:
        raise BundleError(f"cannot read bundle {path}: {problem}", "copy it again") from problem
