"""Model sets on disk: found by version without loading anything, loaded once and when first needed."""

from pathlib import Path

from budsim.adapters.model_sets import InstalledSets, SetFolders
from budsim.core.search.choice import PredictorSet
from tests.support.card_files import write_card


class FakeLoader:
    """Names a set after its folder and keeps what was loaded."""

    def __init__(self) -> None:
        self.loaded: list[str] = []

    def __call__(self, folder: Path) -> PredictorSet:
        self.loaded.append(folder.name)
        return PredictorSet(version=folder.name)


def folders_in(path: Path) -> SetFolders:
    """Two sets beside each other and a folder of two more, of which one carries the first's version."""
    return SetFolders(
        primary=write_card(path / "first", "vllm/cuda", version="1"),
        second=write_card(path / "second", "vllm/cuda", version="2"),
        more=write_card(write_card(path / "more", "third/vllm/cuda", version="3"), "twin/sglang/cuda", version="1"),
    )


def test_every_set_is_known_by_its_version_and_of_two_of_one_version_the_first_counts(tmp_path: Path) -> None:
    (tmp_path / "more" / "empty").mkdir(parents=True)
    versions = folders_in(tmp_path).versions()
    assert {version: folder.name for version, folder in versions.items()} == {"1": "first", "2": "second", "3": "third"}


def test_folders_that_are_not_there_hold_no_set(tmp_path: Path) -> None:
    assert SetFolders(primary=tmp_path / "a", second=tmp_path / "b", more=tmp_path / "c").versions() == {}


def test_a_card_that_cannot_be_read_names_no_version(tmp_path: Path) -> None:
    write_card(tmp_path, "vllm/cuda")
    (tmp_path / "vllm" / "cuda" / "card.json").write_text("{")
    write_card(tmp_path, "vllm/rocm")
    assert SetFolders(primary=tmp_path).versions() == {}


def test_a_set_is_loaded_once_and_only_when_it_is_needed(tmp_path: Path) -> None:
    load = FakeLoader()
    sets = InstalledSets(folders_in(tmp_path), load=load)
    assert load.loaded == []
    assert sets.primary is sets.primary
    assert load.loaded == ["first"]
    assert (sets.named("3"), sets.named("1")) == (PredictorSet(version="third"), sets.primary)
    assert sets.second is sets.named("2")
    assert load.loaded == ["first", "third", "second"]


def test_a_version_nobody_has_is_none_and_without_a_second_folder_there_is_no_second_set(tmp_path: Path) -> None:
    sets = InstalledSets(SetFolders(primary=write_card(tmp_path, "vllm/cuda", version="1")), load=FakeLoader())
    assert (sets.named("9"), sets.second) == (None, None)


def test_a_second_folder_without_a_set_has_no_share(tmp_path: Path) -> None:
    policy = folders_in(tmp_path).policy(shadow_share=0.5, ab_share=0.1)
    assert (policy.known, policy.has_second, policy.shadow_share, policy.ab_share) == (("1", "2", "3"), True, 0.5, 0.1)
    assert not SetFolders(primary=tmp_path / "first", second=tmp_path / "nowhere").policy(shadow_share=1.0, ab_share=1.0).has_second
