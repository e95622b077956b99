"""Program `python -m ivr.notifications.transcription.engine_process`: transcribes one message.

Reads a request as JSON from standard input and prints the result as JSON: `{"text": ..., "words": [...]}`, each word
with `word`, `start_ms` and `end_ms`, or `{"error": ...}`. Each message has a process of its own, with the lowest
priority, one thread and a limit of CPU time, so that an engine's use of memory ends with the message.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from dataclasses import asdict
from pathlib import Path

from ivr.audio import wav
from ivr.errors import IvrError
from ivr.notifications.transcription.engines import load_engine

NICENESS = 19
THREAD_LIMIT_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def main() -> int:
    request = json.load(sys.stdin)
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_CPU, (request["cpu_limit_s"], request["cpu_limit_s"]))
    os.environ.update(dict.fromkeys(THREAD_LIMIT_VARIABLES, "1"))
    joined = Path(request["joined"])
    pcm = b"".join(wav.read_samples(Path(path)) for path in request["paths"])
    wav.write(joined, pcm[: request["max_audio_s"] * 1000 * wav.BYTES_PER_MS])
    try:
        model = Path(request["model"]) if request["model"] else None
        recognize = load_engine(request["engine"], model, request["command"])
        transcript = recognize(joined, request["language"])
        words = [asdict(word) for word in transcript.words]
        result: dict[str, object] = {"text": " ".join(transcript.text.split()), "words": words}
    except IvrError as error:
        result = {"error": str(error)}
    finally:
        joined.unlink(missing_ok=True)
    print(json.dumps(result), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
