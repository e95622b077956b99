"""Where known windows of sound stand in audio: normalised correlation by FFT, many windows at a time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tests.lab.sip_phone.ulaw import Samples

_BLOCK = 8192
_BATCH = 32  # transforms at a time: many are faster than one, too many leave the cache
_BLOCK_STEP = 16384
_MIN_GAIN = 0.25  # what is heard more than 12 dB too soft is not it
_MIN_PEAK_DISTANCE = 80  # samples; peaks nearer to one another are one
_MIN_NORM = np.zeros(0, np.float32)
_EQUAL_SCORE_TOLERANCE = 0.001  # of two peaks that differ by less, as in a tone, the first counts


class Peak(NamedTuple):
    """A place, in samples, where a window correlates, and how well (0..1)."""

    window: int
    position: int
    score: float


class SearchableAudio:
    """Audio to search in, for one search or, with `keep_spectra`, for many (8 bytes of memory a sample)."""

    def __init__(self, samples: Samples, *, keep_spectra: bool = False) -> None:
        self.length = len(samples)
        self.samples = samples.astype(np.float32)
        self._roots: dict[int, npt.NDArray[np.float32]] = {}
        self._spectra: dict[tuple[int, int, int, int], npt.NDArray[np.complex64] | None] = {}
        self._keeps_spectra = keep_spectra

    def spectra(self, size: int, step: int, first: int, count: int) -> npt.NDArray[np.complex64] | None:
        """The spectra of `count` blocks of `size` samples, one every `step`, from this block on; None: all silent."""
        key = (size, step, first, count)
        if key in self._spectra:
            return self._spectra[key]
        part = self.samples[first * step : (first + count - 1) * step + size]
        padded = np.pad(part, (0, (count - 1) * step + size - len(part)))
        blocks = np.lib.stride_tricks.sliding_window_view(padded, size)[::step]
        spectra = np.fft.rfft(blocks).astype(np.complex64, copy=False) if part.any() else None
        if self._keeps_spectra:
            self._spectra[key] = spectra
        return spectra

    def root(self, length: int) -> npt.NDArray[np.float32]:
        """The norm of the `length` samples from each one on."""
        if length not in self._roots:
            roots = self._roots[length] = np.empty(self.length - length + 1, np.float32)
            for start in range(0, len(roots), _BLOCK_STEP):  # in stretches that stay in the cache
                energy = np.cumsum(np.square(self.samples[start : start + _BLOCK_STEP + length - 1], dtype=np.float64))
                within = energy[length - 1 :]
                within[1:] -= energy[:-length]
                roots[start : start + _BLOCK_STEP] = np.sqrt(within)
        return self._roots[length]


class Correlator:
    """Holds the spectra of the windows, so that each is only made once."""

    def __init__(self, windows: Sequence[Samples]) -> None:
        self._order = sorted(range(len(windows)), key=lambda index: len(windows[index]))
        self._windows = [windows[index].astype(np.float32) for index in self._order]
        self._norms = np.array([max(float(np.linalg.norm(window)), 1.0) for window in self._windows], np.float32)
        self._longest = max((len(window) for window in self._windows), default=1)
        self._groups: list[tuple[int, slice]] = []  # rows of one length
        row = 0
        for length, same in groupby(self._windows, len):
            rows = len(list(same))
            self._groups.append((length, slice(row, row + rows)))
            row += rows
        self._spectra: dict[int, npt.NDArray[np.complex64]] = {}

    def peaks(self, audio: Samples | SearchableAudio, threshold: float) -> list[Peak]:
        """Every place where a whole window correlates at least that well."""
        searched = audio if isinstance(audio, SearchableAudio) else SearchableAudio(audio)
        if not self._groups or searched.length < self._groups[0][0]:
            return []
        size = _power_of_two(max(min(_BLOCK, searched.length), 2 * self._longest))
        spectra = self._spectra_of(size)
        step = size - self._longest + 1
        count = -(-searched.length // step)
        batch = max(_BATCH // len(self._windows), 1)
        hits: list[npt.NDArray[np.float64]] = []
        for first in range(0, count, batch):
            blocks = searched.spectra(size, step, first, min(batch, count - first))
            if blocks is None:
                continue
            products = np.fft.irfft(blocks[:, None] * spectra, size)[..., :step]
            product = products.astype(np.float32, copy=False).transpose(1, 0, 2).reshape(len(spectra), -1)
            start = first * step
            for length, rows in self._groups:
                root = searched.root(length)[start : start + batch * step] if length <= searched.length else _MIN_NORM
                hits.append(self._hits(product[rows, : len(root)], root, rows.start, start, threshold))
        return self._pick(np.concatenate(hits)) if hits else []

    def _spectra_of(self, size: int) -> npt.NDArray[np.complex64]:
        if size not in self._spectra:
            matrix = np.zeros((len(self._windows), size), np.float32)
            for row, window in enumerate(self._windows):
                matrix[row, : len(window)] = window / self._norms[row]
            self._spectra[size] = np.conj(np.fft.rfft(matrix))
        return self._spectra[size]

    def _hits(
        self,
        product: npt.NDArray[np.float32],
        root: npt.NDArray[np.float32],
        first_row: int,
        start: int,
        threshold: float,
    ) -> npt.NDArray[np.float64]:
        """Rows of (window, position, score)."""
        norms = self._norms[first_row : first_row + len(product), None]
        row, place = np.nonzero((product >= threshold * root) & (product >= _MIN_GAIN * norms))
        score = np.minimum(product[row, place] / np.maximum(root[place], 1), 1)
        return np.column_stack((row + first_row, place + start, score)).astype(np.float64)

    def _pick(self, hits: npt.NDArray[np.float64]) -> list[Peak]:
        """One peak of each cluster of places."""
        hits = hits[np.lexsort((hits[:, 1], hits[:, 0]))]
        breaks = np.flatnonzero((np.diff(hits[:, 0]) != 0) | (np.diff(hits[:, 1]) > _MIN_PEAK_DISTANCE)) + 1
        picked: list[Peak] = []
        for cluster in np.split(hits, breaks):
            if len(cluster):
                first = int(np.argmax(cluster[:, 2] >= cluster[:, 2].max() - _EQUAL_SCORE_TOLERANCE))
                best = first + int(np.argmax(cluster[first : first + 5, 2]))
                row, position, score = cluster[best]
                picked.append(Peak(self._order[int(row)], int(position), float(score)))
        return picked


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()
