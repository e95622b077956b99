"""`App`: what it builds, and when."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import pytest

from ivr.app import App
from ivr.errors import StoreError
from ivr.settings import Settings
from tests.support.app_fixture import FakeClock


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data={"folder": tmp_path / "data", "fsync": False}, pins={"bcrypt_cost": 4})


def built_objects(app: App) -> set[str]:
    """The names of the properties that have been built."""
    lazy = {
        name for cls in type(app).__mro__ for name, value in vars(cls).items() if isinstance(value, cached_property)
    }
    return lazy & vars(app).keys()


def test_new_app_has_built_nothing(settings: Settings) -> None:
    assert built_objects(App(settings)) == set()
    assert not settings.data.folder.exists()


def test_objects_are_built_once(settings: Settings) -> None:
    app = App(settings).open()
    assert app.boxes is app.boxes
    assert app.voicemail_services.boxes is app.boxes
    assert "api_services" not in built_objects(app)
    app.close()


def test_unusable_data_folder_is_an_error_at_open(settings: Settings) -> None:
    settings.data.folder.write_text("not a folder")
    with pytest.raises(StoreError):
        App(settings).open()


def test_close_of_unused_app_opens_nothing(settings: Settings) -> None:
    App(settings).close()
    assert not settings.data.folder.exists()


def test_clock_and_randomness_are_parameters(settings: Settings) -> None:
    clock = FakeClock()
    app = App(settings, clock=clock, random_bytes=bytes)
    assert app.clock is clock
    assert app.ids.new_document_id() == "0" * 32
