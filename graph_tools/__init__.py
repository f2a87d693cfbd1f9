"""graph_tools: load, search, repair and edit TensorFlow-1 graphs (frozen files, SavedModels, checkpoints, sessions)."""

from graph_tools.control_flow import restore_control_flow
from graph_tools.edit.batch import relax_batch
from graph_tools.edit.freeze import freeze
from graph_tools.edit.inference_mode import inference_mode
from graph_tools.edit.inline import inline_calls
from graph_tools.edit.occurrences import split_occurrences
from graph_tools.edit.placeholders import swap_inputs
from graph_tools.edit.prune import prune
from graph_tools.errors import (
    AmbiguousCandidateError,
    BlockedRunError,
    ControlFlowError,
    EditError,
    FeedError,
    ForkedProcessError,
    GradientError,
    GraphToolsError,
    ModelFileMissingError,
    ModelFormatError,
    NoCandidateError,
    ReleaseError,
    StateError,
    TensorFlowMissingError,
    TensorFlowSymbolError,
    TensorNotFoundError,
    TooLargeError,
    UnsafeModelError,
)
from graph_tools.feature_columns import watch_feature_columns
from graph_tools.find.candidates import Candidate, Candidates
from graph_tools.find.columns import find_columns
from graph_tools.find.embeddings import find_embeddings
from graph_tools.find.inputs import find_inputs
from graph_tools.find.layers import find_layers
from graph_tools.find.outputs import find_outputs
from graph_tools.load import from_session, load
from graph_tools.load.estimator import from_estimator
from graph_tools.load.verdict import Verdict, scan
from graph_tools.model import Model
from graph_tools.report import Finding, Report
from graph_tools.verify import verify

__all__ = [
    "AmbiguousCandidateError", "BlockedRunError", "Candidate", "Candidates", "ControlFlowError", "EditError",
    "FeedError", "Finding", "ForkedProcessError", "GradientError", "GraphToolsError", "Model",
    "ModelFileMissingError", "ModelFormatError", "NoCandidateError", "ReleaseError", "Report", "StateError",
    "TensorFlowMissingError", "TensorFlowSymbolError", "TensorNotFoundError", "TooLargeError", "UnsafeModelError",
    "Verdict", "find_columns", "find_embeddings", "find_inputs", "find_layers", "find_outputs", "freeze",
    "from_estimator", "from_session", "inference_mode", "inline_calls", "load", "prune", "relax_batch",
    "restore_control_flow", "scan", "split_occurrences", "swap_inputs", "verify", "watch_feature_columns",
]
