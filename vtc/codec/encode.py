"""`vtc.encode`: a video, or a `.vtc` file to be cut, into a `.vtc` file."""

import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from vtc.codec.encoding import Encoding
from vtc.codec.model import load_model
from vtc.codec.options import EncodeOptions, changed
from vtc.codec.output import refuse_existing, staged
from vtc.codec.result import EncodeResult, Progress
from vtc.codec.targets import target_of
from vtc.codec.trials import encode_to_target
from vtc.codec.truncate import truncate
from vtc.codec.weights import find
from vtc.container import is_vtc
from vtc.media import open_source


def encode(
    source: str | Path,
    output: str | Path,
    options: EncodeOptions | None = None,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
    **changes: Any,
) -> EncodeResult:
    """Encode the video `source` into the `.vtc` file `output` (`-`: standard input or output). Where `source` is a `.vtc` file, its 1D
    latents are cut to `length` or `tokens`, see `truncate`.

    `changes` are single options by name: `encode("a.mp4", "a.vtc", quality=70)`. With a target (`bpp`, `max_bytes`, `min_psnr`) the
    video is encoded several times, and what comes through a pipe is kept in a temporary file meanwhile. The output appears when it is
    whole; after an error or an interrupt nothing is left. Raises a `VtcError`: MediaError, BundleError, OutputError, TargetError or
    UsageError.
    """
    options = changed(options or EncodeOptions(), changes)
    refuse_existing(output, overwrite)
    if is_vtc(source):
        return truncate(source, output, options, overwrite, progress)
    path, target = find(options.model), target_of(options)
    with ExitStack() as stack:
        if target is not None:
            model = load_model(path, options.device, options.threads)
            file = stack.enter_context(staged(output, overwrite))
            began = time.perf_counter()
            result = encode_to_target(source, file, model, options, target, progress)
            seconds = time.perf_counter() - began
            return replace(result, seconds=seconds, fps=result.frames / max(seconds, 1e-9))
        opened = open_source(
            source, start=options.start, end=options.end, size=options.size, fps=options.fps, threads=options.threads or 0
        )
        video = stack.enter_context(opened)
        model = load_model(path, options.device, options.threads)
        file = stack.enter_context(staged(output, overwrite))
        encoding = Encoding(video, model, options, options.quality)
        began = time.perf_counter()
        encoding.run(file, progress)
        return encoding.result(time.perf_counter() - began)
