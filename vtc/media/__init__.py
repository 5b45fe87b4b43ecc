"""Pixels and sound in and out. The only room that imports PyAV; it never imports torch."""

from vtc.media.audio import AudioCopy
from vtc.media.colour import Colour, float_to_rgb8, rgb_to_float
from vtc.media.scene import render_scene
from vtc.media.sink import SinkInfo, VideoSink, open_sink
from vtc.media.source import Frame, SourceInfo, VideoSource, open_source

__all__ = [
    "AudioCopy",
    "Colour",
    "Frame",
    "SinkInfo",
    "SourceInfo",
    "VideoSink",
    "VideoSource",
    "float_to_rgb8",
    "open_sink",
    "open_source",
    "render_scene",
    "rgb_to_float",
]
