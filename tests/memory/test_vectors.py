"""The vector memory with its real encoder: found by meaning in both languages, rebuilt from nothing."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from memory.vectors import Document, SentenceEncoder, VectorMemory

DOCUMENTS = [
    Document(kind="lesson", id="win-back", text="Reminding customers who stopped buying did not bring them back"),
    Document(kind="lesson", id="refill", text="A reminder to reorder coffee before it runs out sold more coffee"),
    Document(kind="campaign", id="thanks", text="A thank-you note to our most loyal customers"),
]


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    return SentenceEncoder()


@pytest.fixture
def vectors(tmp_path: Path, encoder: SentenceEncoder) -> VectorMemory:
    found = VectorMemory(tmp_path / "vectors", encoder)
    found.index(DOCUMENTS)
    return found


def test_a_lesson_is_found_by_meaning_in_another_language(vectors: VectorMemory) -> None:
    best = vectors.search("relancer les clients qui n'achètent plus", limit=1)[0]
    assert best.id == "win-back"
    assert 0.3 < best.similarity <= 1


def test_a_search_can_be_limited_to_campaigns(vectors: VectorMemory) -> None:
    assert [match.id for match in vectors.search("reorder coffee", kind="campaign")] == ["thanks"]


def test_indexing_again_replaces_the_words(vectors: VectorMemory) -> None:
    vectors.index([DOCUMENTS[0].model_copy(update={"text": "Free delivery on garden furniture"})])
    assert vectors.ids("lesson") == {"win-back", "refill"}
    assert vectors.search("garden furniture", limit=1)[0].id == "win-back"


def test_what_is_forgotten_is_not_found_again(vectors: VectorMemory) -> None:
    vectors.forget("lesson", ["refill", "never-there"])
    assert vectors.ids("lesson") == {"win-back"}


def test_a_rebuild_holds_exactly_the_rows_it_was_given(vectors: VectorMemory) -> None:
    vectors.rebuild(DOCUMENTS[:1])
    assert vectors.ids("lesson") == {"win-back"}
    assert vectors.ids("campaign") == set()


def test_the_index_outlives_the_process(tmp_path: Path, encoder: SentenceEncoder, vectors: VectorMemory) -> None:
    again = VectorMemory(tmp_path / "vectors", encoder)
    assert again.ids("lesson") == vectors.ids("lesson")


def test_an_empty_memory_finds_nothing(tmp_path: Path, encoder: SentenceEncoder) -> None:
    assert VectorMemory(tmp_path / "empty", encoder).search("anything") == []


def test_a_folder_that_was_deleted_after_closing_is_opened_anew(
    tmp_path: Path, encoder: SentenceEncoder, vectors: VectorMemory
) -> None:
    vectors.close()
    shutil.rmtree(tmp_path / "vectors")
    again = VectorMemory(tmp_path / "vectors", encoder)
    assert again.ids("lesson") == set()
    again.index(DOCUMENTS[:1])
    assert again.ids("lesson") == {"win-back"}


def test_a_text_is_encoded_once_however_often_it_is_asked_for(
    encoder: SentenceEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[str] = []
    encode = encoder._encode

    def counted(texts: Sequence[str]) -> NDArray[np.float32]:
        encoded.extend(texts)
        return encode(texts)

    monkeypatch.setattr(encoder, "_encode", counted)
    first, second = encoder(["one letter", "another letter"]), encoder(["another letter", "one letter", "a third one"])
    assert encoded == ["one letter", "another letter", "a third one"]
    assert np.array_equal(first[[1, 0]], second[:2])
