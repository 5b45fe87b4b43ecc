"""A command-line video compression toolkit whose codecs are learned video tokenizers.

    import vtc
    vtc.encode("clip.mp4", "clip.vtc", quality=50)
    vtc.decode("clip.vtc", "clip.mkv")
    with vtc.open("clip.vtc") as video:
        frames = video.frames[10:20]          # uint8 [10, height, width, 3]
        tokens = video.tokens(0)              # integer arrays by stream
    codec = vtc.load("onedva")                # encode and decode tensors

Names are loaded when they are first used: `import vtc` is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "encode": "vtc.codec.encode",
    "EncodeOptions": "vtc.codec.options",
    "EncodeResult": "vtc.codec.result",
    "decode": "vtc.codec.decode",
    "DecodeOptions": "vtc.codec.options",
    "DecodeResult": "vtc.codec.decode",
    "open": "vtc.codec.video",
    "Video": "vtc.codec.video",
    "load": "vtc.codec.tensors",
    "Codec": "vtc.codec.tensors",
    "Latents": "vtc.codec.tensors",
    "VtcError": "vtc.errors",
}

if TYPE_CHECKING:
    from vtc.codec.decode import DecodeResult, decode
    from vtc.codec.encode import encode
    from vtc.codec.options import DecodeOptions, EncodeOptions
    from vtc.codec.result import EncodeResult
    from vtc.codec.tensors import Codec, Latents, load
    from vtc.codec.video import Video, open
    from vtc.errors import VtcError

__all__ = [
    "Codec",
    "DecodeOptions",
    "DecodeResult",
    "EncodeOptions",
    "EncodeResult",
    "Latents",
    "Video",
    "VtcError",
    "decode",
    "encode",
    "load",
    "open",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vtc' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
