"""Floor 4: training pipelines that people write, and the models they make: measured, converted, checked, locked."""

from .lineage import InputDocument, ModelDocument, explain_lineage, locked
from .metrics import Measured
from .pipeline import Pipeline, TrainingRows
from .run import TrainResult, TrainRun, run
from .sources import code_digest, sources_of

__all__ = [
    "InputDocument", "Measured", "ModelDocument", "Pipeline", "TrainResult", "TrainRun", "TrainingRows", "code_digest",
    "explain_lineage", "locked", "run", "sources_of",
]  # fmt: skip
