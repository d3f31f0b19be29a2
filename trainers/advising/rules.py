"""Facts -> what to set, each with its reason and its source. Pure: rules of thumb, written down where they can be argued with."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import msgspec

from trainers.advising.facts import Facts
from trainers.config import TrainConfig
from trainers.watching.memory import GB, needed

_RANKS = (8, 16, 32, 64, 128, 256)
_BITS_STORED, _BITS_TOKEN = 2.0, 1.0  # by a trained weight; of a trained token
_FILLED = 0.9  # of the memory that is free
_HELD = 5  # conversations to validate on, at least
_STEPS = 150  # that a run should have
_MOST_AT_ONCE = 16_384  # tokens of a micro-batch: more are no faster
_FULL_RATES = ((20e6, 1e-3), (150e6, 1e-4), (1e9, 2e-5), (math.inf, 1e-5))  # parameters below which, rate of all weights


class Advice(NamedTuple):
    """``key = value`` in a train config, why, and who says so."""

    key: str
    value: Any
    reason: str
    source: str


def counted(count: int, thing: str) -> str:
    """So many of a thing, in words."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def advise(config: TrainConfig, facts: Facts) -> list[Advice]:
    """What to set for these facts; keys that a config of this base and data must have are not repeated."""
    made = msgspec.structs.replace(
        config, precision="bf16" if facts.half else "float32", optimizer=msgspec.structs.replace(config.optimizer, steps=0)
    )
    found = [
        Advice("precision", made.precision, *(
            ("the device computes in bfloat16; the weights that are trained stay float32", "bf16 weights lose most AdamW steps to "
             "rounding: torchtune#2254")
            if facts.half else ("a CPU, or a GPU that only emulates bfloat16", "torch.cuda.is_bf16_supported")
        ))
    ]  # fmt: skip
    method = _method(made, facts)
    found += method
    made = _with(made, method)
    epochs, held, long = _epochs(facts), _validation(facts), _long(config, facts)
    made = _with(made, [epochs, *held, *long])
    batch = _batch(made, facts)
    made = _with(made, batch)
    found += [*long, *batch, epochs]
    if config.optimizer.steps:
        overrides = f"yours, {config.optimizer.steps}, override the epochs; 0 leaves it to them"
        found.append(Advice("optimizer.steps", 0, overrides, "trainers.config.optimizer"))
    return [*found, *_rate(made, facts, _steps(made, facts)), *_forgetting(facts), *held]


def _with(config: TrainConfig, advice: list[Advice]) -> TrainConfig:
    """The config with what was advised so far."""
    raw = msgspec.to_builtins(config)
    for each in advice:
        *tables, last = each.key.split(".")
        target = raw
        for table in tables:
            target = target[table]
        target[last] = each.value
    return msgspec.convert(raw, TrainConfig)


# ------------------------------------------------------------------------------------------------------------ method


def _method(config: TrainConfig, facts: Facts) -> list[Advice]:
    """LoRA, of a rank that can hold the data; all weights only where no rank can and they fit."""
    per_rank = facts.shapes["lora"].trained
    information = _BITS_TOKEN * facts.supervised * facts.distinct
    rank = next((rank for rank in _RANKS if _BITS_STORED * per_rank * rank >= information), None)
    held = f"about {facts.supervised * facts.distinct:,.0f} different trained tokens, some {_BITS_TOKEN:g} bit each"
    schulman = "Schulman 2025, LoRA Without Regret; Allen-Zhu 2024, arXiv 2404.05405 (2 bits a weight)"
    if rank is None and _fits(config, facts, "full"):
        return [
            Advice("method", "full", f"{held}: more than an adapter of rank {_RANKS[-1]} can hold, and all weights fit", schulman)
        ]
    rank = rank or _RANKS[-1]
    less = "learns the same where its rank can hold the data, and forgets less than all weights do"
    found = [Advice("method", "lora", less, "Biderman 2024, arXiv 2405.09673; Schulman 2025")]
    found += [
        Advice("lora.r", rank, f"{held}: 2 bits in each of {per_rank * rank:,} weights of the adapter hold them", schulman),
        Advice("lora.alpha", 2.0 * rank, "twice the rank", "Biderman 2024, arXiv 2405.09673"),
    ]
    adapted = _with(config, found)
    smallest = adapted if facts.longest <= 0 else _with(adapted, [_budget(facts.longest), _checkpointing()])
    if facts.cuda and not _within(smallest, facts):
        found.append(Advice(
            "lora.quantise", "nf4", "the base does not fit in sixteen bits", "Dettmers 2023, arXiv 2305.14314 (QLoRA)"
        ))  # fmt: skip
    return found


def _fits(config: TrainConfig, facts: Facts, method: str) -> bool:
    """With the smallest batch that holds the longest row, computing activations twice."""
    small = [Advice("method", method, "", ""), _budget(facts.longest), _checkpointing()]
    return _within(_with(config, small), facts)


def _within(config: TrainConfig, facts: Facts) -> bool:
    return facts.free is None or _bytes(config, facts) <= _FILLED * facts.free


def _bytes(config: TrainConfig, facts: Facts) -> float:
    shape = facts.shapes["full" if config.method == "full" else "lora"]
    if config.method == "lora":
        shape = shape._replace(trained=shape.trained * config.lora.r)
    return needed(config, shape, min(config.data.tokens_per_batch, facts.tokens)).total


# ------------------------------------------------------------------------------------------------------------- batch


def _budget(tokens: int) -> Advice:
    return Advice("data.tokens_per_batch", tokens, "", "")


def _checkpointing() -> Advice:
    return Advice("gradient_checkpointing", True, "", "")


def _long(config: TrainConfig, facts: Facts) -> list[Advice]:
    """Where rows are longer than the base can take."""
    if not facts.beyond or (config.data.max_length == facts.longest and config.data.too_long != "refuse"):
        return []
    reason = f"the longest row has {facts.beyond:,} tokens, and the base's context is {facts.longest:,}"
    policy = "drop" if config.data.too_long == "drop" else "cut"
    done = "rows beyond are left out" if policy == "drop" else "all of every text, or every answer that fits, is trained"
    return [
        Advice("data.max_length", facts.longest, reason, "the base's config.json"),
        Advice("data.too_long", policy, done, "trainers.data.cutting"),
    ]


def _batch(config: TrainConfig, facts: Facts) -> list[Advice]:
    """A step of as many tokens as leave 150 steps, within limits; cut into micro-batches that fit."""
    most = 131_072 if config.method == "full" else 32_768
    step = max(facts.longest, min(most, int(config.optimizer.epochs * facts.tokens) // _STEPS))
    budget = max(facts.longest, min(step, _MOST_AT_ONCE))
    while not _within(_with(config, [_budget(budget)]), facts) and budget > facts.longest:
        budget = max(facts.longest, budget // 2)
    again = [] if _within(_with(config, [_budget(budget)]), facts) else [_checkpointing()]
    memory = _bytes(_with(config, [_budget(budget), *again]), facts)
    free = "" if facts.free is None else f" of {facts.free / GB:.3g} GB free"
    several = max(1, round(step / budget))
    steps = _steps(_with(config, [_budget(budget), Advice("optimizer.accumulation", several, "", "")]), facts)
    found = [
        Advice(
            "data.tokens_per_batch", budget,
            f"holds the longest row ({facts.longest} tokens); needs about {memory / GB:.2g} GB{free}",
            "trainers.watching.memory",
        ),
        Advice(
            "optimizer.accumulation", several,
            f"up to {several * budget:,} tokens a step make about {counted(steps, 'step')}; very large "
            "batches teach adapters less, and very few steps teach nothing",
            "Schulman 2025, LoRA Without Regret",
        ),
    ]  # fmt: skip
    reason = "one row does not fit otherwise; costs a second forward pass"
    return found + [each._replace(reason=reason, source="Chen 2016, arXiv 1604.06174") for each in again]


def _steps(config: TrainConfig, facts: Facts) -> int:
    """Of a run: batches are never filled to the brim, so counted where the rows are known."""
    if facts.steps is not None:
        return facts.steps(config)
    return max(1, math.ceil(config.optimizer.epochs * facts.tokens / config.data.tokens_per_batch / config.optimizer.accumulation))


# ------------------------------------------------------------------------------------------------- epochs and rate


def _epochs(facts: Facts) -> Advice:
    count = counted(facts.conversations, "document" if facts.documents else "conversation")
    source = "Muennighoff 2023, arXiv 2305.16264 (up to four epochs are nearly as good as new data)"
    if facts.documents or facts.conversations >= 20_000:
        return Advice("optimizer.epochs", 1.0, f"{count}: once is enough, and more is memorised", source)
    if facts.conversations >= 2_000:
        return Advice("optimizer.epochs", 2.0, f"{count}: a second pass still teaches", source)
    return Advice("optimizer.epochs", 3.0, f"only {count}: up to three passes, and the best checkpoint of them", source)


def _rate(config: TrainConfig, facts: Facts, steps: int) -> list[Advice]:
    """Ten times as much for LoRA as for all weights; half as much again for short runs; more for small models."""
    full = next(rate for parameters, rate in _FULL_RATES if facts.shapes["full"].parameters < parameters)
    words = f"a model of {facts.shapes['full'].parameters / 1e6:,.3g}M"
    rate = full
    source = "arXiv 2509.20758 (low rates keep general abilities)"
    if config.method == "lora":
        factor = 15 if steps < 100 else 10
        rate = full * factor
        words += f", and LoRA wants {factor} times the rate of all weights" + (" in a run this short" if factor == 15 else "")
        source = "Schulman 2025, LoRA Without Regret"
    found = [Advice("optimizer.learning_rate", float(f"{rate:.2g}"), f"{words} ({counted(steps, 'step')})", source)]
    if steps < 300:
        found.append(Advice(
            "optimizer.warmup_ratio", 0.1,
            f"in {counted(steps, 'step')} the usual 3 % are too few: the first steps do most of the damage",
            "arXiv 2501.13453",
        ))  # fmt: skip
    return found


# --------------------------------------------------------------------------------------------- what is easily forgotten


def _forgetting(facts: Facts) -> list[Advice]:
    if facts.replay:
        return []
    ratio = 0.25 if facts.documents else 0.1
    more = "; documents make a model forget more than answers do" if facts.documents else ""
    return [Advice(
        "data.replay_ratio", ratio,
        f"name a file of general rows as data.replay: {ratio:.0%} as many tokens keep what was known at hardly any cost{more}",
        "Scialom 2022, arXiv 2205.12393; Biderman 2024, arXiv 2405.09673; the lab of this project",
    )]  # fmt: skip


def _validation(facts: Facts) -> list[Advice]:
    """A share to hold out of which some five rows can be expected; nothing where that would be more than half."""
    if facts.validation or facts.conversations < 2 * _HELD:
        return []
    share = 0.02 if facts.conversations >= 2_000 else max(0.1, round(_HELD / facts.conversations, 2))
    return [Advice(
        "data.validation_share", share, "without validation nobody sees over-fitting, and no best checkpoint can be handed over",
        "Prechelt 1998, Early Stopping - But When?",
    )]  # fmt: skip
