"""Which engine turns speech into text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

EngineName = Literal["off", "pocketsphinx", "whisper", "vosk", "command"]


class TranscriptionSettings(BaseModel):
    """A box asks for it with `transcribe`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: EngineName = Field("pocketsphinx", description="off, pocketsphinx, whisper, vosk or command.")
    model: Path | None = Field(None, description="Folder of the model of whisper or vosk.")
    command: str = Field("", description="Is given the path of a WAV file as its last word, and prints the text.")
    longest_s: Annotated[int, Field(ge=1, le=36_000)] = Field(
        300, description="Seconds of a message that are listened to."
    )
    timeout_s: Annotated[int, Field(ge=1, le=36_000)] = Field(
        600, description="Seconds, of the clock and of the processor, that one may take."
    )

    def supports_language(self, language: str) -> bool:
        """pocketsphinx brings a model of English, and would hear English in anything."""
        return self.engine != "off" and (self.engine != "pocketsphinx" or language.lower().startswith("en"))
