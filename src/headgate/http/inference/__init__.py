"""The wires of models: Open Inference Protocol v2 under `/v2`, and MLflow's `/invocations`. Called by the app."""

from .invocations import PATHS, Invocations
from .invocations import error_body as mlflow_error
from .open_inference import PREFIX, OpenInference
from .open_inference import error_body as inference_error
from .scoring import Scoring

__all__ = ["PATHS", "PREFIX", "Invocations", "OpenInference", "Scoring", "inference_error", "mlflow_error"]
