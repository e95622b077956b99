"""What the benches are asked for on their command lines."""

from __future__ import annotations


def parse_int_list(given: str) -> list[int]:
    """ "10,1000": [10, 1000]; an empty list leaves a part out. Raises ValueError, which argparse tells as it should."""
    return [int(number) for number in given.split(",")] if given else []
