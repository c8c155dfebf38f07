"""Programs that run others: shells, sudo, env, timeout, nohup; and sleep."""

from __future__ import annotations

import asyncio
import posixpath
import re
from typing import TYPE_CHECKING

from nftwave.lab.shell.files import FileError
from nftwave.lab.shell.flow import BASH, DASH, Dialect
from nftwave.lab.shell.interpreter import Shell
from nftwave.lab.shell.language.parser import parse
from nftwave.lab.shell.language.reader import ShellSyntaxError
from nftwave.lab.shell.process import SIGNALS, Call, Tool, find_tool

if TYPE_CHECKING:
    from nftwave.lab.shell.streams import Source

TIMED_OUT, NOT_FOUND = 124, 127
ROOT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # Debian's secure_path
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


async def run_shell(call: Call, dialect: Dialect) -> int:
    """`sh` and `bash`: -c, -s, a script file, or standard input."""
    args = list(call.args)
    shell_options: set[str] = set()
    takes_command = reads_stdin = False
    while args and args[0][:1] in {"-", "+"} and len(args[0]) > 1:
        word = args.pop(0)
        if word == "--":
            break
        if word.startswith("--"):
            continue
        takes_command = takes_command or "c" in word
        reads_stdin = reads_stdin or "s" in word
        if word.endswith("o") and args:
            shell_options.add(args.pop(0))
        shell_options |= set(word[1:]) & set("euxfn")
    name = call.name
    if takes_command:
        script = args.pop(0) if args else ""
        name = args.pop(0) if args else name
    elif args and not reads_stdin:
        name = args.pop(0)
        try:
            script = call.machine.files.read(call.path(name), root=call.root)
        except FileError as error:
            return await call.error(f"0: cannot open {name}: {error}", 2)
    else:
        script = await read_script(call.stdin)
    call.name = name
    shell = Shell(call, dialect, args)
    shell.options = shell_options
    # A process of its own: `kill $$` ends it and nothing else.
    process = call.session.start(shell.run(script), pid=shell.pid)
    process.on_signal = shell.trapped
    return await process.ended()


EXITS = re.compile(r"(?:^|[;\s])exit(?: \d+)?\s*\n$")


async def read_script(source: Source) -> str:
    """A script from standard input: up to its end, or up to a line that ends the shell.

    A shell reads no further than it has to: what follows is for the commands that it runs.
    """
    script = ""
    while chunk := await source.read():
        script += chunk
        if EXITS.search(script) and _is_whole(script):
            break
    return script


def _is_whole(script: str) -> bool:
    try:
        parse(script)
    except ShellSyntaxError:
        return False
    return True


async def sh(call: Call) -> int:
    """`sh`: dash."""
    return await run_shell(call, DASH)


async def bash(call: Call) -> int:
    """`bash`, for what it has in common with dash."""
    return await run_shell(call, BASH)


async def run(call: Call, words: list[str], *, root: bool | None = None, path: str = "") -> int:
    """Run another program in the place of this one. 127 if there is none."""
    found = find_tool(call.machine, words[0], path or call.environment.get("PATH", ""))
    tool = call.machine.tool(found) if found else None
    if tool is None:
        return 127
    return await tool(
        Call(
            call.session,
            posixpath.basename(words[0]),
            words[1:],
            call.environment,
            call.directory,
            call.root if root is None else root,
            call.stdin,
            call.stdout,
            call.stderr,
        )
    )


async def sudo(call: Call) -> int:
    """`sudo`: no password asked of anybody on a lab node."""
    words = list(call.args)
    user = "root"
    while words and words[0].startswith("-"):
        word = words.pop(0)
        if word == "--":
            break
        if word in {"-u", "-g", "-h", "-p"} and words:
            user = words.pop(0) if word == "-u" else user
    environment = dict(call.environment) | {"USER": user, "LOGNAME": user, "SUDO_USER": "lab"}
    environment["HOME"] = "/root" if user == "root" else f"/home/{user}"
    environment["PATH"] = ROOT_PATH
    while words and re.match(r"[A-Za-z_]\w*=", words[0]):
        name, _, value = words.pop(0).partition("=")
        environment[name] = value
    if not words:
        return 0 if "-v" in call.args else await call.error("a command is required")
    call.environment = environment
    if find_tool(call.machine, words[0], ROOT_PATH) is None:
        return await call.error(f"{words[0]}: command not found")
    return await run(call, words, root=user == "root")


async def env(call: Call) -> int:
    """`env`."""
    words = list(call.args)
    environment = {} if words[:1] in (["-i"], ["-"]) else dict(call.environment)
    words = words[1:] if words[:1] in (["-i"], ["-"]) else words
    while words and "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        environment[name] = value
    if not words:
        await call.out("".join(f"{name}={value}\n" for name, value in environment.items()))
        return 0
    path = environment.get("PATH") or call.environment.get("PATH", "")
    call.environment = environment
    status = await run(call, words, path=path)
    if status == 127 and find_tool(call.machine, words[0], path) is None:
        await call.error(f"'{words[0]}': No such file or directory")
    return status


def seconds(text: str) -> float:
    """A duration such as 1.5, 10s or 2m, in seconds. Raises ValueError."""
    found = re.fullmatch(r"([0-9]*\.?[0-9]+)([smhd]?)", text)
    if not found:
        raise ValueError(f"invalid time interval '{text}'")
    return float(found[1]) * UNITS[found[2]]


async def sleep(call: Call) -> int:
    """`sleep`: real time, whatever the lab's speed: scripts on nodes set deadlines with it."""
    try:
        await asyncio.sleep(sum(seconds(word) for word in call.args))
    except ValueError as error:
        return await call.error(str(error))
    return 0


async def timeout(call: Call) -> int:
    """`timeout`: -k, -s."""
    flags, words = _leading_options(call.args, {"-k", "-s", "--kill-after", "--signal"})
    try:
        limit = seconds(words[0])
    except ValueError as error:
        return await call.error(str(error), 125)
    if find_tool(call.machine, words[1], call.environment.get("PATH", "")) is None:
        return await call.error(
            f"failed to run command '{words[1]}': No such file or directory", 127
        )
    process = call.session.start(run(call, words[1:]))
    done, _ = await asyncio.wait({process.task}, timeout=limit or None)
    if not done:
        killed = flags.get("-s", "TERM").removeprefix("SIG") in {"KILL", "9"}
        process.signal(SIGNALS["KILL" if killed else "TERM"])
        await asyncio.wait({process.task})
        return 128 + SIGNALS["KILL"] if killed else TIMED_OUT
    return process.status


def _leading_options(words: list[str], with_value: set[str]) -> tuple[dict[str, str], list[str]]:
    found: dict[str, str] = {}
    rest = list(words)
    while rest and rest[0].startswith("-"):
        name, equals, value = rest.pop(0).partition("=")
        found[name] = value if equals or name not in with_value else rest.pop(0)
    return found, rest


async def nohup(call: Call) -> int:
    """`nohup`, `setsid`, `nice`: run the rest."""
    _, words = _leading_options(call.args, {"-n"})
    return await run(call, words)


TOOLS: dict[str, Tool] = {
    "bash": bash,
    "dash": sh,
    "env": env,
    "nice": nohup,
    "nohup": nohup,
    "setsid": nohup,
    "sh": sh,
    "sleep": sleep,
    "sudo": sudo,
    "timeout": timeout,
}
