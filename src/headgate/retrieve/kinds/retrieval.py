"""The kind `retrieval`: `retrieval/<name>.yaml` and the pages that it names become one artifact.

Called by `release.build` through the plugin door. Its identity is texts and settings; an index is a cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from headgate.kernel import (
    Draft,
    HeadgateError,
    InvalidInput,
    Kind,
    Source,
    blob_digest,
    read_text,
    read_yaml,
    validate,
)
from headgate.retrieve.differences import explain
from headgate.retrieve.settings import FUSION_BEHAVIOUR, PARTS, Document, Part, Written, pinned

_EXTENSIONS = (".md", ".markdown", ".txt")
_MAX_PAGES = 20_000


def parse(root: Path, path: str) -> Draft:
    """Read a retrieval and its pages. Raises InvalidInput or NotFound naming file, line and key."""
    source = read_yaml(root, f"{path}.yaml")
    written = validate(Written, source)
    pages: dict[str, str] = {}
    for index, pattern in enumerate(written.corpus):
        at = ("corpus", index) if isinstance(source.data["corpus"], list) else ("corpus",)
        for file in _matching(root, pattern, source, at):
            _claim(pages, file, source, at)
    if len(pages) > _MAX_PAGES:
        raise InvalidInput(f"names {len(pages)} pages, more than {_MAX_PAGES}", where=source.where(("corpus",)))
    texts = {page: read_text(root, file).encode() for page, file in sorted(pages.items())}
    return Draft("retrieval", 1, path, _document(written, source, texts), _blobs(texts))


def _document(written: Written, source: Source, texts: Mapping[str, bytes]) -> dict[str, Any]:
    document: dict[str, Any] = {"corpus": [{"path": page, "digest": blob_digest(text)} for page, text in texts.items()]}
    parts: tuple[Part, ...] = tuple(PARTS)
    for part in parts:
        try:
            document[part] = pinned(part, getattr(written, part))
        except HeadgateError as problem:
            if problem.where is None:
                problem.where = source.where((part,))
            raise
    fusion = written.fusion.model_dump(mode="json", exclude_defaults=True)
    document["fusion"] = {"type": written.fusion.type, **fusion, "behaviour": FUSION_BEHAVIOUR}
    if written.top_k != Document.model_fields["top_k"].default:
        document["top_k"] = written.top_k
    return document


def _blobs(texts: Mapping[str, bytes]) -> dict[str, bytes]:
    return {blob_digest(text): text for text in texts.values()}


def _claim(pages: dict[str, str], file: str, source: Source, at: tuple[str | int, ...]) -> None:
    page = str(PurePosixPath(file).with_suffix(""))
    held = pages.setdefault(page, file)
    if held != file:
        raise InvalidInput(f"{held} and {file} would both be the page {page}", "rename one", where=source.where(at))


def _matching(root: Path, pattern: str, source: Source, at: tuple[str | int, ...]) -> list[str]:
    """Return the files that a pattern names, relative to the project, sorted; only text inside the project."""
    parts = PurePosixPath(pattern).parts
    if not pattern or pattern.startswith(("/", "~")) or "\\" in pattern or ".." in parts:
        raise InvalidInput(f"{pattern!r} is not a path inside the project", where=source.where(at))
    try:
        found = sorted(file.relative_to(root).as_posix() for file in root.glob(pattern) if file.is_file())
    except (ValueError, NotImplementedError) as problem:
        raise InvalidInput(f"{pattern!r} is not a pattern: {problem}", where=source.where(at)) from None
    found = [file for file in found if not any(part.startswith(".") for part in PurePosixPath(file).parts)]
    if not found:
        raise InvalidInput(f"{pattern!r} matches no file", _folder_hint(root, pattern), where=source.where(at))
    for file in found:
        if not (root / file).resolve().is_relative_to(root.resolve()):
            raise InvalidInput(f"{file} is a link to a place outside the project", where=source.where(at))
        if PurePosixPath(file).suffix not in _EXTENSIONS:
            raise InvalidInput(
                f"{file} is not a text page", f"readable: {', '.join(_EXTENSIONS)}", where=source.where(at)
            )
    return found


def _folder_hint(root: Path, pattern: str) -> str:
    folder = PurePosixPath(pattern).parts[0]
    if (root / folder).is_dir():
        kinds = sorted({file.suffix for file in (root / folder).rglob("*") if file.is_file() and file.suffix})
        return f"{folder}/ holds {', '.join(kinds)} files" if kinds else f"the folder {folder}/ is empty"
    return f"there is no folder {folder}/"


plugin = Kind("retrieval", 1, Document, parse, explain)
