"""Opening a video file or pipe with FFmpeg, and saying in one line why it cannot be."""

import stat
import sys
from pathlib import Path
from typing import Any

import av
import av.error
from av.container import InputContainer
from av.stream import Disposition

from vtc.errors import MediaError
from vtc.media.raw import raw_options

# FFmpeg reads a text file as a picture of a terminal.
_TEXT_FORMATS = {"tty", "bintext", "xbin", "adf", "idf"}


def open_container(path: str | Path) -> InputContainer:
    """Opens a file, or standard input for `-`. Raw video (.yuv) is read as its name tells.

    Raises `MediaError` where it is missing, empty, a folder, text or unknown to FFmpeg.
    """
    piped = str(path) == "-"
    name = "standard input" if piped else f"'{path}'"
    if not piped:
        _check_file(Path(path), name)
    raw = None if piped else raw_options(path)
    try:
        # "file:" keeps FFmpeg from reading a protocol or a pattern into a file's name.
        container = _open(sys.stdin.buffer if piped else f"file:{path}", raw)
    except PermissionError:
        raise MediaError(f"{name} may not be read", "check its permissions") from None
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise MediaError(*_reason(path, name, piped, error)) from None
    if container.format.name in _TEXT_FORMATS:
        container.close()
        raise MediaError(f"{name} is a text file", "give a video file such as .mp4, .mkv or .webm")
    return container


def _check_file(path: Path, name: str) -> None:
    try:
        status = path.stat()
    except (OSError, ValueError):
        raise MediaError(f"{name} does not exist", "check the path") from None
    if stat.S_ISDIR(status.st_mode):
        raise MediaError(f"{name} is a folder", "give one video file")
    if stat.S_ISREG(status.st_mode) and status.st_size == 0:
        raise MediaError(f"{name} is empty", "copy or download the file again")


def _open(file: Any, raw: dict[str, str] | None) -> InputContainer:
    if raw is not None:
        return av.open(file, "r", format="rawvideo", options=raw)
    try:
        # Tags in an unknown encoding must not keep a video from being read.
        container: InputContainer = av.open(file, "r", metadata_errors="replace")
    except TypeError:  # a PyAV without this option
        container = av.open(file, "r")
    return container


def _reason(path: str | Path, name: str, piped: bool, error: Exception) -> tuple[str, str]:
    if piped:
        return f"{name} holds no video that can be read from a pipe", "save it to a file first: many .mp4 need seeking"
    try:
        with open(path, "rb") as file:
            head = file.read(4096)
    except OSError:
        head = b""
    if head[:8] == b"\x89VTC\r\n\x1a\n":
        return f"{name} is a .vtc file already", "use vtc decode to turn it into a video"
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"wide"):
        return (
            f"{name} is cut short or damaged: its index (the moov atom) is missing",
            "copy or download the file again",
        )
    if _is_text(head):
        return f"{name} is a text file", "give a video file such as .mp4, .mkv or .webm"
    return f"{name} is not a video that FFmpeg can read: {error_text(error)}", "check the file with a player"


def _is_text(head: bytes) -> bool:
    if b"\0" in head:
        return False
    try:
        head[:4000].decode("utf-8", "strict" if len(head) < 4000 else "ignore")
    except UnicodeDecodeError:
        return False
    return True


def error_text(error: BaseException) -> str:
    """FFmpeg's words for an error, without its number and the file's name."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).splitlines()[0]


def video_stream(container: InputContainer, name: str) -> Any:
    """The video stream that a player would show. Raises `MediaError` where there is none but sound or a cover picture."""
    moving = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    # FFmpeg keeps a stream that it can name but has no decoder for.
    usable = [s for s in moving if s.codec_context is not None]
    if not usable:
        if moving:
            raise MediaError(f"{name} holds a video in a format that FFmpeg has no decoder for", "convert it first")
        if container.streams.audio:
            raise MediaError(f"{name} holds sound only, no video", "give a file with a video in it")
        raise MediaError(f"{name} holds no video", "give a video file such as .mp4, .mkv or .webm")
    best = container.streams.best("video")
    return best if best in usable else usable[0]
