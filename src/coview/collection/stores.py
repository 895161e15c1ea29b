"""Kinds of stores by name."""

from collections.abc import Mapping
from pathlib import Path

from coview.collection.local_store import LocalStore
from coview.collection.store import Store

STORES = ("local", "milvus")
"""local: files in the folder of the index; milvus: vectors in Milvus, see `coview.collection.milvus_store`."""


def open_store(
    kind: str, folder: Path, views: Mapping[str, int], *, identity: Mapping[str, str], create: bool = False
) -> Store:
    """Open the store of an index, or make a new one.

    Args:
        kind: one of `STORES`.
        folder: of the index.
        views: view name -> D.
        identity: what the table must say of itself, name -> text.
        create: make a new one.

    Raises:
        UserError: files are gone, damaged, or of another index; Milvus does not answer.
        MissingExtraError: the kind needs a package that is not installed.
    """
    if kind == "milvus":
        from coview.collection.milvus_store import MilvusStore

        return MilvusStore(folder, views, identity=identity, create=create)
    return LocalStore(folder, views, identity=identity, create=create)
