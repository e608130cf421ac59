"""API tokens: the secret is shown once, its hash is kept."""

from dataclasses import dataclass
from hashlib import sha256
from secrets import token_urlsafe
from uuid import UUID, uuid4

from sqlalchemy import func, select, update

from budsim.core.errors import InvalidInput
from budsim.storage.engine import Sessions, transaction
from budsim.storage.schema import TokenRow

MAX_NAME_LENGTH = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """Who may call, and for which projects and clusters; None means all."""

    id: UUID
    name: str
    projects: frozenset[str] | None
    clusters: frozenset[str] | None

    def covers_project(self, project_id: str | None) -> bool:
        """Whether it is for this project; one limited to projects is not for what has none."""
        return self.projects is None or project_id in self.projects

    def covers_cluster(self, cluster_id: str | None) -> bool:
        """Whether it is for this cluster; one limited to clusters is not for «all known ones»."""
        return self.clusters is None or cluster_id in self.clusters


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenView:
    """A token as its keeper sees it. [unix s]"""

    name: str
    projects: frozenset[str] | None
    clusters: frozenset[str] | None
    created_s: float
    revoked_s: float | None


class PostgresTokens:
    """Creates, finds and revokes tokens."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def create(self, name: str, *, projects: list[str] | None = None, clusters: list[str] | None = None) -> str:
        """Return the secret of a new token; it cannot be shown again."""
        if not name.strip() or len(name) > MAX_NAME_LENGTH:
            raise InvalidInput(f"name = {name[:MAX_NAME_LENGTH]!r} is not of 1 to {MAX_NAME_LENGTH} characters", param="name")
        secret = f"budsim_{token_urlsafe(32)}"
        async with transaction(self._sessions) as session:
            session.add(TokenRow(id=uuid4(), name=name, secret_hash=_hash(secret), projects=projects, clusters=clusters))
        return secret

    async def find(self, secret: str) -> Token | None:
        """Return the live token of a secret."""
        wanted = select(TokenRow).where(TokenRow.secret_hash == _hash(secret), TokenRow.revoked_at.is_(None))
        async with transaction(self._sessions) as session:
            row = await session.scalar(wanted)
        if row is None:
            return None
        return Token(id=row.id, name=row.name, projects=_set(row.projects), clusters=_set(row.clusters))

    async def all(self) -> list[TokenView]:
        """Return every token ever made, oldest first, without its secret."""
        async with transaction(self._sessions) as session:
            rows = (await session.scalars(select(TokenRow).order_by(TokenRow.created_at, TokenRow.name))).all()
        return [
            TokenView(
                name=row.name,
                projects=_set(row.projects),
                clusters=_set(row.clusters),
                created_s=row.created_at.timestamp(),
                revoked_s=row.revoked_at.timestamp() if row.revoked_at else None,
            )
            for row in rows
        ]

    async def revoke(self, name: str) -> int:
        """Revoke every token of that name; return how many."""
        ended = update(TokenRow).where(TokenRow.name == name, TokenRow.revoked_at.is_(None)).values(revoked_at=func.now())
        async with transaction(self._sessions) as session:
            return len((await session.execute(ended.returning(TokenRow.id))).all())


def _hash(secret: str) -> str:
    return sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _set(values: list[str] | None) -> frozenset[str] | None:
    return None if values is None else frozenset(values)
