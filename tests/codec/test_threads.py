"""Threads of others: numpy's are held back while stages run beside each other, and given back afterwards."""

from threadpoolctl import threadpool_info

from vtc.codec.model import own_threads


def blas() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_numpy_keeps_to_one_thread_meanwhile() -> None:
    before = blas()
    with own_threads():
        assert set(blas()) <= {1}
    assert blas() == before
