"""Programs that show the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.lab.kernel import ipvs, nodefiles
from nftwave.lab.tools.connections import conntrack, ss
from nftwave.lab.tools.iproute import ip
from nftwave.lab.tools.iptables import ipset, iptables, iptables_save
from nftwave.lab.tools.nft import nft
from nftwave.lab.tools.operands import options

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from nftwave.lab.kernel.kernel import Kernel
    from nftwave.lab.shell.process import Call, Tool


async def ipvsadm(call: Call, kernel: Kernel) -> int:
    """`ipvsadm -Ln`."""
    if not call.root:
        await call.stderr.write("Can't initialize ipvs: Permission denied (you must be root)\n")
        return 255
    flags, _ = options(call.args, "")
    if "L" in flags or "l" in flags or not call.args:
        await call.out(ipvs.show_ipvsadm(kernel.virtual_servers(), kernel.ipvs_connections()))
        return 0
    return await call.error("only the list command is there", 2)


async def sysctl(call: Call, kernel: Kernel) -> int:
    """`sysctl -a`, `sysctl [-n] NAME…`."""
    flags, names = options(call.args, "")
    settings = nodefiles.sysctls(kernel)
    status = 0
    for name in names or settings:
        dotted = name.replace("/", ".")
        if dotted in settings:
            value = settings[dotted]
            await call.out(f"{value}\n" if "n" in flags else f"{dotted} = {value}\n")
        else:
            path = dotted.replace(".", "/")
            status = await call.error(
                f"cannot stat /proc/sys/{path}: No such file or directory", 255
            )
    return status


async def uname(call: Call, kernel: Kernel) -> int:
    """`uname`: -s -n -r -v -m -a."""
    flags, _ = options(call.args, "")
    known = {
        "s": "Linux",
        "n": kernel.node_name,
        "r": kernel.release,
        "v": "#1 SMP PREEMPT_DYNAMIC Debian",
        "m": "x86_64",
        "o": "GNU/Linux",
    }
    chosen = [value for letter, value in known.items() if letter in flags or "a" in flags]
    await call.out(" ".join(chosen or ["Linux"]) + "\n")
    return 0


async def lsmod(call: Call, kernel: Kernel) -> int:
    """`lsmod`."""
    await call.out(f"{'Module':<24}{'Size':>6}  Used by\n")
    for line in nodefiles.shown(kernel)["/proc/modules"]().splitlines():
        name, size, users, by, *_ = line.split()
        await call.out(f"{name:<20}{size:>10}  {users} {by.strip(',-')}\n")
    return 0


KERNEL_TOOLS: dict[str, Callable[[Call, Kernel], Awaitable[int]]] = {
    "conntrack": conntrack,
    "ip": ip,
    "ip6tables": iptables,
    "ip6tables-save": iptables_save,
    "ipset": ipset,
    "iptables": iptables,
    "iptables-save": iptables_save,
    "ipvsadm": ipvsadm,
    "lsmod": lsmod,
    "nft": nft,
    "ss": ss,
    "sysctl": sysctl,
    "uname": uname,
}


def bound(kernel: Kernel, tool: Callable[[Call, Kernel], Awaitable[int]]) -> Tool:
    """The program for one node."""
    return lambda call: tool(call, kernel)
