"""What the voices say: whole sentences as callers hear them, and the clips that are heard between others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, time

from ivr.prompts.catalogue import Catalogue
from ivr.prompts.english import English
from ivr.prompts.language import ClipKeys

SHORT_CLIP_TABLES = ("number", "ordinal", "weekday", "month", "press")
"""The tables whose clips everything hangs on: mistaken for another, the caller presses or notes something else."""
_WORD = re.compile(r"[a-z]+")


def sentences(catalogue: Catalogue) -> list[ClipKeys]:
    """Every prompt that is a sentence of its own, and menu lines, counts, envelopes and lengths joined by rule."""
    return [*_whole_prompts(catalogue), *_composed_texts(catalogue)]


def short_clips(catalogue: Catalogue) -> list[ClipKeys]:
    """Numbers, days, months and keys, each alone."""
    return [(key,) for key in catalogue if key.partition("/")[0] in SHORT_CLIP_TABLES]


def words(sentence: str) -> list[str]:
    """A text word by word, as it sounds."""
    return _WORD.findall(sentence.lower().replace("a.m.", "a m").replace("p.m.", "p m"))


def _whole_prompts(catalogue: Catalogue) -> Iterator[ClipKeys]:
    for key in catalogue:
        clip = catalogue[key]
        if clip.text.endswith((".", "?")) and len(words(clip.text)) >= 3 and not key.startswith("press/"):
            yield (key,)


def _composed_texts(catalogue: Catalogue) -> Iterator[ClipKeys]:
    for n, key in enumerate(key for key in catalogue if key.startswith("to/")):
        yield English().menu_option(key.removeprefix("to/"), "1234567890*#"[n % 12])
    for new, saved in ((1, 0), (0, 1), (3, 2), (1, 14), (21, 1), (16, 60)):
        yield English().message_counts(new, saved)
    now = datetime(2026, 11, 20, 12)
    for n in range(1, 11):
        yield English().received_time(datetime.combine(date(2026, n, 2 * n), time(n, 5 * n)), now)
    for caller in ("2025550173", "4169"):
        yield English().caller_and_time(English().caller_id(caller), now, now)
    for ms in (5_000, 61_000, 119_000, 738_000):
        yield English().length(ms)
