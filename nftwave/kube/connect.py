"""From a cluster of the fleet file to its API server.

    | access                  | credentials from                                                |
    |-------------------------|-----------------------------------------------------------------|
    | kubeconfig and context  | that context of that file; exec plugins and tokens as kubectl   |
    | in-cluster              | the pod's service account                                       |

A context is never guessed: without one there is no connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nftwave import __version__
from nftwave.errors import BadInput
from nftwave.kube.gateway import Gateway

if TYPE_CHECKING:
    from nftwave.fleet import Cluster


def connect(cluster: Cluster) -> Gateway:
    """The gateway of a cluster; nothing is sent yet.

    Raises:
        BadInput: the kubeconfig, its context or its credentials cannot be used.
    """
    from kubernetes import client, config
    from kubernetes.config import ConfigException

    configuration = client.Configuration()
    try:
        if cluster.in_cluster:
            config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
        else:
            config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=str(cluster.kubeconfig),
                context=cluster.context,
                client_configuration=configuration,
                persist_config=False,
            )
    except (ConfigException, OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(
            f"no access to cluster {cluster.name!r}: {error}",
            file=str(cluster.kubeconfig or ""),
            field=f"context {cluster.context!r}" if cluster.context else None,
            next_step="`kubectl --kubeconfig FILE config get-contexts` lists what the file has",
        ) from error
    # urllib3 would send a PUT or DELETE again by itself after a lost answer.
    configuration.retries = False
    configuration.connection_pool_maxsize = 8
    api = client.ApiClient(configuration)
    api.user_agent = f"nftwave/{__version__}"
    return Gateway(api, cluster.name)
