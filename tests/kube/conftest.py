from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nftwave.fleet import explicit_cluster
from nftwave.kube.connect import connect
from nftwave.lab.pki import kubeconfig
from nftwave.lab.store.store import Store
from tests.lab.api.served import Served

if TYPE_CHECKING:
    from nftwave.kube.gateway import Gateway


class Api(Served):
    """The lab's API server, and gateways to it."""

    def __init__(self, folder) -> None:
        # A short memory, so that a test can make a watch's place expire.
        super().__init__(Store(window=4))
        self.folder = folder

    def gateway(self, *, user="admin") -> Gateway:
        authority = self.credentials.authority
        groups = ["kubeadm:cluster-admins"] if user == "admin" else []
        client = authority.client(user, groups)
        path = self.folder / f"{user}.kubeconfig"
        path.write_text(
            kubeconfig("lab-test", self.url, authority.cert_pem, client.cert_pem, client.key_pem)
        )
        return connect(explicit_cluster(path, "lab-test"))

    def fault(self, name) -> None:
        self.do(self.api.faults.inject, name)

    def audit(self) -> dict:
        told = self.do(self.api.audit.as_json)
        requests = {f"{r['verb']} {r['resource']}": r["count"] for r in told["requests"]}
        return {"requests": requests, "mutations": told["mutations"]}


@pytest.fixture
def api(tmp_path):
    served = Api(tmp_path)
    yield served
    served.stop()


@pytest.fixture
def gateway(api):
    one = api.gateway()
    yield one
    one.close()
