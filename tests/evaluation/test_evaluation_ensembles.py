"""Which ensembles there are, and what they weigh."""

import numpy as np
import pytest

from coview.embedding.embeddings import join_views
from coview.evaluation.ensembles import DEFAULT_WEIGHTS, average_scores, choose_ensembles, describe_shares

FOUR = ("rgb", "flow", "pose", "segmentation")


def test_four_views_are_weighted_as_in_the_paper():
    assert choose_ensembles(FOUR, DEFAULT_WEIGHTS) == {
        "mean of views": dict.fromkeys(FOUR, 0.25),
        "weighted views": pytest.approx({"rgb": 1 / 3, "flow": 1 / 3, "pose": 1 / 6, "segmentation": 1 / 6}),
    }


@pytest.mark.parametrize("weights", [{}, {"rgb": 2, "flow": 2}, {"rgb": 1}, {"rgb": 7, "flow": 7, "pose": 1}])
def test_weights_that_come_to_the_same_are_one_ensemble(weights):
    assert list(choose_ensembles(("rgb", "flow"), weights)) == ["mean of views"]


def test_one_view_is_no_ensemble():
    assert choose_ensembles(("flow",), {"flow": 3}) == {}


def test_a_view_may_be_left_out_and_a_foreign_view_of_the_run_has_a_weight():
    assert choose_ensembles(("rgb", "sound"), {"sound": 0})["weighted views"] == {"rgb": 1, "sound": 0}


def test_in_words():
    assert describe_shares({"rgb": 2 / 3, "flow": 1 / 3}) == "rgb 67%, flow 33%"


def test_mixing_scores_and_joining_vectors_weigh_alike():
    generator = np.random.default_rng(0)
    features = {view: generator.normal(size=(5, 3)).astype(np.float32) for view in FOUR}
    shares = choose_ensembles(FOUR, DEFAULT_WEIGHTS)["weighted views"]
    expected = sum(shares[view] * features[view] @ features[view].T for view in FOUR)
    np.testing.assert_allclose(
        average_scores({view: rows @ rows.T for view, rows in features.items()}, shares), expected, rtol=1e-5
    )
    vectors = join_views(features, FOUR, shares)
    np.testing.assert_allclose(vectors @ vectors.T, expected, rtol=1e-4, atol=1e-5)
