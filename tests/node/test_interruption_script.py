"""The script that measures an interruption, run by real shells against a real listener."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import threading
import time

import pytest

from nftwave.interruption import read
from nftwave.node.facts import ServicePort
from nftwave.node.script import interruption

from .box import SHELLS, there
from .recorded import MARK, output

TOOLS = ("bash", "timeout", "sleep", "cat", "grep", "awk")


@pytest.fixture(params=SHELLS)
def shell(request):
    if not there(SHELLS[request.param][0]):
        pytest.skip(f"{SHELLS[request.param][0]} is not installed")
    return request.param


class Listener:
    """A TCP port on loopback that can be closed and opened again."""

    def __init__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.accepted = 0
        self.opened()

    def opened(self):
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._accept, args=(self._stop,), daemon=True)
        self._ready = threading.Event()
        self._thread.start()
        assert self._ready.wait(5)

    def has_accepted(self, more):
        """Wait until it has accepted so many more connections."""
        wanted, until = self.accepted + more, time.monotonic() + 20
        while self.accepted < wanted:
            assert time.monotonic() < until, "nobody connects"
            time.sleep(0.01)

    def closed(self):
        self._stop.set()
        self._thread.join(5)

    def _accept(self, stop):
        with socket.create_server(("127.0.0.1", self.port)) as server:
            server.settimeout(0.02)
            self._ready.set()
            while not stop.is_set():
                try:
                    server.accept()[0].close()
                    self.accepted += 1
                except TimeoutError:
                    continue


@pytest.fixture
def listener():
    one = Listener()
    yield one
    one.closed()


class Measuring:
    def __init__(self, folder, shell, port, *, limit=30, tools=TOOLS, files=()):
        places = folder / "bin"
        places.mkdir()
        for name in tools:
            there_is = sys.executable if name == "python3" else shutil.which(name)
            (places / name).symlink_to(there_is)
        self.net = folder / "net"
        self.net.mkdir()
        for name, text in dict(files).items():
            self.file(name, text)
        text = interruption(MARK, ServicePort("127.0.0.1", "tcp", port), limit=limit)
        text = text.replace("PATH=$PATH:", "OLD=").replace("/proc/net/", f"{self.net}/")
        command = SHELLS[shell]
        self.process = subprocess.Popen(
            [shutil.which(command[0]), *command[1:]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": str(places)},
        )
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def file(self, name, text):
        (self.net / name).write_text(text)

    def stop(self):
        out, err = self.process.communicate(timeout=5)
        assert err == b"", err.decode()
        return read(out.decode(), mark=MARK, target="here")


def test_without_interruption_the_longest_gap_is_about_a_tenth_of_a_second(
    tmp_path, shell, listener
):
    one = Measuring(tmp_path, shell, listener.port)
    listener.has_accepted(8)
    found = one.stop()
    assert found.attempts >= 8
    assert found.failed == 0
    assert 50 <= found.longest_gap < 1000  # two busy cores


def test_a_gap_is_measured_and_failed_attempts_are_counted(tmp_path, shell, listener):
    one = Measuring(tmp_path, shell, listener.port)
    listener.has_accepted(4)
    listener.closed()
    time.sleep(1.5)
    listener.opened()
    listener.has_accepted(4)
    found = one.stop()
    assert found.failed > 3
    assert found.attempts > found.failed
    assert 1400 <= found.longest_gap < 3500


def test_what_never_comes_back_is_a_gap_until_the_end(tmp_path, listener):
    one = Measuring(tmp_path, "dash", listener.port)
    listener.has_accepted(4)
    listener.closed()
    time.sleep(1)
    assert one.stop().longest_gap >= 900
    listener.opened()


def test_it_ends_with_its_input_and_leaves_no_process(tmp_path, shell, listener):
    one = Measuring(tmp_path, shell, listener.port)
    listener.has_accepted(3)
    one.stop()
    mine = f"attempt 127.0.0.1 {listener.port}"
    until = time.monotonic() + 2  # an attempt under way has a second
    while mine in (left := processes()) and time.monotonic() < until:
        time.sleep(0.05)
    assert mine not in left
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "net"]


def processes():
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout


def test_it_ends_by_itself_after_its_limit(tmp_path, listener):
    one = Measuring(tmp_path, "dash", listener.port, limit=1)
    begun = time.monotonic()
    assert one.process.wait(10) == 0
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("tool", ["nc", "curl", "python3"])
def test_it_makes_do_with_another_tool(tmp_path, listener, tool):
    if not there(tool):
        pytest.skip(f"{tool} is not installed")
    tools = [*(t for t in TOOLS if t != "bash"), tool]
    one = Measuring(tmp_path, "dash", listener.port, tools=tools)
    listener.has_accepted(4)
    found = one.stop()
    assert found.attempts >= 4
    assert found.failed == 0


def test_without_any_tool_it_says_so(tmp_path, listener):
    one = Measuring(tmp_path, "dash", listener.port, tools=["cat", "sleep", "grep", "awk"])
    assert "none of bash, nc, curl and python3" in one.stop().unmeasured


HEAD = "Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n"
CONNECTIONS = HEAD + (
    "TCP 0AF40103 8C2C 0A600064 0050 0AF40104 1F90 ESTABLISHED     899\n"
    "TCP 0AF40103 8C2D 0A600064 0050 0AF40104 1F90 ESTABLISHED     899\n"
    "TCP 0AF40103 8C2E 0A600064 0050 0AF40104 1F90 TIME_WAIT        69\n"
    "UDP 0AF40103 8C2F 0A60000A 0035 0AF40104 0035 UDP              69\n"
    "TCP fd00:0000:0000:0000:0000:0000:0000:0001 8C2C fd00:0000:0000:0000:0000:0000:0000:000a "
    "0050 fd00:0000:0000:0000:0000:0000:0000:0002 1F90 ESTABLISHED     899\n"
)
TRACKED = (
    "ipv4     2 tcp      6 86 ESTABLISHED src=10.244.1.3 dst=10.96.0.100 sport=35884 dport=80"
    " src=10.244.1.4 dst=10.244.1.3 sport=8080 dport=35884 [ASSURED] mark=0 zone=0 use=2\n"
    "ipv4     2 tcp      6 86 ESTABLISHED src=10.244.1.3 dst=10.96.0.100 sport=35885 dport=80"
    " [UNREPLIED] src=10.244.1.9 dst=10.244.1.3 sport=8080 dport=35885 mark=0 zone=0 use=2\n"
    "ipv6     10 tcp      6 86 ESTABLISHED src=fd00:0000:0000:0000:0000:0000:0000:0001"
    " dst=fd00:0000:0000:0000:0000:0000:0000:000a sport=35884 dport=80"
    " src=fd00:0000:0000:0000:0000:0000:0000:0002 dst=fd00:0000:0000:0000:0000:0000:0000:0001"
    " sport=8080 dport=35884 [ASSURED] mark=0 zone=0 use=2\n"
)


@pytest.mark.parametrize(
    ("tracked", "alive"),
    [(TRACKED, 2), (TRACKED.splitlines(keepends=True)[0], 1), ("", 0)],
)
def test_connections_of_before_are_looked_for_among_those_tracked_after(
    tmp_path, shell, listener, tracked, alive
):
    ipvs, nftables = (output(state, "proc-net-ip_vs.txt")[0] for state in ("ipvs", "nftables"))
    before = {"ip_vs": ipvs, "ip_vs_conn": CONNECTIONS}
    one = Measuring(tmp_path, shell, listener.port, files=before)
    listener.has_accepted(4)
    one.file("ip_vs", nftables)
    one.file("ip_vs_conn", HEAD)
    one.file("nf_conntrack", tracked)
    found = one.stop()
    assert (found.established, found.alive, found.cut) == (3, alive, 3 - alive)


def test_without_ipvs_nothing_is_said_of_connections(tmp_path, listener):
    one = Measuring(tmp_path, "dash", listener.port)
    listener.has_accepted(2)
    assert one.stop().established is None
