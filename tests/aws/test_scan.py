"""Work by a bounded number of threads."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from vpnmigrate.aws.scan import WorkResult, scan


def test_work_brings_more_work_and_each_result_comes_once():
    """An account brings its Regions."""

    def region(name):
        return WorkResult(name)

    def account(name):
        return WorkResult(name, [partial(region, f"{name}{n}") for n in range(3)])

    found = list(scan([partial(account, name) for name in "abc"], 2))

    assert sorted(found) == sorted([*"abc", *(f"{a}{n}" for a in "abc" for n in range(3))])


def test_no_more_than_the_jobs_are_under_way_and_all_of_them_are_used():
    """Each piece of work waits until four are under way, and none ever sees a fifth."""
    full = threading.Barrier(4)
    lock = threading.Lock()
    now: list[int] = []
    most: list[int] = []

    def work():
        with lock:
            now.append(1)
            most.append(len(now))
        full.wait(timeout=60)
        with lock:
            now.pop()
        return WorkResult(None)

    assert len(list(scan([work] * 12, 4))) == 12
    assert max(most) == 4


def test_a_bug_in_a_piece_of_work_is_raised():
    """Nothing is left out silently; what a piece of work could not read is its result."""

    def work():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(scan([work], 3))


def test_without_work_nothing_is_started():
    """A file of accounts may be empty of Regions."""
    assert list(scan([], 3)) == []
