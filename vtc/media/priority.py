"""Keeps the priority of a thread from what a library does to it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def usual_priority() -> Iterator[None]:
    """Opening SVT-AV1 as root gives the thread real-time priority; all processes that it starts later inherit that, and two threads of them
    that wait for a third one busily leave it no core to run on."""
    if not hasattr(os, "sched_setscheduler"):
        yield
        return
    policy, priority = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        with suppress(OSError):
            os.sched_setscheduler(0, policy, priority)
