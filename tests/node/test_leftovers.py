import threading
from pathlib import Path

import paramiko
import pytest

from nftwave.errors import Unreachable
from tests.node.probing import probe_all

from .sshservers import raw

DESCRIPTORS = Path("/proc/self/fd")
pytestmark = pytest.mark.skipif(not DESCRIPTORS.is_dir(), reason="needs /proc")


def ours():
    """Open descriptors, and threads of the client: workers, connections, deadlines."""
    mine = (paramiko.Transport, threading.Timer)
    threads = [t for t in threading.enumerate() if isinstance(t, mine) or t.name[:5] == "node-"]
    return len(list(DESCRIPTORS.iterdir())), len(threads)


def settles(before):
    pause = threading.Event()
    for _ in range(150):
        if all(now <= then for now, then in zip(ours(), before, strict=True)):
            return True
        pause.wait(0.05)
    return False


def test_nothing_stays_open_whether_nodes_answer_hang_or_refuse(servers, keys):
    jump, _ = servers.start(name="bastion")
    good, _ = servers.start()
    changed, _ = servers.start(host_keys=[keys.other_host], known=[keys.host])
    hold = threading.Event()

    def hang(connection):
        hold.wait(20)
        connection.close()

    before = ours()
    with raw(hang) as port:
        kinds = {
            "good": good,
            "behind": good.behind((jump,)),
            "changed": changed,
            "hangs": servers.access(port),
            "refuses": servers.access(1),
        }
        nodes = {f"{kind}-{n}": access for kind, access in kinds.items() for n in range(4)}
        got = dict(probe_all(nodes, workers=8, per_host_deadline=3, overall_deadline=30))
        hold.set()
    failed = {name.split("-")[0] for name, seen in got.items() if isinstance(seen, Unreachable)}
    assert failed == {"changed", "hangs", "refuses"}
    assert settles(before), f"before {before}, now {ours()}"
