"""The order in which xdist's workers get the tests."""

from __future__ import annotations

import pytest

from tests.conftest import WAITING, waiting_first

LAST = len(WAITING)


@pytest.mark.parametrize(("workers", "waiters"), [(1, 1), (3, 2), (4, 2), (7, 4)])
@pytest.mark.parametrize("many", [20, 21, 101])
def test_half_of_the_shares_begin_with_tests_that_wait(
    workers: int, waiters: int, many: int
) -> None:
    """No test is lost, and of xdist's first shares half begin with those that wait longest."""
    ranks = [LAST] * many
    for rank, at in enumerate((1, 2, 4, 3)):
        ranks[at] = rank

    order = waiting_first(ranks, workers)

    assert sorted(order) == list(range(many))
    left, begins = order, []
    for worker in range(workers):
        begins.append(ranks[left[0]])
        left = left[len(left) // (workers - worker) :]
    assert begins == [*range(waiters), *[LAST] * (workers - waiters)]
