"""Commands in a pod's container: `GET …/pods/NAME/exec` by WebSocket.

Refusals and results: Kubernetes 1.36 source (pkg/registry/core/pod, k8s.io/cri-streaming), and
containerd's wording of a program that is not in the image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave.lab.api.auth import review
from nftwave.lab.api.backend import NoSuchProgram
from nftwave.lab.api.calls import Exec
from nftwave.lab.api.channels import PROTOCOLS
from nftwave.lab.api.podlogs import container_of
from nftwave.lab.machinery import status

if TYPE_CHECKING:
    from nftwave.lab.api.backend import Backend
    from nftwave.lab.api.calls import Call
    from nftwave.lab.machinery.objects import Object
    from nftwave.lab.shell.streams import Sink, Source
    from nftwave.lab.store.store import Store

# AuthorizePodWebsocketUpgradeCreatePermission: on from 1.35. A WebSocket begins with GET, and
# who may only get must not run commands.
CREATE_ASKED_FROM = (1, 35)


def pod_exec(store: Store, backend: Backend, call: Call, version: str) -> Exec:
    """The command that a request asks for, ready to run.

    Raises:
        ApiStatus: 403 without the verb create, 404 if there is no such pod, 400 if it is asked for
            in a way that cannot be, 500 if the container does not run or its node is silent.
    """
    info = call.info
    major, minor = version.lstrip("v").split(".")[:2]
    if (int(major), int(minor)) >= CREATE_ASKED_FROM:
        decision = review(call.user, "create", info.resource_key, info.namespace)
        if not decision.allowed:
            raise status.forbidden(info.group, info.plural or "", info.name, decision.reason)
    pod = store.version("pods", info.namespace, info.name).obj
    container = container_of(pod, call.query.get("container"))
    if not call.command:
        raise status.bad_request("you must specify at least one command for the container")
    asked = [name for name in ("stdin", "stdout", "stderr") if call.flag(name)]
    if not asked:
        raise status.bad_request("you must specify at least 1 of stdin, stdout, stderr")
    backend.check_exec(pod, container)
    if not set(call.offered) & set(PROTOCOLS):
        raise status.bad_request("Upgrade request required")

    async def run(stdin: Source, stdout: Sink, stderr: Sink) -> Object:
        try:
            code = await backend.pod_exec(pod, call.command, stdin, stdout, stderr)
        except NoSuchProgram as error:
            why = f"error executing command in container: {error}"
            return status.internal_error(why).as_json()
        return ended(code)

    return Exec(run, "stdin" in asked, "stdout" in asked, "stderr" in asked)


def ended(code: int) -> Object:
    """What the error channel says of a command that ended."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }
