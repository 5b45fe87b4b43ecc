"""`vtc tokens`: the latents of a file as arrays, for other programs.

A grid stream becomes one array [slices, rows, columns, channels], a sequence [tokens, channels] with NAME.counts [segments, items] (a
tile has one item, or several in a row); streams of discrete tokens have their ids, [slices, rows, columns] or [tokens], as NAME.ids. Beside
them `pts` [frames], `frames` [segments], `leans` [segments] and `step` [segments]. Memory does not grow with the length of the video.
"""

from __future__ import annotations

import json as json_
import shutil
import zipfile
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from vtc.cli.options import Debug, Json, Quiet, Yes
from vtc.cli.output import Output, plain, readable
from vtc.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from vtc.container import Reader

EXAMPLES = ("vtc tokens clip.vtc -o clip.npz", "vtc tokens clip.vtc -o clip.safetensors")

NPZ, SAFETENSORS = ".npz", ".safetensors"

SAFE_TYPES = {"bool": "BOOL", "int8": "I8", "int16": "I16", "int32": "I32", "int64": "I64", "float32": "F32"}
"""Names of array types in the safetensors format."""


def tokens(
    source: Annotated[str, typer.Argument(metavar="IN.vtc", help="A .vtc file; - is stdin.")],
    output: Annotated[str, typer.Option("--output", "-o", metavar="OUT", help="By its ending: .npz or .safetensors.")],
    yes: Yes = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write the latents of a .vtc file, as integers, into arrays by stream."""
    if not output.endswith((NPZ, SAFETENSORS)):
        raise UsageError(f"{output}: the ending is not known", f"end it in {NPZ} or {SAFETENSORS}")
    from vtc.codec.output import refuse_existing, staged
    from vtc.container import open_reader

    refuse_existing(output, yes)
    out = Output(as_json=json, quiet=quiet)
    with ExitStack() as stack:
        reader = stack.enter_context(open_reader(source))
        file = stack.enter_context(staged(output, yes))
        spools = {}
        for name, part in parts(reader, out):
            if name not in spools:
                spool = stack.enter_context(TemporaryFile(dir=Path(output).absolute().parent))
                spools[name] = Spool(spool, part)
            spools[name].add(part)
        about = facts(reader)
        (write_npz if output.endswith(NPZ) else write_safetensors)(file, spools, about)
    shapes = {name: list(spool.shape) for name, spool in spools.items()}
    listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    values = {"output": output, "bytes": Path(output).stat().st_size, "arrays": shapes, **about}
    out.done(values, f"{output}: {readable(values['bytes'])}; {listed}")


def parts(reader: Reader, out: Output) -> Any:
    """(name, array) pairs, segment after segment; arrays of one name are to be joined along their first axis."""
    import numpy as np

    from vtc.codec.model import load_model
    from vtc.codec.player import Player
    from vtc.codec.streams import ids
    from vtc.codec.weights import find_identity

    model = load_model(find_identity(reader.header.bundle, reader.header.model), "cpu", None)
    frames = 0
    with out.progress("reading", reader.index.frames) as advance:
        for segment, symbols in Player(reader, model).symbols(0, len(reader.index.segments)):
            for stream in model.streams:
                kept = symbols.kept(stream.name)
                yield stream.name, kept.astype(np.min_scalar_type(-stream.bound))
                if stream.levels:
                    yield f"{stream.name}.ids", ids(kept, stream.levels)
                if stream.name in symbols.lengths:
                    yield f"{stream.name}.counts", np.array([symbols.lengths[stream.name]], np.int32)
            yield "pts", np.array(segment.pts, np.int64)
            yield "frames", np.array([segment.frames], np.int32)
            yield "leans", np.array([segment.leans])
            yield "step", np.array([segment.step], np.float32)
            frames += segment.frames
            advance(frames, 0)


def facts(reader: Reader) -> dict[str, Any]:
    """What arrays alone do not say."""
    header = reader.header
    size = {"width": header.width, "height": header.height, "clip_frames": header.clip_frames}
    values = {"model": header.model, "bundle": header.bundle, "time_base": header.time_base, "quality": header.quality}
    described: dict[str, Any] = plain({**values, **size})
    return described


class Spool:
    """The parts of one array, joined in a temporary file."""

    def __init__(self, file: Any, first: np.ndarray) -> None:
        self.file, self.type, self._rest, self._rows = file, first.dtype, first.shape[1:], 0

    @property
    def shape(self) -> tuple[int, ...]:
        return (self._rows, *self._rest)

    @property
    def bytes(self) -> int:
        return int(self.file.tell())

    def add(self, part: np.ndarray) -> None:
        """Append along the first axis."""
        self.file.write(part.tobytes())
        self._rows += len(part)

    def copy_to(self, file: Any) -> None:
        """Write all of it."""
        self.file.seek(0)
        shutil.copyfileobj(self.file, file, 1 << 20)


def write_npz(file: BinaryIO, spools: dict[str, Spool], about: dict[str, Any]) -> None:
    """A file for `numpy.load`; `about` is the array `header`, JSON in a string."""
    import numpy as np

    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, spool in spools.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as entry:
                shape = {"descr": np.lib.format.dtype_to_descr(spool.type), "fortran_order": False, "shape": spool.shape}
                np.lib.format.write_array_header_1_0(entry, shape)
                spool.copy_to(entry)
        with archive.open(zipfile.ZipInfo("header.npy"), "w") as entry:
            np.lib.format.write_array(entry, np.array(json_.dumps(about)), allow_pickle=False)


def write_safetensors(file: BinaryIO, spools: dict[str, Spool], about: dict[str, Any]) -> None:
    """A file for the safetensors library; `about` is its metadata. Written here because the library wants all arrays in memory."""
    header: dict[str, Any] = {"__metadata__": {name: str(value) for name, value in about.items()}}
    offset = 0
    widest_first = sorted(spools, key=lambda name: -spools[name].type.itemsize)  # keeps every array aligned
    for name in widest_first:
        spool = spools[name]
        span = [offset, offset := offset + spool.bytes]
        header[name] = {"dtype": SAFE_TYPES[spool.type.name], "shape": spool.shape, "data_offsets": span}
    text = json_.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for name in widest_first:
        spools[name].copy_to(file)
