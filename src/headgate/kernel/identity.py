"""Who acts: the principal that an edge hands down with every call. Roles and permissions are `platform`'s."""

from __future__ import annotations

from dataclasses import dataclass

Role = str


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who acts in one project.

    person: who it is; separation of duty is by person, so all keys of one person count as one. verified: whether a
    key proved it; what the unverified local administrator approves does not count. key_id: which key, '' for none.
    """

    person: str
    project: str
    roles: frozenset[Role] = frozenset()
    key_id: str = ""
    verified: bool = False


def local(project: str) -> Principal:
    """The administrator of an embedded database: whoever can write its file. Never verified."""
    return Principal("local", project, frozenset({"admin"}))


def server(project: str) -> Principal:
    """The server itself, when it acts by its own clock or trains: an author like any other, who approves nothing."""
    return Principal("headgate", project, frozenset({"operator"}))
