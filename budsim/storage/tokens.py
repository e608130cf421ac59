"""API tokens: the secret is shown once, its hash is kept."""

from dataclasses import dataclass
from hashlib import sha256
from secrets import token_urlsafe
from uuid import UUID, uuid4

from sqlalchemy import func, select, update

from budsim.storage.engine import Sessions, transaction
from budsim.storage.schema import TokenRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """Who may call, and for which projects and clusters; None means all."""

    id: UUID
    name: str
    projects: frozenset[str] | None
    clusters: frozenset[str] | None


class PostgresTokens:
    """Creates, finds and revokes tokens."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def create(self, name: str, *, projects: list[str] | None = None, clusters: list[str] | None = None) -> str:
        """Return the secret of a new token; it cannot be shown again."""
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

    async def revoke(self, name: str) -> int:
        """Revoke every token of that name; return how many."""
        ended = update(TokenRow).where(TokenRow.name == name, TokenRow.revoked_at.is_(None)).values(revoked_at=func.now())
        async with transaction(self._sessions) as session:
            return len((await session.execute(ended.returning(TokenRow.id))).all())


def _hash(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def _set(values: list[str] | None) -> frozenset[str] | None:
    return None if values is None else frozenset(values)
