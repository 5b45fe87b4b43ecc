"""All codecs by name."""

from collections.abc import Iterable

from vtc.bench.anchors import ANCHORS
from vtc.bench.bundles import find_bundle
from vtc.bench.coder import Coder
from vtc.bench.vvenc import Vvenc
from vtc.errors import UsageError

CLASSICAL: dict[str, Coder] = {**ANCHORS, "vvenc": Vvenc()}


def find_coders(names: Iterable[str], device: str = "cpu") -> list[Coder]:
    """The codecs of these names, each once; a name that is none of CLASSICAL is that, or the path, of a bundle, to run on `device`.

    Raises `BundleError` where there is no such bundle, `UsageError` where there are no names.
    """
    stripped = dict.fromkeys(name.strip() for name in names if name.strip())
    if not stripped:
        raise UsageError("no codec is named", f"there are bundles, by name or path, and {', '.join(CLASSICAL)}")
    return [CLASSICAL[name] if name in CLASSICAL else find_bundle(name, device) for name in stripped]
