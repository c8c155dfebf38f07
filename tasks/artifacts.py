"""Artifacts for the Prefect UI. They are copies: a server that is away must not stop a migration.

After the first failure no more are tried in this run: each try would wait for the client's retries
while nodes are waiting.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from nftwave import progress


class Artifacts:
    """The artifacts of one run, under keys that begin with the cluster's name."""

    def __init__(self, cluster: str) -> None:
        self._cluster = cluster
        self._bar: Any = None
        self._away = False

    def markdown(self, key: str, text: str, description: str) -> None:
        """A page of text."""
        self._try(
            create_markdown_artifact, key=self._key(key), markdown=text, description=description
        )

    def table(self, key: str, rows: Sequence[dict[str, str]], description: str) -> None:
        """A table."""
        self._try(
            create_table_artifact, key=self._key(key), table=list(rows), description=description
        )

    def bar(self, key: str, description: str) -> None:
        """A bar that `move` moves."""
        self._bar = self._try(
            create_progress_artifact, progress=0.0, key=self._key(key), description=description
        )

    def move(self, share: float) -> None:
        """Move the bar; `share` is from 0 to 1."""
        if self._bar:
            self._try(update_progress_artifact, self._bar, progress=100.0 * share)

    def _key(self, key: str) -> str:
        return f"{self._cluster}-{key}"

    def _try(self, make: Any, *args: Any, **options: Any) -> Any:
        if self._away:
            return None
        try:
            return make(*args, **options)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is only a copy)
            self._away = True
            why = f"the Prefect server takes no more artifacts: {type(error).__name__}: {error}"
            progress.tell(progress.Event("line", "prefect", why))
            return None
