"""A licence is found where there is one: in the catalogue, in a folder, and in what was downloaded from the hub."""

from __future__ import annotations

from pathlib import Path

import pytest

from draftlab.engines import licence
from draftlab.engines.licence import licence_files, licence_of
from draftlab.models import resolve

CARD = "---\nlanguage: en\nlicense: mit\ntags: [x]\n---\n\n# A model\n"


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that were downloaded of owner/known; there is nothing of others."""
    (tmp_path / "config.json").write_text("{}")

    def look(repo_id: str, name: str) -> str | None:
        return str(tmp_path / name) if repo_id == "owner/known" and (tmp_path / name).exists() else None

    monkeypatch.setattr(licence, "try_to_load_from_cache", look)
    return tmp_path


@pytest.mark.parametrize(
    "reference", ["smollm2-135m-instruct", "HuggingFaceTB/SmolLM2-135M-Instruct", "huggingfacetb/smollm2-135m-instruct"]
)
def test_the_catalogue_knows_a_model_by_its_hub_id_too(reference: str, cached: Path) -> None:
    assert licence_of(resolve(reference)) == "apache-2.0"


def test_the_card_in_the_hub_cache_is_read(cached: Path) -> None:
    assert licence_of(resolve("owner/known")) is None
    (cached / "README.md").write_text(CARD)
    (cached / "LICENSE").write_text("as you like")
    assert licence_of(resolve("owner/known")) == "mit"
    assert licence_files(resolve("owner/known")) == [cached / "LICENSE"]
    assert licence_of(resolve("owner/other")) is None
    assert licence_files(resolve("owner/other")) == []


def test_a_folder_says_it_in_its_card(tmp_path: Path) -> None:
    assert licence_of(resolve(str(tmp_path))) is None
    (tmp_path / "README.md").write_text("# license: mit\n")
    assert licence_of(resolve(str(tmp_path))) is None
    (tmp_path / "README.md").write_text(CARD)
    assert licence_of(resolve(str(tmp_path))) == "mit"
