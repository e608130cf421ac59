"""Alembic runs on the connection `migrate` hands over."""

from alembic import context

from budsim.storage.schema import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
