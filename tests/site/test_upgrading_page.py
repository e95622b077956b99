"""docs/upgrading.md is true: its commands run in order on a machine with the version before the renaming."""

from __future__ import annotations

from pathlib import Path

from tests.site.machine import CHECKOUT
from tests.site.private_machine import follow_page
from tests.upgrade.conftest import ARCHIVE

PAGE = CHECKOUT / "docs" / "upgrading.md"


def test_commands_of_the_upgrading_page_print_what_it_shows(tmp_path: Path) -> None:
    assert follow_page(PAGE, PREPARATION.format(archive=ARCHIVE), tmp_path) > 15


PREPARATION = """
ivr install
rm -r /etc/asterisk/ivr /etc/ivr /etc/systemd/system/ivr.service /var/lib/ivr/*
tar -xJf {archive} -C / --no-same-owner
chown -R ivr:ivr-asterisk /var/lib/ivr
sed -i 's/^IVR_ACCOUNT =>.*/IVR_ACCOUNT => acme/' /etc/asterisk/ivr/extensions.conf
mkdir -p /opt/ivr/bin
printf '#!/bin/sh\\necho "Successfully installed ivr-voicemail"\\n' > /opt/ivr/bin/pip
chmod +x /opt/ivr/bin/pip
"""
"""The first `ivr install` makes users. pip is a stand-in: this version is installed already."""
