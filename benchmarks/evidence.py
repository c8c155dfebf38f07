"""Evidence of many nodes: ours beside bare ssh, on the same lab nodes, in the same run.

    python benchmarks/evidence.py [NODES …]        default: 100

Each row is a whole process: wall time, CPU of the client, its peak memory. The lab answers both
alike, and its own CPU bounds both; so read the ratios. `bare ssh` runs OpenSSH's client, 32 at a
time, with the very same command and script: what one would write by hand, and the floor.
"""

from __future__ import annotations

import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from nftwave.lab.launch import Lab, running_lab
from nftwave.node.facts import ServicePort
from nftwave.node.script import script as node_script

REACH = (ServicePort("10.96.0.1", "tcp", 443), ServicePort("10.96.0.10", "tcp", 53))
"""What preflight connects to from each node of the lab."""
WORKERS = 32
RUNS = 3

OURS = """
import sys
from pathlib import Path
from nftwave.fleet import load_fleet
from nftwave.kube.connect import connect
from nftwave.look import look
cluster = load_fleet(Path(sys.argv[1])).cluster("lab-1")
facts = look(cluster, connect(cluster))
silent = [n for n, p in facts.probes.items() if type(p).__name__ != "NodeFacts"]
assert facts.probes and not silent, silent[:3]
"""


@dataclass(frozen=True)
class Row:
    """One process: seconds of wall time and of CPU, MiB of peak memory."""

    wall: float
    cpu: float
    memory: float


def main() -> None:
    """Print a table for each size."""
    sizes = [int(word) for word in sys.argv[1:]] or [100]
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()},"
        f" Python {platform.python_version()}, {time.strftime('%Y-%m-%d')};"
        f" medians of {RUNS} runs, {WORKERS} at a time"
    )
    for nodes in sizes:
        with tempfile.TemporaryDirectory() as folder, running_lab(Path(folder), nodes=nodes) as lab:
            print(f"\n{nodes} nodes      wall s   client CPU ms a node   peak MiB")
            rows = {"ours": ours, "bare ssh": bare_ssh}
            for name, measure in rows.items():
                found = [measure(lab) for _ in range(RUNS)]
                wall, cpu, memory = (
                    statistics.median(getattr(row, what) for row in found)
                    for what in ("wall", "cpu", "memory")
                )
                print(f"{name:<12} {wall:>6.1f} {1000 * cpu / nodes:>15.1f} {memory:>16.0f}")


def ours(lab: Lab) -> Row:
    """The facts of a cluster and of each node, API included."""
    return run([sys.executable, "-c", OURS, str(lab.fleet_file)])


def bare_ssh(lab: Lab) -> Row:
    """The same script on the same nodes by OpenSSH's client, `WORKERS` at a time."""
    script = lab.directory / "probe.sh"
    script.write_text(node_script("@@bench", REACH))
    names = "\n".join(lab.state()["clusters"]["lab-1"]["nodes"])
    ssh = f"ssh -F {lab.ssh_config} {{}} sudo -n sh -s < {script} > /dev/null"
    return run(["xargs", "-P", str(WORKERS), "-I{}", "sh", "-c", ssh], given=names)


def run(command: list[str], given: str = "") -> Row:
    """Run a command to its end and account for it and all that it started."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    timed = ["/usr/bin/env", "python3", "-c", PEAK, *command]
    done = subprocess.run(timed, input=given, text=True, check=True, capture_output=True)
    wall = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Row(wall, cpu, float(done.stderr.split()[-1]) / 1024)


PEAK = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
"""

if __name__ == "__main__":
    main()
