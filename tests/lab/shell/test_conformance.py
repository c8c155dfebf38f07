"""The lab's shell and programs beside a real dash and real coreutils, script by script."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest

from nftwave.lab.shell.files import Files
from nftwave.lab.shell.process import Call, Session
from nftwave.lab.shell.streams import Capture, Content
from nftwave.lab.tools import awk, characters, launchers, patterns, sed, system, text

SCRIPTS = (Path(__file__).parent / "scripts.txt").read_text(encoding="utf-8").split("\n---\n")
TOOLS = {
    name: tool
    for module in (text, characters, patterns, sed, awk, system, launchers)
    for name, tool in module.TOOLS.items()
}
DASH = shutil.which("dash")


class Machine:
    """A node with nothing but a shell."""

    hostname = "box"

    def __init__(self):
        shown = {"/etc/os-release": lambda: "ID=box\n", "/etc/hosts": lambda: "127.0.0.1 box\n"}
        self.files = Files(lambda: shown, lambda _: False)
        self.processes = {}
        self.pid = 100

    def tool(self, path):
        directory, _, name = path.rpartition("/")
        return TOOLS.get(name) if directory == "/bin" else None

    def next_pid(self):
        self.pid += 1
        return self.pid


async def run(script, shell="/bin/sh"):
    session, out, errors = Session(Machine()), Capture(), Capture()
    call = Call(
        session,
        shell,
        ["-c", script],
        {"PATH": "/bin", "HOME": "/root"},
        "/",
        True,
        Content(""),
        out,
        errors,
    )
    status = await TOOLS[shell.rpartition("/")[2]](call)
    while session.processes:
        await asyncio.wait([process.task for process in session.processes])
    return out.text, status


@pytest.mark.skipif(DASH is None, reason="dash is not installed")
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_prints_and_ends_as_in_dash(script):
    script = f"{script.rstrip()}\n"
    real = subprocess.run(
        ["/bin/sh", "-c", script],
        executable=DASH,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=20,
        env={"PATH": "/usr/bin:/bin", "HOME": "/root"},
    )
    assert asyncio.run(asyncio.wait_for(run(script), 10)) == (real.stdout, real.returncode)


def test_bash_leaves_backslashes_alone_where_dash_interprets_them():
    assert asyncio.run(run(r"echo 'a\tb'")) == ("a\tb\n", 0)
    assert asyncio.run(run(r"echo 'a\tb'", "/bin/bash")) == ("a\\tb\n", 0)


def test_a_busy_loop_lets_others_run():
    async def both():
        busy = asyncio.ensure_future(run("while :; do :; done"))
        try:
            return await asyncio.wait_for(run("echo hi"), 10)
        finally:
            busy.cancel()

    assert asyncio.run(both()) == ("hi\n", 0)
