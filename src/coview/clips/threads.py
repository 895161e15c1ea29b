"""Threads that decode: PyAV and numba let go of Python's lock, so that a thread does what a process would do.

They share this process's memory: batches need no way back, frames that are kept are kept once, nothing is forked.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import torch

Key = TypeVar("Key")
Sample = TypeVar("Sample")
Batch = TypeVar("Batch")

AHEAD = 2
"""Batches that are made, or being made, while another one is used."""


def threaded_batches(
    plan: Iterator[Sequence[Key]],
    *,
    read: Callable[[Key], Sample],
    finish: Callable[[Sequence[Sample]], Batch],
    threads: int,
    ahead: int = AHEAD,
) -> Iterator[Batch]:
    """Yield `finish([read(key) for key in keys])` for each list of keys, in order, made by threads of this process.

    The threads end when the iterator is closed or forgotten, each after the sample it is at.

    Args:
        plan: lists of keys; may be endless, is drawn from no further than the threads are ahead.
        read: key -> sample; several threads call it at a time.
        finish: the samples of a batch -> the batch; a thread calls it as soon as they are all there.
        threads: at least 1.
        ahead: batches in the making while one is used.

    Raises:
        Exception: what `read` or `finish` raised, as it was raised.
    """
    own_threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(threads, "coview-decode", initializer=torch.set_num_threads, initargs=(1,))
    making: deque[Future[Batch]] = deque()

    def begin(keys: Sequence[Key]) -> Future[Batch]:
        samples = [pool.submit(read, key) for key in keys]
        # Waits for none that is not begun: the pool takes things up in order.
        return pool.submit(lambda: finish([sample.result() for sample in samples]))

    try:
        making.extend(begin(keys) for keys in islice(plan, ahead))
        while making:
            batch = making.popleft().result()
            making.extend(begin(keys) for keys in islice(plan, 1))
            yield batch
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        torch.set_num_threads(own_threads)  # a thread's number is also that of threads begun after it
