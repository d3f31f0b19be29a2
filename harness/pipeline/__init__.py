"""The one way through: prepare (all that can be wrong before a model starts) -> measure -> conclude."""

from harness.pipeline.asking import Measurement
from harness.pipeline.checking import prepare
from harness.pipeline.concluding import conclude, policy_of
from harness.pipeline.measuring import measure
from harness.pipeline.preparing import Prepared
from harness.pipeline.preview import Preview, preview
from harness.pipeline.progress import SILENT, Progress

__all__ = ["SILENT", "Measurement", "Prepared", "Preview", "Progress", "conclude", "measure", "policy_of", "prepare", "preview"]
