"""What a config may say: its records, and how a file becomes them."""

from harness.config.declared import CandidateConfig, Config, EngineConfig, Loaded, RuleConfig, SuiteConfig
from harness.config.faults import is_name
from harness.config.loading import load
from harness.config.whereabouts import read_handover

__all__ = [
    "CandidateConfig",
    "Config",
    "EngineConfig",
    "Loaded",
    "RuleConfig",
    "SuiteConfig",
    "is_name",
    "load",
    "read_handover",
]
