"""Encoders that would make their threads real-time threads, kept from it."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

VERSION_3 = 0x20080522
"""Of Linux's capability sets: two words of 32 bits each."""
SYS_NICE = 1 << 23
"""CAP_SYS_NICE, in the first word: what may take real-time priority."""


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("thread", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


@contextmanager
def ordinary_priority() -> Iterator[None]:
    """Keep the threads that a library starts inside, and the calling one, from real-time priority.

    Root may take it, in many containers too, and SVT-AV1 does: nothing else on the machine would get on while it
    encodes. On Linux the calling thread lays the right down for as long, and threads that it starts do not have it;
    elsewhere it gets its own scheduling back in the end.
    """
    scheduling = (os.sched_getscheduler(0), os.sched_getparam(0)) if hasattr(os, "sched_getscheduler") else None
    had = sys.platform == "linux" and _right(False)
    try:
        yield
    finally:
        if had:
            _right(True)
        if scheduling is not None:
            os.sched_setscheduler(0, *scheduling)


def _right(to_have: bool) -> bool:
    """Give the calling thread the right to real-time priority or take it; return whether it had it."""
    libc, header, sets = ctypes.CDLL(None), _Header(VERSION_3, 0), (_Sets * 2)()
    if libc.capget(ctypes.byref(header), sets):
        return False
    had = bool(sets[0].effective & SYS_NICE)
    if had != to_have:
        sets[0].effective ^= SYS_NICE
        libc.capset(ctypes.byref(header), sets)
    return had
