"""Whether a cluster has any worker left while a build waits for it: told, and not waited for without end."""

from __future__ import annotations

import time
from collections.abc import Callable

import click

from formats.errors import TextshardsError


class WorkerWatch:
    """Looks at a cluster's workers; says when none is left, and when there is one again.

    Args:
        count: returns how many workers there are.
        limit_s: seconds without any after which waiting ends.
    """

    def __init__(self, count: Callable[[], int], limit_s: float) -> None:
        self._count, self._limit_s = count, limit_s
        self._none_since: float | None = None

    def look(self) -> None:
        """Count the workers.

        Raises:
            TextshardsError: there has been none for too long.
        """
        if self._count():
            if self._none_since is not None:
                click.echo("the cluster has a worker again: the build goes on", err=True)
            self._none_since = None
            return
        now = time.monotonic()
        if self._none_since is None:
            self._none_since = now
            click.echo(
                f"the cluster has no worker left: waiting {self._limit_s:g} s for one to join", err=True
            )
        elif now - self._none_since >= self._limit_s:
            raise TextshardsError(
                "the Dask cluster",
                expected=f"a worker within {self._limit_s:g} s (runtime.without_workers_s)",
                found="none: all of them have gone, or the scheduler does not answer",
                next_step="start workers, then run the same command again: finished shards are kept",
            )
