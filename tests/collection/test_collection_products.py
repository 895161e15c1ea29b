"""Products that are done together are, to the bit, those that are done alone, whatever goes wrong beside them."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from coview.collection import joint_products, vectors
from coview.collection.joint_products import JointProducts
from coview.collection.vectors import Product, cosines


@pytest.fixture(params=["compiled", "numpy"])
def way(request, monkeypatch):
    monkeypatch.setattr(vectors, "_FEW_NUMBERS", 0 if request.param == "compiled" else 10**9)


def make_products(count, *, seed=0):
    """Return products over two files by turns, each with a filter of its own."""
    generator = np.random.default_rng(seed)
    files = [generator.standard_normal((rows, 40)).astype(np.float16) for rows in (3000, 20_000)]
    products = []
    for number in range(count):
        rows = files[number % 2]
        chosen = generator.random(len(rows)) < (0.0, 0.3, 1.0)[number % 3]
        products.append(Product(rows, generator.standard_normal(40).astype(np.float32), chosen))
    return products


@pytest.mark.usefixtures("way")
def test_together_is_as_alone_to_the_bit():
    products = make_products(15)
    together = cosines(products)
    for product, values in zip(products, together, strict=True):
        (alone,) = cosines([product])
        np.testing.assert_array_equal(values, alone)
        assert (np.isneginf(values) == ~product.chosen).all()
    assert cosines([]) == []


@pytest.mark.usefixtures("way")
def test_threads_get_their_own_products():
    joint, products = JointProducts(), make_products(40)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(joint.cosines, ([one] for one in products)))
    for product, (values,) in zip(products, found, strict=True):
        np.testing.assert_array_equal(values, cosines([product])[0])


def test_what_waits_is_done_together_a_bounded_number_at_a_time(monkeypatch):
    done_together = []

    def slowly(products):
        done_together.append(len(products))
        if len(done_together) == 1:
            assert everybody_waits.wait(10)
        return cosines(products)

    everybody_waits = threading.Event()
    monkeypatch.setattr(joint_products, "cosines", slowly)
    monkeypatch.setattr(joint_products, "_MOST", 4)
    joint, products = JointProducts(), make_products(11)
    with ThreadPoolExecutor(11) as threads:
        first = threads.submit(joint.cosines, products[:1])
        while not done_together:
            time.sleep(0.001)
        others = [threads.submit(joint.cosines, [one]) for one in products[1:]]
        while len(joint._waiting) < 10:
            time.sleep(0.001)
        everybody_waits.set()
        found = [one.result()[0] for one in (first, *others)]
    assert done_together == [1, 4, 4, 2]
    for product, values in zip(products, found, strict=True):
        np.testing.assert_array_equal(values, cosines([product])[0])


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_an_error_is_told_to_one_and_the_others_go_on(monkeypatch, error):
    calls = []

    def failing(products):
        calls.append(len(products))
        if len(calls) == 1:
            assert everybody_waits.wait(10)
            raise error
        return cosines(products)

    everybody_waits = threading.Event()
    monkeypatch.setattr(joint_products, "cosines", failing)
    joint, products = JointProducts(), make_products(3)
    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(joint.cosines, products)
        while not calls:
            time.sleep(0.001)
        others = [threads.submit(joint.cosines, [one]) for one in products[1:]]
        everybody_waits.set()
        with pytest.raises(error):
            first.result()
        for product, one in zip(products[1:], others, strict=True):
            np.testing.assert_array_equal(one.result()[0], cosines([product])[0])
    assert joint.cosines(products[:1])[0].shape == products[0].chosen.shape, "nothing is left behind"


def test_who_waits_for_one_that_fails_does_its_own(monkeypatch):
    def failing(products):
        if len(products) > 1:
            raise MemoryError
        return cosines(products)

    joint, products = JointProducts(), make_products(2)
    (own, other) = products
    waiting = joint_products.Future()
    monkeypatch.setattr(joint_products, "cosines", failing)
    joint._waiting.append((other, waiting))
    with pytest.raises(MemoryError):
        joint.cosines([own])
    assert waiting.cancelled()
    np.testing.assert_array_equal(joint.cosines([own])[0], cosines([own])[0])
