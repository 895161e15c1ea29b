"""Threads decode ahead, in order, no further than they are told, and end when nobody wants more."""

import itertools
import threading
import time

import pytest
import torch

from coview.clips.threads import threaded_batches


def own_threads() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name.startswith("coview-decode")]


@pytest.mark.parametrize("threads", [1, 4])
def test_batches_come_in_order_whoever_is_first(threads: int) -> None:
    def read(key: int) -> int:
        time.sleep(0.004 * (key % 3))
        return 10 * key

    plan = [[0, 1], [2, 3, 4], [], [5]]
    made = threaded_batches(iter(plan), read=read, finish=list, threads=threads)
    assert list(made) == [[0, 10], [20, 30, 40], [], [50]]
    assert own_threads() == []


def test_no_more_batches_are_begun_than_asked_for() -> None:
    begun = []

    def plan():
        for number in itertools.count():
            begun.append(number)
            yield [number]

    made = threaded_batches(plan(), read=abs, finish=sum, threads=2, ahead=3)
    assert begun == []
    assert next(made) == 0
    assert begun == [0, 1, 2, 3]  # one is used, three are made meanwhile
    assert next(made) == 1
    assert len(begun) == 5
    made.close()
    assert own_threads() == []


def test_an_error_comes_as_it_was_raised_and_ends_the_threads() -> None:
    error = ValueError("of one sample")

    def read(key: int) -> int:
        if key == 3:
            raise error
        return key

    made = threaded_batches(iter([[1, 2], [3, 4], [5, 6]]), read=read, finish=sum, threads=2)
    assert next(made) == 3
    with pytest.raises(ValueError, match="of one sample") as raised:
        next(made)
    assert raised.value is error
    assert own_threads() == []


def test_each_thread_uses_one_core_and_the_caller_as_many_as_before() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        made = threaded_batches(iter([[0, 1, 2]]), read=lambda _: torch.get_num_threads(), finish=list, threads=2)
        assert list(made) == [[1, 1, 1]]
        assert torch.get_num_threads() == 3
        later: list[int] = []
        thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert later == [3]
    finally:
        torch.set_num_threads(before)
