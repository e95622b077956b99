"""Waits for a processor are seen, and slow processes are not taken for them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.lab.processor_waits import FILE_NAME, ProcessorWatch, find_waits

BUSY = "import os\nwhile os.times().user < 0.6: pass"
IDLE = "input()"


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="the kernel tells no waits (schedstat)")
def test_process_that_gets_no_processor_is_found(tmp_path: Path) -> None:
    processor = str(min(os.sched_getaffinity(0)))
    begin = time.time()
    watch = ProcessorWatch(tmp_path / FILE_NAME)
    watch.start()
    with subprocess.Popen([sys.executable, "-c", IDLE], stdin=subprocess.PIPE) as idle:
        rivals = [subprocess.Popen(["taskset", "-c", processor, sys.executable, "-c", BUSY]) for _ in range(3)]
        for process in rivals:
            process.wait()
        idle.communicate(b"\n")
    watch.stop()
    processes = {wait.process for wait in find_waits(tmp_path / FILE_NAME, begin, time.time())}
    assert any(process.endswith("pass") for process in processes)
    assert not any(process.endswith(IDLE) for process in processes)
    assert find_waits(tmp_path / FILE_NAME, begin - 60, begin - 30) == []


def test_lab_without_a_watch_has_no_waits(tmp_path: Path) -> None:
    assert find_waits(tmp_path / FILE_NAME, 0, time.time()) == []
