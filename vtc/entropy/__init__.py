"""Symbols to bytes and back, the same on every machine. numpy and constriction only."""

from vtc.entropy.change import ChangeModel
from vtc.entropy.coder import RangeReader, RangeWriter, Tables
from vtc.entropy.context import ContextModel
from vtc.entropy.fit import FitOptions, fit_grid, fit_sequence
from vtc.entropy.packed import PackedModel
from vtc.entropy.static import StaticModel
from vtc.entropy.stream import StreamSpec, symbols_crc
from vtc.entropy.vectors import VectorModel

__all__ = [
    "ChangeModel",
    "ContextModel",
    "FitOptions",
    "PackedModel",
    "RangeReader",
    "RangeWriter",
    "StaticModel",
    "StreamSpec",
    "Tables",
    "VectorModel",
    "fit_grid",
    "fit_sequence",
    "symbols_crc",
]
