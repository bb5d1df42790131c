"""Floor 5: the one execution path from a release and a request to an answer. No web framework."""

from .asking.context import in_context
from .budget import Lease, Purse
from .calling.chain import chain_targets
from .calling.strictness import Weakness, incapable, weaknesses
from .calling.targets import Hint, Targets
from .direct import direct
from .embedding.embed import Embedding, embed_texts
from .execute import execute
from .guarding.alone import Checked, check_messages
from .guarding.looks import Looks
from .kinds.app import app_targets, cross_check, warnings
from .kinds.contract import behavioural, targets
from .money.limits import compile_limits
from .releases import Releases
from .runtime import Hold, Runtime
from .snapshot import Snapshot, load
from .tabular.infer import MOST_ROWS, infer
from .tabular.model import Model, ModelRequest

__all__ = [
    "MOST_ROWS", "Checked", "Embedding", "Hint", "Hold", "Lease", "Looks", "Model", "ModelRequest", "Purse", "Releases",
    "Runtime", "Snapshot", "Targets", "Weakness", "app_targets", "behavioural", "chain_targets",
    "check_messages", "compile_limits", "cross_check", "direct", "embed_texts", "execute", "in_context", "incapable",
    "infer", "load", "targets", "warnings", "weaknesses",
]  # fmt: skip
