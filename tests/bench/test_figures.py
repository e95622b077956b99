"""The arithmetic behind the figures."""

from __future__ import annotations

from statistics import median

from hypothesis import given
from hypothesis import strategies as st

from bench.figures import Comparison, confidence_interval, percentile, table

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50)


def test_percentiles_of_a_known_row() -> None:
    assert percentile(range(101), 0.95) == 95
    assert percentile([10, 20], 0.5) == 15
    assert percentile([7], 0.95) == 7


@given(VALUES, st.floats(0, 1))
def test_a_percentile_lies_within_its_values(values: list[float], share: float) -> None:
    assert min(values) <= percentile(values, share) <= max(values)


def test_the_interval_holds_the_median_and_narrows_with_more_pairs() -> None:
    few = [float(n % 7) for n in range(20)]
    many = [float(n % 7) for n in range(2000)]
    for values in (few, many):
        low, high = confidence_interval(values)
        assert low <= median(values) <= high
    assert (
        confidence_interval(many)[1] - confidence_interval(many)[0]
        <= confidence_interval(few)[1] - confidence_interval(few)[0]
    )


def test_paired_figures_are_shown_with_difference() -> None:
    markdown = table([Comparison("key to sound", "ms", [30, 31, 32], [31, 32, 33])])
    assert "| key to sound | 3 | 31.0 (31.9) ms | 32.0 (32.9) ms | -1.0 [-1.0, -1.0] ms |" in markdown


def test_figure_without_counterpart_is_shown_alone() -> None:
    assert "| sign in | 2 | 1,500 (1,950) ms | - | - |" in table([Comparison("sign in", "ms", [1000, 2000], [])])
