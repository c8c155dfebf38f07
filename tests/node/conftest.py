import pytest

from .sshservers import Keys, Loop, Servers


@pytest.fixture(scope="session")
def loop():
    return Loop()


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    return Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def servers(loop, keys, tmp_path):
    made = Servers(loop, keys, tmp_path)
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def no_agent_or_ssh_config(monkeypatch, tmp_path):
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
