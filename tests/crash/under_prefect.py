"""A run under the real Prefect that dies at a point.

python -m tests.crash.under_prefect REQUEST-AS-JSON
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.crash.forking import ROOT, RUN_WITHIN, Ended, ended
from tests.crash.killing import Point, watch

if TYPE_CHECKING:
    from collections.abc import Mapping


class UnderPrefect:
    """Runs of the command line's own function, against the server that PREFECT_API_URL names."""

    def run(
        self,
        folder: Path,
        flow: str,
        name: str,
        *,
        point: Point | None = None,
        approve_by: str = "auto",  # noqa: ARG002 (nobody sits at the UI here)
    ) -> Ended:
        """Run a flow; it dies at that point."""
        request = {
            "folder": str(folder),
            "flow": flow,
            "name": name,
            "point": asdict(point) if point else None,
        }
        with (folder / f"{name}.log").open("wb") as log:
            done = subprocess.run(
                [sys.executable, "-m", "tests.crash.under_prefect", json.dumps(request)],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                timeout=RUN_WITHIN,
                check=False,
            )
        return ended(folder, name, done.returncode)


def main(request: Mapping[str, Any]) -> None:
    """The child."""
    from flows.running import run_migration, run_rollback
    from tests.crash.warm import tell

    folder = Path(request["folder"])
    watch(
        folder / f"{request['name']}.calls", Point(**request["point"]) if request["point"] else None
    )
    fleet = folder / "fleet.yaml"
    if request["flow"] == "migrate":
        outcome = run_migration("lab-1", fleet=fleet, approve_by="auto")
    else:
        outcome = run_rollback("lab-1", fleet=fleet)
    tell(outcome, folder / f"{request['name']}.outcome")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
