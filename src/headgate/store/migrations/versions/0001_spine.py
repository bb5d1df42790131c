"""The first schema: artifacts, releases, environments, evidence, approvals, keys, audit, ledger, jobs, the loop."""

from alembic import op

from headgate.store.schema import metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table. Later versions spell their changes out; the first one is the schema itself."""
    metadata.create_all(op.get_bind())
