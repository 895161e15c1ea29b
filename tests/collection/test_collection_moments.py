"""Windows become moments as a reader can check by hand."""

import numpy as np

from coview.collection.moments import find_moments


def windows(cosines, *, length=2.0, hop=1.0):
    starts = np.arange(len(cosines)) * hop
    return np.array(cosines, dtype=np.float32), starts, starts + length


def test_two_events_of_one_video():
    # The median is 0.4. 0.9 stands 0.5 over it: above 0.65 are windows 1 and 2, from 1 s to 4 s; 0 and 3 overlap them
    # and belong to the same event. Of what is left 0.7 is best: above 0.55 is nothing else, so 4 s to 6 s, and window 5
    # overlaps that. Window 6 begins where it ends.
    found = find_moments(*windows([0.2, 0.9, 0.8, 0.3, 0.7, 0.5, 0.2, 0.1]), most=3)
    assert found == [(1, 1.0, 4.0), (4, 4.0, 6.0), (6, 6.0, 8.0)]


def test_no_more_than_asked_for():
    assert find_moments(*windows([0.2, 0.9, 0.8, 0.3, 0.7, 0.5]), most=1) == [(1, 1.0, 4.0)]


def test_one_window_and_equal_windows():
    assert find_moments(*windows([0.4]), most=3) == [(0, 0.0, 2.0)]
    assert find_moments(*windows([0.4, 0.4, 0.4, 0.4]), most=3) == [(0, 0.0, 5.0)]


def test_windows_that_only_touch_are_one_event_and_a_gap_parts_them():
    cosines, starts, ends = windows([0.1, 0.9, 0.9, 0.1, 0.1], hop=2.0)
    assert find_moments(cosines, starts, ends, most=1) == [(1, 2.0, 6.0)]
    later = np.where(np.arange(5) >= 2, 3.0, 0.0)
    assert find_moments(cosines, starts + later, ends + later, most=2) == [(1, 2.0, 4.0), (2, 7.0, 9.0)]


def test_windows_that_are_left_out_are_no_part_of_a_moment():
    cosines, starts, ends = windows([0.1, -np.inf, 0.9, -np.inf, 0.1])
    assert find_moments(cosines, starts, ends, most=1) == [(2, 2.0, 4.0)]
    assert find_moments(np.full(3, -np.inf, np.float32), *windows([0, 0, 0])[1:], most=1) == []


def test_moments_of_one_call_do_not_overlap():
    generator = np.random.default_rng(0)
    for _ in range(200):
        cosines, starts, ends = windows(generator.random(30))
        found = find_moments(cosines, starts, ends, most=5)
        spans = sorted((start, end) for _, start, end in found)
        assert all(end <= start for (_, end), (start, _) in zip(spans, spans[1:], strict=False))
        heights = [cosines[best] for best, _, _ in found]
        assert heights == sorted(heights, reverse=True)
        assert heights[0] == cosines.max()
