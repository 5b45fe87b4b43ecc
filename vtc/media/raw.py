"""Raw Y'CbCr files (.yuv), which say nothing of themselves: what their names tell.

The size must be in the name, as WIDTHxHEIGHT or as qcif, cif, 4cif; the frame rate behind the size (`foo_352x288_30.yuv`, `…_120fps_…`)
is 25 where it is missing, chroma (420, 422, 444) 4:2:0 and depth (`10bit`) 8 bits.
"""

import re
from pathlib import Path

from vtc.errors import MediaError

ENDING = ".yuv"

_NAMED = {"qcif": (176, 144), "cif": (352, 288), "4cif": (704, 576)}
_BETWEEN = r"(?:^|[._-])"
_END = r"(?=$|[._-])"


def raw_options(path: str | Path) -> dict[str, str] | None:
    """FFmpeg's options for reading a raw file by its name; None of files with another ending. Raises `MediaError` where the name has no
    size, or one that the file's length does not fit."""
    path = Path(path)
    if path.suffix.lower() != ENDING:
        return None
    name = path.stem.lower()
    size = re.search(r"(\d{2,5})x(\d{2,5})", name)
    format_ = re.search(_BETWEEN + r"(qcif|4cif|cif)" + _END, name)
    if size:
        width, height, rest = int(size[1]), int(size[2]), name[size.end() :]
    elif format_:
        (width, height), rest = _NAMED[format_[1]], name[format_.end() :]
    else:
        raise MediaError(f"'{path}' is raw video, and its name does not tell the size", "name it like foo_352x288_30.yuv")
    chroma = re.search(r"(?:yuv|p|" + _BETWEEN + r")(420|422|444)(?!\d)", rest)
    depth = re.search(r"(\d{1,2})-?bit", rest)
    bits = int(depth[1]) if depth else 8
    if bits not in (8, 10, 12):
        raise MediaError(f"'{path}': raw video of {bits} bits is not known", "8, 10 and 12 are")
    # What is left are the rate and words; chroma and depth are numbers too.
    for known in (chroma, depth):
        rest = rest.replace(known[0], "_", 1) if known else rest
    rate = re.search(_BETWEEN + r"(\d{1,3}(?:\.\d{1,3})?)(?:fps|hz)?" + _END, rest)
    sampling = chroma[1] if chroma else "420"
    frame = round(width * height * {"420": 1.5, "422": 2, "444": 3}[sampling]) * (1 if bits == 8 else 2)
    if frame == 0 or (path.is_file() and path.stat().st_size % frame):
        raise MediaError(f"'{path}' is not a whole number of {width}x{height} pictures in 4:{sampling[1]}:{sampling[2]}", "check its name")
    return {
        "video_size": f"{width}x{height}",
        "pixel_format": f"yuv{sampling}p" + (f"{bits}le" if bits > 8 else ""),
        "framerate": rate[1] if rate else "25",
    }
