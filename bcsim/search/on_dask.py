"""Points of a sweep on a Dask cluster: one that is given, or workers on this machine. Needs the extra [explore]."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bcsim.common.errors import BcsimError
from bcsim.common.extras import missing_package
from bcsim.machine.parameters import Machine
from bcsim.search.explore import Row, Sweep, evaluate_row

__all__ = ["on_dask"]

POINTS = 4
"""Of one task: a task costs the scheduler a millisecond, a point of a dense network four."""
RETRIES = 10
"""Of a task whose worker died."""


def _block(sweep: Sweep, points: Sequence[tuple[str, Machine]]) -> list[Row]:
    return [evaluate_row(sweep, bits, machine) for bits, machine in points]


def on_dask(
    sweep: Sweep, points: Sequence[tuple[str, Machine]], *, scheduler: str | None = None, workers: int = 2
) -> Iterator[Row]:
    """Rows of the points as they are done. A worker that dies loses nothing: its points go to another one.

    scheduler : address of a cluster, such as tcp://host:8786; without one `workers` processes are started here.

    Raises BcsimError where no scheduler answers there.
    """
    try:
        import distributed
    except ModuleNotFoundError as error:
        raise missing_package(error) from error
    dask: Any = distributed  # its functions have no types
    cluster = None
    if scheduler is None:
        cluster = dask.LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None)
    try:
        with _client(dask, scheduler or cluster) as client:
            shared = client.scatter(sweep, broadcast=True)
            blocks = [list(points[start : start + POINTS]) for start in range(0, len(points), POINTS)]
            futures = [client.submit(_block, shared, block, retries=RETRIES, pure=False) for block in blocks]
            for _, rows in dask.as_completed(futures, with_results=True):
                yield from rows
    finally:
        if cluster is not None:
            cluster.close()


def _client(dask: Any, cluster: Any) -> Any:
    try:
        return dask.Client(cluster)
    except (OSError, ValueError) as error:
        raise BcsimError(f"No Dask scheduler answers at --scheduler {cluster}: {error}") from error
