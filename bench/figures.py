"""Medians, percentiles, and how sure a difference is. Pure functions on lists of numbers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure of both systems, measured in pairs; `unit` is what the values are in."""

    name: str
    unit: str
    ours: Sequence[float]
    theirs: Sequence[float]
    """Empty where only ours can be measured."""


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0..1) of all lie, between neighbours in proportion."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def confidence_interval(differences: Sequence[float], seed: int = 1) -> tuple[float, float]:
    """Within what the median of `differences` lies with 95 %, by resampling; the same seed gives the same answer."""
    chance = random.Random(seed)
    medians = sorted(median(chance.choices(differences, k=len(differences))) for _ in range(RESAMPLES))
    return percentile(medians, 0.025), percentile(medians, 0.975)


def table(rows: Sequence[Comparison], ours: str = "ours", theirs: str = "app_voicemail") -> str:
    """The figures as a table of Markdown: medians, 95th percentiles, and the median difference of the pairs."""
    lines = [
        f"| figure | pairs | {ours}, median (95 %) | {theirs}, median (95 %) | difference of a pair, 95 % interval |",
        "|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *map(_line, rows)])


def _line(row: Comparison) -> str:
    ours = f"{_format_value(median(row.ours))} ({_format_value(percentile(row.ours, 0.95))}) {row.unit}"
    if not row.theirs:
        return f"| {row.name} | {len(row.ours)} | {ours} | - | - |"
    theirs = f"{_format_value(median(row.theirs))} ({_format_value(percentile(row.theirs, 0.95))}) {row.unit}"
    differences = [a - b for a, b in zip(row.ours, row.theirs, strict=True)]
    low, high = confidence_interval(differences)
    apart = f"{median(differences):+.1f} [{low:+.1f}, {high:+.1f}] {row.unit}"
    return f"| {row.name} | {len(row.ours)} | {ours} | {theirs} | {apart} |"


def _format_value(value: float) -> str:
    return f"{value:,.1f}" if abs(value) < 1000 else f"{value:,.0f}"
