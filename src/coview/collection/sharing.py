"""One index made by several processes or machines: each embeds a share of the videos, and the shares are merged."""

import contextlib
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from coview.collection.added import Added
from coview.collection.index import Index
from coview.collection.merging import list_parts, part_folder, remove_part
from coview.collection.opening import open_index
from coview.datatypes import ProgressSink
from coview.errors import UserError

if TYPE_CHECKING:
    from coview.collection.sources import Source

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Embedding:
    """How shares are embedded; see `Index.add`."""

    workers: int | None = None
    device: str = "auto"
    retry_failed: bool = False
    verify: bool = False


def index_videos(
    index: Index,
    sources: Sequence["Source"],
    how: Embedding,
    *,
    fields: Path | None = None,
    shard: str | None = None,
    cluster: str | None = None,
    progress: ProgressSink | None = None,
) -> Added:
    """Bring sources into an index: alone, as one of several shares, under torchrun, or on a cluster.

    Shares that earlier calls have left in the folder are merged first, unless somebody is at work on them.

    Args:
        index: where to.
        sources: what to embed; none: only merge.
        how: to embed it.
        fields: see `Index.add`.
        shard: "i/n": embed the i-th of n shares into INDEX/parts, for a later call without it to merge.
        cluster: address of a dask scheduler whose workers embed a share each.
        progress: see `Index.add`.

    Raises:
        UserError: as `Index.add`; settings that do not go together; no cluster there.
        MissingExtraError: dask is not installed.
    """
    if shard is not None and (fields is not None or cluster is not None):
        raise UserError("--shard embeds a share alone; give --fields and --cluster without it")
    if shard is not None:
        return add_share(index, sources, how, shard=shard, progress=progress)
    if cluster is not None:
        from coview.collection.cluster import embed_on_cluster

        embed_on_cluster(index, sources, how, address=cluster)
    elif int(os.environ.get("WORLD_SIZE", 1)) > 1:
        from coview.training.distributed import joined_processes

        with joined_processes(
            how.device, remedy="what is in the shares is kept: give the same command again"
        ) as all_of:
            own = f"{all_of.rank + 1}/{all_of.world_size}"
            device = replace(how, device=str(all_of.device))
            done = add_share(index, sources, device, shard=own, progress=progress if all_of.is_main else None)
            all_of.barrier()
            if not all_of.is_main:
                return done
    merged = merge_shares(index)
    if not sources and fields is None and not how.verify:
        return merged
    done = index.add(
        *sources,
        fields=fields,
        workers=how.workers,
        device=how.device,
        retry_failed=how.retry_failed and cluster is None,
        verify=how.verify,
        progress=progress,
    )
    just_come = merged.added + merged.changed
    return replace(
        done,
        added=done.added + merged.added,
        changed=done.changed + merged.changed,
        unchanged=max(0, done.unchanged - just_come),
    )


def add_share(
    index: Index, sources: Sequence["Source"], how: Embedding, *, shard: str, progress: ProgressSink | None = None
) -> Added:
    """Embed one share of what an index lacks, "i/n", into an index of its own below it.

    Raises:
        UserError: as `Index.add`.
    """
    from coview.preparation.settings import share_of

    with contextlib.closing(open_index(part_folder(index.path, *share_of(shard)), run=index.run)) as part:
        return part.add(
            *sources,
            workers=how.workers,
            device=how.device,
            retry_failed=how.retry_failed,
            verify=how.verify,
            shard=shard,
            beside=index,
            progress=progress,
        )


def merge_shares(index: Index) -> Added:
    """Take the shares that lie below an index into it, and remove them; those that are being written stay.

    Raises:
        UserError: a damaged share, or one of another run; another process at work here; or the disk refuses.
    """
    done = Added()
    for folder in list_parts(index.path):
        with contextlib.ExitStack() as held:
            part = held.enter_context(contextlib.closing(open_index(folder)))
            try:
                held.enter_context(part.store.writing())
            except UserError as error:
                log.warning("a share is not merged yet: %s", error)
                continue
            done += index.merge(part)
            log.info("merged %s: %s", folder, done)
            remove_part(folder)
    return done
