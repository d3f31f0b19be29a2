"""One file per row of the table, and the order in which they run."""

from benchmarks.row import Benchmark
from benchmarks.rows import multi_token_choices, single_token_choices
from benchmarks.rows.adapter_fleet import AdapterFleet
from benchmarks.rows.adapter_fleet_commands import AdapterFleetCommands
from benchmarks.rows.conclude_fleet import ConcludeFleet
from benchmarks.rows.not_the_model import NotTheModel
from benchmarks.rows.one_adapter_changed import OneAdapterChanged
from benchmarks.rows.packed_training import PackedTraining
from benchmarks.rows.paired_resamples import PairedResamples
from benchmarks.rows.second_run import SecondRun

BENCHMARKS: tuple[Benchmark, ...] = (
    multi_token_choices.WIDE,
    multi_token_choices.LAB,
    single_token_choices.WIDE,
    single_token_choices.LAB,
    AdapterFleetCommands(),
    AdapterFleet(),
    SecondRun(),
    OneAdapterChanged(),
    PairedResamples(),
    PackedTraining(),
    ConcludeFleet(),
    NotTheModel(),
)
