"""Everything that can be wrong before a model starts: can these suites be asked, and the policy be decided with their items?"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from harness.baselines import PREFIX, read_pins
from harness.config import Loaded
from harness.engines import serving
from harness.errors import ConfigError
from harness.gate import TRANSITIONS, check_rules, check_scales, check_slices, matches, of_people
from harness.gate.checks import PROMPT_LENGTH
from harness.gate.contamination import found_in
from harness.gate.selection import traits_of
from harness.lines import located
from harness.pipeline.left_out import check_left_out
from harness.pipeline.lengths import check_lengths, items_by_length
from harness.pipeline.preparing import Prepared, assemble, first_requests, place_of
from harness.pipeline.ranges import with_ranges
from harness.pipeline.spending import with_spending
from harness.plugins import did_you_mean
from harness.records import Metric, Rule


def prepare(loaded: Loaded, *, limit: int | None = None) -> Prepared:
    """Check everything that can be checked without starting a model. ConfigError otherwise."""
    prepared = assemble(loaded, limit=limit)
    check_prepared(prepared)
    return prepared


def check_prepared(prepared: Prepared) -> None:
    """ConfigError for items that cannot be asked, or a policy that could never be decided."""
    with located(prepared.loaded.file):
        _check_items(prepared)
        _check_loads(prepared)
        _check_policy(prepared)


def _check_items(prepared: Prepared) -> None:
    """No empty suite; and where a suite talks to a chat model, the model has a chat template."""
    local = list(_local(prepared))
    for index, entry in enumerate(prepared.config.suites):
        items = prepared.items(entry.name)
        if not items:
            raise ConfigError("the suite has no items", where=f"suites[{index}]", file=prepared.loaded.file)
        if any(request.messages for request in first_requests(prepared.suites[entry.name], items[0])):
            for name in local:
                if not prepared.prints[name].template:
                    raise ConfigError(
                        f"{prepared.candidates[name].model!r} has no chat template, and suite {entry.name!r} asks in chat form. "
                        "Add chat_template.jinja to the model's folder.",
                        where=place_of(prepared.config, name),
                        file=prepared.loaded.file,
                    )


def _check_loads(prepared: Prepared) -> None:
    """ConfigError where a suite has a load of its own, and an endpoint is asked with fewer requests at once than that."""
    from harness.engines.openai_api import Resources

    for entry in prepared.config.suites:
        load = prepared.suites[entry.name].concurrency
        for candidate in prepared.config.candidates:
            if load is None or candidate.engine != "openai":
                continue
            most = serving.read_resources(prepared.candidates[candidate.name], Resources).concurrency
            if most < load:
                raise ConfigError(
                    f"{candidate.name!r} sends at most {most} requests at once, and suite {entry.name!r} asks {load}: the load "
                    f"would never be reached. Set resources.concurrency to {load} or more",
                    where=f"{place_of(prepared.config, candidate.name)}.resources.concurrency",
                    file=prepared.loaded.file,
                )


def _local(prepared: Prepared) -> Iterable[str]:
    """Candidates whose files are here, so that their template can be read."""
    return [c.name for c in prepared.config.candidates if prepared.prints[c.name].weights is not None]


def _check_policy(prepared: Prepared) -> None:
    """ConfigError for a rule, band or setting that these suites and items could never decide."""
    config = prepared.config
    names = [candidate.name for candidate in config.candidates]
    names += [f"{PREFIX}{name}" for name in read_pins(prepared.loaded.pins).pins]
    check_rules(config.rules, prepared.metric_ids(), candidates=names, groups=prepared.group_ids())
    declared = {metric: _declared(prepared, metric) for metric in prepared.metric_ids() if not of_people(metric)}
    check_scales(config.rules, declared, prepared.group_ids())
    check_lengths(prepared)
    check_slices(config.rules, partial(_slice_values, prepared))
    _check_sequential(prepared)
    items = {suite: prepared.items(suite) for suite in prepared.suites}
    check_left_out(config, prepared.contaminated, items, whole=prepared.limit is None)
    _check_bands(prepared)
    if any(rule.against == "reference" or rule.metric.rsplit("/", 1)[-1] in TRANSITIONS for rule in config.rules):
        for candidate in config.candidates:
            if candidate.name != config.baseline and candidate.name not in prepared.references:
                if candidate.name in prepared.references.values():
                    continue
                raise ConfigError(
                    f"a rule compares with the reference, but the base of {candidate.name!r} is not a candidate. "
                    f'Declare its base model as a candidate, or set reference = "NAME" on {candidate.name!r}.',
                    file=prepared.loaded.file,
                )


def _declared(prepared: Prepared, metric: str) -> Metric:
    place, name = metric.split("/", 1)[0], metric.rsplit("/", 1)[-1]
    suite = prepared.suites[place]
    metrics = with_spending(prepared.loaded, place, suite.metrics)
    found = with_ranges(prepared.loaded, place, metrics, suite.primary).get(name)
    if found is None:  # flags, lost and gained are right-or-wrong
        return Metric(kind="binary", direction="higher" if name == "gained" else "lower")
    return found


def _check_sequential(prepared: Prepared) -> None:
    """A suite that is named must be one that can be asked in part."""
    settings = prepared.config.sequential
    for index, name in enumerate(() if settings is None else settings.suites):
        why = prepared.division.cannot.get(name)
        if why is not None:
            raise ConfigError(
                f"suite {name!r} cannot be asked in part: {why}. Take it out of the list, and it is asked in full.",
                where=f"sequential.suites[{index}]",
                file=prepared.loaded.file,
            )


def _check_bands(prepared: Prepared) -> None:
    """A band about a metric that the suite does not have would never be looked at."""
    ids = prepared.metric_ids()
    for index, entry in enumerate(prepared.config.suites):
        own = [metric.split("/") for metric in ids if metric.split("/")[0] == entry.name]
        known = {name for parts in own for name in (parts[-1], "/".join(parts[1:]), "/".join(parts))}
        for metric in entry.expect if isinstance(entry.expect, dict) else ():
            if metric not in known:
                hint = did_you_mean(metric, {parts[-1] for parts in own})
                where = f"suites[{index}].expect"
                raise ConfigError(f"the suite has no metric {metric!r}. {hint}", where=where, file=prepared.loaded.file)


def _slice_values(prepared: Prepared, rule: Rule) -> set[str] | None:
    """What the items of a rule's suites have in the field of its slice; None in a smoke run, which does not see them all."""
    ids, groups = {metric for metric in prepared.metric_ids() if not of_people(metric)}, prepared.group_ids()
    suites = {metric.split("/")[0] for metric in ids if matches(rule.metric, metric, groups)}
    if prepared.limit is not None or not suites:
        return None
    field = str(rule.slice).partition("=")[0]
    found = {suite: found_in(prepared.contaminated, suite) for suite in suites}
    items = items_by_length if field == PROMPT_LENGTH else Prepared.items
    traits = [traits_of(item, found[suite]) for suite in suites for item in items(prepared, suite)]
    return {each.slices[field] for each in traits if field in each.slices}
