"""Floor 3: datasets. Files of rows, what is expected of them, and versions that passed."""

from .add import DataAdd, DataAdded, DataValidate, add, validate
from .checking import Problem, Report, check
from .diff import DataDiff, DataDiffResult, diff
from .expectations import Column, Expectations, read_expectations
from .ingest import (
    Batch,
    ColumnDocument,
    DatasetDocument,
    changed_since,
    decode_rows,
    encode_rows,
    locked,
    locked_batch,
    read_batch,
)
from .profile import ColumnProfile
from .show import DataShow, DataShown, show
from .table import Fault, Reader, Table, added, lines_of, read_table

__all__ = [
    "Batch", "Column", "ColumnDocument", "ColumnProfile", "DataAdd", "DataAdded", "DataDiff", "DataDiffResult",
    "DataShow", "DataShown", "DataValidate", "DatasetDocument", "Expectations", "Fault", "Problem", "Reader", "Report",
    "Table", "add", "added", "changed_since", "check", "decode_rows", "diff", "encode_rows", "lines_of", "locked",
    "locked_batch", "read_batch", "read_expectations", "read_table", "show", "validate",
]  # fmt: skip
