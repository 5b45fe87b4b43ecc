"""Outputs without a codec: y4m, npy, and a folder of png."""

from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from vtc.errors import UsageError
from vtc.media.colour import Colour, usual_matrix
from vtc.media.convert import FromRgb
from vtc.media.output import StagedFile, StagedFolder, explained
from vtc.media.sink import SinkInfo, VideoSink


class Y4mSink(VideoSink):
    """Raw Y'CbCr 4:4:4 of 8 bits. The format names no matrix, so it is the one that players assume for the height."""

    def __init__(self, path: str | Path, info: SinkInfo) -> None:
        super().__init__(info)
        full = info.colour.full_range and info.colour.matrix != 0
        self._convert = FromRgb(
            info.width, info.height, "yuv444p", Colour(matrix=usual_matrix(info.height), full_range=full)
        )
        self._output = StagedFile(path)
        rate = info.frame_rate or 25
        if info.frame_rate is None:
            self.warnings.append("y4m needs a constant frame rate: 25 is written")
        head = f"YUV4MPEG2 W{info.width} H{info.height} F{rate.numerator}:{rate.denominator} Ip"
        head += f" A{info.sar.numerator}:{info.sar.denominator} C444 XCOLORRANGE={'FULL' if full else 'LIMITED'}\n"
        self._output.begin(head.encode())

    def write(self, rgb: npt.NDArray[np.uint8], pts: int, duration: int) -> None:
        self._without_times("y4m", duration)
        frame = self._convert(rgb)
        with explained(self._output.name):
            self._output.file.write(b"FRAME\n")
            for plane in frame.planes:
                rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
                self._output.file.write(rows[:, : plane.width].tobytes())

    def _finish(self) -> None:
        self._output.commit()

    def _discard(self) -> None:
        self._output.discard()


class NpySink(VideoSink):
    """A NumPy array uint8 [frames, height, width, 3]; its header is written again at the end, when the frames are counted."""

    def __init__(self, path: str | Path, info: SinkInfo) -> None:
        super().__init__(info)
        if str(path) == "-":
            raise UsageError("npy cannot be written to a pipe", "give a file name, or use y4m")
        self._frames = 0
        self._output = StagedFile(path)
        self._output.begin(self._header())

    def _header(self) -> bytes:
        shape = (self._frames, self.info.height, self.info.width, 3)
        text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
        return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode("latin-1")

    def write(self, rgb: npt.NDArray[np.uint8], pts: int, duration: int) -> None:
        expected = (self.info.height, self.info.width, 3)
        if rgb.shape != expected or rgb.dtype != np.uint8:
            raise ValueError(f"a picture of {rgb.shape} {rgb.dtype}, expected {expected} uint8")
        self._without_times("npy", duration)
        with explained(self._output.name):
            self._output.file.write(np.ascontiguousarray(rgb).data)
        self._frames += 1

    def _finish(self) -> None:
        with explained(self._output.name):
            self._output.file.seek(0)
            self._output.file.write(self._header())
        self._output.commit()

    def _discard(self) -> None:
        self._output.discard()


class PngSink(VideoSink):
    """A folder of 000000.png, 000001.png, … in RGB of 8 bits."""

    def __init__(self, path: str | Path, info: SinkInfo) -> None:
        super().__init__(info)
        if str(path) == "-":
            raise UsageError("png pictures cannot be written to a pipe", "give a folder, or use y4m")
        self._output = StagedFolder(path, ".png")
        self._frames = 0
        # Through the scaler even for RGB to RGB, so that all kinds of output check pictures alike.
        self._convert = FromRgb(info.width, info.height, "rgb24", info.colour)
        self._encoder = av.CodecContext.create("png", "w")
        self._encoder.width, self._encoder.height = info.width, info.height
        self._encoder.pix_fmt = "rgb24"
        self._encoder.time_base = info.time_base

    def write(self, rgb: npt.NDArray[np.uint8], pts: int, duration: int) -> None:
        self._without_times("png", duration)
        frame = self._convert(rgb)
        frame.pts = self._frames
        with explained(self._output.name):
            data = b"".join(bytes(packet) for packet in self._encoder.encode(frame))
            (self._output.part / f"{self._frames:06}.png").write_bytes(data)
        self._frames += 1

    def _finish(self) -> None:
        self._output.commit()

    def _discard(self) -> None:
        self._output.discard()
