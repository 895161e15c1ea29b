"""Shares of an index embedded by the workers of a dask cluster."""

import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from coview.collection.added import Added
from coview.collection.index import Index
from coview.collection.opening import open_index
from coview.collection.sharing import Embedding, add_share
from coview.errors import UserError
from coview.preparation.cluster import completed, connect, lost_cluster
from coview.registry import load_plugins, loaded_plugins

if TYPE_CHECKING:
    from coview.collection.sources import Source

log = logging.getLogger(__name__)


def embed_on_cluster(index: Index, sources: Sequence["Source"], how: Embedding, *, address: str) -> None:
    """Embed one share a worker, each into an index of its own below the index, to be merged.

    A share of a lost worker goes on where it was on another one.

    Args:
        index: its folder and run must be seen by all machines under the same path; so must the sources.
        sources: paths.
        how: to embed.
        address: of the scheduler, such as "tcp://10.0.0.1:8786".

    Raises:
        UserError: no scheduler or no worker there, a worker that does not see the index, or what embedding raises.
        MissingExtraError: dask is not installed.
    """
    client = connect(address, what="indexing on a cluster")
    from distributed import KilledWorker

    try:
        shares = len(client.nthreads())
        shards = [f"{number + 1}/{shares}" for number in range(shares)]
        places = [str(Path(source).resolve()) for source in sources]  # type: ignore[arg-type]
        run, checkpoint = index.run.path.resolve(), index.run.checkpoint.name
        arguments = (str(index.path.resolve()), str(run), checkpoint, places, how)
        futures = client.map(embed_there, shards, arguments=arguments, plugins=loaded_plugins(), pure=False)
        shard_of = {future.key: shard for future, shard in zip(futures, shards, strict=True)}
        with contextlib.ExitStack() as at_end:
            at_end.callback(client.cancel, futures)
            for future in completed(client, futures):
                if future.cancelled():
                    raise lost_cluster("the scheduler")
                error = future.exception()
                if isinstance(error, KilledWorker):
                    log.warning("share %s: lost with every worker that tried it; done here", shard_of[future.key])
                elif error is not None:
                    raise error
                else:
                    log.info("share %s: %s", shard_of[future.key], future.result())
    finally:
        client.close()


def embed_there(
    shard: str, *, arguments: tuple[str, str, str, list[str], Embedding], plugins: Sequence[str] = ()
) -> Added:
    """Embed a share on a worker of the cluster."""
    load_plugins(plugins)
    folder, run, checkpoint, sources, how = arguments
    if not Path(folder).is_dir():
        raise UserError(f"a worker of the cluster does not see {folder}; choose a folder that all machines share")
    with contextlib.closing(open_index(folder, run=run, checkpoint=checkpoint)) as index:
        return add_share(index, sources, how, shard=shard)
