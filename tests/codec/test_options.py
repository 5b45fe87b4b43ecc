"""Options refuse what makes no sense, in one line."""

from typing import Any

import pytest

from vtc.codec.options import DecodeOptions, EncodeOptions, changed
from vtc.errors import UsageError


@pytest.mark.parametrize(
    "options",
    [
        {"quality": 101}, {"quality": -1}, {"quality": 2.5}, {"length": -1.0}, {"length": float("nan")}, {"tokens": -1},
        {"tokens": 3, "length": 2.0}, {"group": 0}, {"entropy": "zip"}, {"audio": "loud"}, {"start": -1.0},
        {"start": 2.0, "end": 1.0}, {"size": 0}, {"size": (0, 5)}, {"fps": 0}, {"device": "tpu"}, {"device": "cpu:1"},
        {"device": "cuda:x"}, {"threads": 0},
        {"bpp": 0.0}, {"bpp": float("nan")}, {"max_bytes": 0}, {"max_bytes": 1.5}, {"min_psnr": -1.0}, {"bpp": 1.0, "min_psnr": 1.0},
        {"bpp": 1.0, "quality": 60}, {"effort": 5}, {"effort": -1},
    ],
)  # fmt: skip
def test_encode_options_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        EncodeOptions(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"steps": 0}, {"seed": -1}, {"scale": 0.0}, {"scale": 2.0, "size": 64}, {"crop": (0, 0, 0, 5)},
        {"crop": (-1, 0, 5, 5)}, {"on_damage": "hope"}, {"crf": 64}, {"fps": float("inf")}, {"end": 0.0, "start": 0.0},
    ],
)  # fmt: skip
def test_decode_options_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        DecodeOptions(**options)


def test_options_change_by_name() -> None:
    assert changed(EncodeOptions(), {"quality": 7}) == EncodeOptions(quality=7)
    with pytest.raises(UsageError, match="no option 'qualty'"):
        changed(EncodeOptions(), {"qualty": 7})
