import torch

from coview.methods.feature_queue import FeatureQueue


def rows(*values: float) -> torch.Tensor:
    """One slot of features of size 1."""
    return torch.tensor(values).reshape(1, -1, 1)


def test_the_newest_come_first_and_the_oldest_make_room():
    queue = FeatureQueue(slots=1, length=5, size=1)
    assert queue.rows(0).shape == (0, 1)
    for batch in (rows(1, 2), rows(3, 4)):
        queue.push(batch)
    assert queue.rows(0).flatten().tolist() == [3, 4, 1, 2]
    queue.push(rows(5, 6))
    assert queue.rows(0).flatten().tolist() == [5, 6, 3, 4, 1]
    queue.push(rows(7, 8, 9, 10, 11, 12))
    assert queue.rows(0).flatten().tolist() == [7, 8, 9, 10, 11]


def test_slots_are_apart_and_a_stage_may_use_fewer():
    queue = FeatureQueue(slots=4, length=2, size=1)
    queue.push(torch.tensor([1.0, 2.0]).reshape(2, 1, 1))
    queue.push(torch.tensor([3.0, 4.0]).reshape(2, 1, 1))
    assert queue.rows(0).flatten().tolist() == [3, 1]
    assert queue.rows(1).flatten().tolist() == [4, 2]
    assert not queue.features[2:].any()


def test_all_of_it_is_in_the_state_dict():
    queue, other = (FeatureQueue(slots=1, length=4, size=1) for _ in range(2))
    queue.begin(0.25)
    queue.push(rows(1, 2))
    other.load_state_dict({name: value.clone() for name, value in queue.state_dict().items()})
    assert (other.has_begun, other.filled, other.steepness_at_start) == (True, 2, 0.25)
    assert torch.equal(other.features, queue.features)
    other.start_anew()
    assert (other.has_begun, other.filled) == (False, 0)
    assert not other.features.any()


def test_no_length_holds_nothing():
    queue = FeatureQueue(slots=1, length=0, size=3)
    queue.push(torch.ones(1, 2, 3))
    assert queue.rows(0).shape == (0, 3)
