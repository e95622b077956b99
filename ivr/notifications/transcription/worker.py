"""`python -m ivr.notifications.transcription.worker`: reads one job as JSON from standard input, prints the text as JSON.

A process for each message: of the lowest priority, on one processor, for no longer than allowed; whatever an engine
does to its memory ends with it.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path

from ivr.audio import wav
from ivr.errors import IvrError
from ivr.notifications.transcription.engines import load_engine

NICENESS = 19
THREAD_LIMIT_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def main() -> int:
    job = json.load(sys.stdin)
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_CPU, (job["cpu_s"], job["cpu_s"]))
    os.environ.update(dict.fromkeys(THREAD_LIMIT_VARIABLES, "1"))
    joined = Path(job["joined"])
    pcm = b"".join(wav.read_samples(Path(path)) for path in job["paths"])
    wav.write(joined, pcm[: job["longest_s"] * 1000 * wav.BYTES_PER_MS])
    try:
        listen = load_engine(job["engine"], Path(job["model"]) if job["model"] else None, job["command"])
        answer = {"text": " ".join(listen(joined).split())}
    except IvrError as error:
        answer = {"error": str(error)}
    finally:
        joined.unlink(missing_ok=True)
    print(json.dumps(answer), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
