"""Floor 4: training pipelines that people write, and the models they make: measured, converted, checked, locked."""

from .apart import Apart, Limits, train_apart
from .lineage import InputDocument, ModelDocument, explain_lineage, locked
from .metrics import Measured
from .pipeline import Pipeline, TrainingRows
from .run import TrainResult, TrainRun, run
from .sources import code_digest, sources_of

__all__ = [
    "Apart", "InputDocument", "Limits", "Measured", "ModelDocument", "Pipeline", "TrainResult", "TrainRun",
    "TrainingRows", "code_digest", "explain_lineage", "locked", "run", "sources_of", "train_apart",
]  # fmt: skip
