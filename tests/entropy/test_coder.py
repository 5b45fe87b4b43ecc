import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vtc.entropy import RangeReader, RangeWriter, Tables
from vtc.entropy.coder import MAX_TOTAL
from vtc.errors import BundleError, DamageError

from .samples import GOLDEN


@st.composite
def coded(draw: st.DrawFn) -> tuple[Tables, list[tuple[np.ndarray, np.ndarray]]]:
    """Tables, from flat to nearly certain, and some puts."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    alphabet, rows = draw(st.integers(2, 40)), draw(st.integers(1, 300))
    counts = (rng.random((rows, alphabet)) ** draw(st.integers(1, 40)) * 1000).astype(int) + 1
    if draw(st.booleans()):
        counts[:, int(rng.integers(alphabet))] = MAX_TOTAL // 2
    puts = []
    for n in draw(st.lists(st.integers(0, 80), max_size=5)):
        chosen = rng.integers(0, rows, n)
        kind = draw(st.sampled_from(["likely", "first", "last", "any"]))
        if kind == "likely":
            places = rng.random(n)[:, None] * counts[chosen].sum(1)[:, None]
            symbols = (np.cumsum(counts[chosen], axis=1) <= places).sum(1)
        elif kind == "any":
            symbols = rng.integers(0, alphabet, n)
        else:
            symbols = np.full(n, 0 if kind == "first" else alphabet - 1)
        puts.append((symbols, chosen))
    return Tables(counts), puts


@settings(max_examples=400, deadline=None)
@given(coded())
def test_round_trip_at_the_price_of_the_information(case: tuple[Tables, list[tuple[np.ndarray, np.ndarray]]]) -> None:
    tables, puts = case
    writer = RangeWriter()
    for symbols, rows in puts:
        writer.put(symbols, rows, tables)
    data = writer.finish()
    ideal = sum(float(tables.bits[rows, symbols].sum()) for symbols, rows in puts)
    assert len(data) * 8 <= ideal * 1.001 + 16
    assert not data.endswith(b"\0")
    for tail in (b"", b"\0" * 7):  # padding by zeros changes nothing
        reader = RangeReader(data + tail)
        for symbols, rows in puts:
            assert np.array_equal(reader.get(rows, tables), symbols)


def test_nothing_is_no_bytes() -> None:
    assert RangeWriter().finish() == b""


def golden_case() -> tuple[Tables, np.ndarray, np.ndarray]:
    """Fixed numbers by integer arithmetic alone, so that they are the same for ever."""
    i = np.arange(700)
    row, symbol = np.meshgrid(np.arange(7), np.arange(33), indexing="ij")
    tables = Tables(1 + (row * 7919 + symbol * 104729) % 1009 * (1 + (symbol == 16) * 500 * row))
    return tables, (i * i * 31 + i * 17) % 33, (i * 13 + i // 5) % 7


def test_golden_bytes() -> None:
    tables, symbols, rows = golden_case()
    writer = RangeWriter()
    writer.put(symbols[:300], rows[:300], tables)
    writer.put(symbols[300:], rows[300:], tables)
    golden = bytes.fromhex(json.loads((GOLDEN / "coder.json").read_text())["bytes"])
    assert writer.finish() == golden
    reader = RangeReader(golden)
    assert np.array_equal(np.r_[reader.get(rows[:300], tables), reader.get(rows[300:], tables)], symbols)


def test_threads_do_not_matter() -> None:
    tables, symbols, rows = golden_case()

    def once(_: int) -> bytes:
        writer = RangeWriter()
        writer.put(symbols, rows, tables)
        return writer.finish()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(once, range(64)))) == 1


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 400))
def test_any_bytes_give_symbols_or_damage(data: bytes, n: int) -> None:
    tables, _, rows = golden_case()
    try:
        symbols = RangeReader(data).get(rows[:n], tables)
    except DamageError:
        return
    assert symbols.shape == (n,) and ((symbols >= 0) & (symbols < 33)).all()


@pytest.mark.parametrize(
    "counts",
    [
        np.ones((2, 1), int),
        np.ones(4, int),
        np.ones((0, 4), int),
        np.zeros((1, 4), int),
        np.ones((1, 4)),
        np.full((1, 2), MAX_TOTAL),
        np.full((2, 3), -1),
    ],
)
def test_bad_tables_are_refused(counts: np.ndarray) -> None:
    with pytest.raises(BundleError):
        Tables(counts)
