"""The order in which xdist's workers get the tests."""

from __future__ import annotations

import pytest

from tests.conftest import WAITING, waiting_first

LAST = len(WAITING)


@pytest.mark.parametrize("workers", [1, 3, 4])
@pytest.mark.parametrize("many", [9, 10, 101])
def test_each_share_begins_with_tests_that_wait(workers: int, many: int) -> None:
    """No test is lost, and xdist's first shares have a test each of those that wait longest."""
    ranks = [LAST] * many
    for rank, at in enumerate((1, 2, 4, 3)):
        ranks[at] = rank

    order = waiting_first(ranks, workers)

    assert sorted(order) == list(range(many))
    left, begins = order, []
    for worker in range(workers):
        begins.append(ranks[left[0]])
        left = left[len(left) // (workers - worker) :]
    assert begins == list(range(workers))
