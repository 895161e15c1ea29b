"""Searches of the page side by side: none waits behind what does not concern it."""

import asyncio

import numpy as np
import pytest

import coview
from coview.errors import UserError
from coview.serving.searching import Example, Searches
from coview.serving.shelf import Shelf
from coview.serving.uploads import Upload
from served_index import LONG

ASKED = {"views": (), "top": 5, "moments": True, "per_video": 3, "where": {}}


class SlowUploads:
    """Stands in for uploads: files that are embedded once `ready` is set."""

    def __init__(self, vectors):
        self.ready, self.vectors = asyncio.Event(), vectors

    def find(self, token):
        return Upload(token, "dropped.mp4", path=None, size=1, content="new")

    async def embed(self, upload, start, end):
        await self.ready.wait()
        return self.vectors


@pytest.fixture
def index(place):
    with_vectors = coview.open_index(place.index)
    yield with_vectors
    with_vectors.close()


def test_dropped_files_that_are_being_read_keep_nobody_else_waiting(index):
    shelf = Shelf(index)
    (number,) = shelf.numbers([LONG])

    async def use():
        vectors = index.store.get(number).whole
        uploads = SlowUploads(vectors)
        searches = Searches(index, shelf, uploads)
        waiting = [
            asyncio.create_task(searches.search(Example(upload="x", start=0.1 * seconds), **ASKED))
            for seconds in range(50)
        ]
        await asyncio.sleep(0)
        hits = await asyncio.wait_for(searches.search(Example(video=number), **ASKED), 30)
        assert hits[0].id == LONG
        assert hits[0].is_query
        heat = await asyncio.wait_for(searches.heat(Example(video=number), number, views=()), 30)
        assert len(heat["cosine"]) > 5
        assert not any(one.done() for one in waiting)
        uploads.ready.set()
        found = await asyncio.gather(*waiting)
        assert {hits[0].id for hits in found} == {LONG}
        assert not any(hit.is_query for hits in found for hit in hits)
        searches.close()

    asyncio.run(use())


def test_many_at_once_find_what_each_finds_alone(index):
    shelf = Shelf(index)

    async def ask(searches, examples):
        return await asyncio.gather(*(searches.search(one, **ASKED) for one in examples))

    async def use():
        ready = [row.number for row in shelf.rows(status="ready")]
        examples = [Example(video=number, start=start, end=0.8) for number in ready for start in (0.0, 0.3)]
        together = await ask(searches := Searches(index, shelf, SlowUploads({})), examples)
        for example, hits in zip(examples, together, strict=True):
            (alone,) = await ask(other := Searches(index, shelf, SlowUploads({})), [example])
            assert list(hits) == list(alone)
            other.close()
        assert await ask(searches, examples[:1]) == together[:1], "kept"
        searches.close()

    asyncio.run(use())


def test_one_search_is_made_before_anybody_asks(index, monkeypatch):
    asked = []
    monkeypatch.setattr(type(index), "search", lambda index, query, **wanted: asked.append(query) or [])
    searches = Searches(index, Shelf(index), SlowUploads({}))
    searches.warm_up()
    searches._threads.shutdown(wait=True)
    assert len(asked) == 1


def test_an_upload_whose_copy_left_the_index_is_told(index):
    searches = Searches(index, Shelf(index), SlowUploads({}))
    with pytest.raises(UserError, match="search again"):
        searches._resolve(Example(upload="x"), None)
    searches.close()


def test_rows_and_copies_of_the_shelf(index):
    shelf = Shelf(index)
    ready = shelf.rows(status="ready")
    assert [row.facts.id for row in ready] == sorted(row.facts.id for row in ready)
    one = ready[0]
    assert one in shelf.copies(one.facts.size, one.facts.content)
    assert shelf.copies(one.facts.size + 1, one.facts.content) == []
    assert shelf.copies(0, "") == []
    words = [row.facts.id for row in shelf.rows(text="FAST v3", labels=["fast"], status="ready")]
    assert words == ["fast/v3"]
    seconds = [row.facts.duration_seconds for row in shelf.rows(status="ready", order="longest")]
    assert (np.diff(seconds) <= 0).all()
