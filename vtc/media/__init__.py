"""Pixels and sound in and out. The only room that imports PyAV; it never imports torch."""

from vtc.media.colour import Colour, float_to_rgb8, rgb_to_float
from vtc.media.source import Frame, SourceInfo, VideoSource, open_source

__all__ = ["Colour", "Frame", "SourceInfo", "VideoSource", "float_to_rgb8", "open_source", "rgb_to_float"]
