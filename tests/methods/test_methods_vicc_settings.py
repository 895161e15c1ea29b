import pytest

from coview.methods.base import Sizes
from coview.methods.vicc_settings import ViCCSettings, resolve_settings


@pytest.mark.parametrize(
    ("batch", "videos", "prototypes", "queue"),
    [
        (192, 9537, 300, 1920),  # the paper on UCF101
        (192, None, 300, 1920),
        (16, 191, 30, 32),  # ten classes of UCF101 on a laptop
        (32, 191, 38, 32),
        (4, 8, 1, 0),
        (64, 64, 12, 0),
    ],
)
def test_prototypes_and_queue_follow_batch_and_data(batch, videos, prototypes, queue):
    settled = resolve_settings(ViCCSettings(), Sizes(batch, videos))
    assert (settled.prototypes, settled.queue) == (prototypes, queue)


def test_what_is_set_stays_and_settling_twice_changes_nothing():
    given = ViCCSettings(prototypes=7, queue=0, single_stream_epochs=30)
    settled = resolve_settings(given, Sizes(16, 100))
    assert (settled.prototypes, settled.queue, settled.frozen_prototypes_epochs) == (7, 0, 10)
    assert resolve_settings(settled, Sizes(192, 9537)) == settled
