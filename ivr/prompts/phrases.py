"""Recordings for one place in a sentence: phrases, which are several clips recorded whole, and the `end` of a clip.

One whose `say` ends in a comma is for the middle of a sentence, any other for its end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from ivr.errors import CatalogueError
from ivr.prompts.clip import Clip

SENTENCE_END = (".", "?", "!")
_RANGE = re.compile(r"(.*/)(\d+)\.\.(\d+)")

Replacements = Mapping[str, Sequence[Clip]]
"""The clips that replace others, by the first clip that they replace; the longest first."""


def expand(key: str, fields: Mapping[str, str], clips: Mapping[str, Clip]) -> tuple[dict[str, Clip], list[str]]:
    """Return the phrases of one line by key: one, or "key-n" for each number of a range such as "number/1..50".

    `clips`: those that the phrases consist of. The second value are the clips that are not among them; a phrase with
    such a clip is left out. Raises `CatalogueError`.
    """
    words = fields["clips"].split()
    if len(words) < 2:
        raise CatalogueError("clips has fewer than two keys: name all clips that the phrase replaces")
    ranges = [matched for word in words if (matched := _RANGE.fullmatch(word))]
    if len(ranges) > 1 or (ranges and "say" in fields):
        raise CatalogueError("clips has two ranges, or a range and a say: write a line for each phrase")
    numbers = range(int(ranges[0][2]), int(ranges[0][3]) + 1) if ranges else None
    if numbers is not None and not numbers:
        raise CatalogueError("the range of clips ends before it begins: write the smaller number first")
    made: dict[str, Clip] = {}
    unknown: list[str] = []
    for n in numbers or (None,):
        parts = tuple(words if n is None else (_RANGE.sub(rf"\g<1>{n}", word) for word in words))
        missing = [part for part in parts if part not in clips]
        unknown += missing
        if not missing:
            phrase_key = key if n is None else f"{key}-{n}"
            made[phrase_key] = _make_phrase(phrase_key, parts, fields.get("say"), clips)
    return made, unknown


def index_replacements(clips: Iterable[Clip]) -> Replacements:
    """Return the clips that replace others, as `choose_recordings` needs them."""
    found: dict[str, list[Clip]] = {}
    for clip in clips:
        if clip.replaces:
            found.setdefault(clip.replaces[0], []).append(clip)
    return {first: sorted(same, key=lambda clip: -len(clip.replaces)) for first, same in found.items()}


def choose_recordings(
    clip_keys: Sequence[str], clips: Mapping[str, Clip], replacements: Replacements
) -> tuple[str, ...]:
    """Return the recordings of `clip_keys`: the longest replacement wherever one fits, else the clip itself."""
    chosen: list[str] = []
    at = 0
    while at < len(clip_keys):
        for clip in replacements.get(clip_keys[at], ()):
            after = at + len(clip.replaces)
            fits = _is_sentence_end(clip_keys, after, clips) != clip.say.endswith(",")
            if fits and tuple(clip_keys[at:after]) == clip.replaces:
                chosen.append(clip.key)
                at = after
                break
        else:
            chosen.append(clip_keys[at])
            at += 1
    return tuple(chosen)


def _is_sentence_end(clip_keys: Sequence[str], after: int, clips: Mapping[str, Clip]) -> bool:
    """Return whether a sentence ends before `clip_keys[after]`.

    The next clip begins one if it has a capital and punctuation, as "To save,": names of days have no punctuation.
    """
    if after >= len(clip_keys):
        return True
    texts = [clips[key].text if key in clips else "" for key in clip_keys[after - 1 : after + 1]]
    return texts[0].endswith(SENTENCE_END) or (texts[1][:1].isupper() and texts[1].endswith((*SENTENCE_END, ",")))


def _make_phrase(key: str, parts: tuple[str, ...], say: str | None, clips: Mapping[str, Clip]) -> Clip:
    text = " ".join(clips[part].text for part in parts)
    return Clip(key, text, say or (text if text.endswith(SENTENCE_END) else f"{text}."), replaces=parts)
