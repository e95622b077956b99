"""`python -m tests.mutations [--rows N|all] [--seed N]`: break N rows of the checklist, one at a time, in a copy.

Each must make a test that the row names fail. Tests on a real Asterisk are not run: a row that has no other is not in
the table. Prints the seed; exit code 1 where a break went unnoticed.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

from tests.mutations.mutant_table import MUTANTS, Mutant
from tests.qa.test_checklist import named_tests

ROOT = Path(__file__).parents[2]
COPIED_FOLDERS = (
    "ivr",
    "tests",
    "sounds",
    "asterisk-conf",
    "systemd",
    "docs",
    "setup.cfg",
    "README.md",
    "CHANGELOG.md",
)
PYTEST_FAILED = 1
"""pytest's exit code where tests ran, and some failed."""


def copy_to(folder: Path) -> None:
    """Copy the checkout, so that the original stays unchanged."""
    for name in COPIED_FOLDERS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "asterisk"))
        else:
            shutil.copy(ROOT / name, folder)


def run(tests: Sequence[str], copy: Path) -> tuple[int, str]:
    """pytest's exit code, and its last line."""
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, (done.stdout.strip().splitlines() or [done.stderr[-200:]])[-1]


def is_killed(mutant: Mutant, copy: Path) -> tuple[bool, str]:
    """Whether the tests of its row notice it; what pytest said."""
    file = copy / mutant.file
    whole = file.read_text()
    assert whole.count(mutant.old) == 1, f"{mutant.checklist_id}: {mutant.old!r} does not stand once in {mutant.file}"
    file.write_text(whole.replace(mutant.old, mutant.new))
    try:
        code, summary = run(named_tests(mutant.checklist_id), copy)
    finally:
        file.write_text(whole)
    return code == PYTEST_FAILED, summary


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--rows", default="10", help="How many, or all, or names with commas between.")
    words.add_argument("--seed", type=int, default=None)
    options = words.parse_args()
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    chosen = _sample_mutants(options.rows, Random(seed))
    print(f"seed {seed}: {' '.join(one.checklist_id for one in chosen)}", flush=True)
    unnoticed = 0
    with tempfile.TemporaryDirectory(prefix="ivr-mutations-") as name:
        copy = Path(name)
        copy_to(copy)
        code, summary = run(sorted({test for one in chosen for test in named_tests(one.checklist_id)}), copy)
        if code != 0:
            print(f"the tests fail without any break: {summary}")
            return 1
        for one in chosen:
            noticed, summary = is_killed(one, copy)
            unnoticed += not noticed
            print(
                f"{one.checklist_id:<5} {'noticed' if noticed else 'UNNOTICED':<10} {one.file}: {summary}", flush=True
            )
    print(f"{len(chosen) - unnoticed} of {len(chosen)} breaks made a test fail")
    return int(unnoticed > 0)


def _sample_mutants(rows: str, random: Random) -> list[Mutant]:
    if rows == "all":
        return list(MUTANTS)
    if rows.isdigit():
        return random.sample(MUTANTS, int(rows))
    return [one for one in MUTANTS if one.checklist_id in rows.split(",")]


if __name__ == "__main__":
    sys.exit(main())
