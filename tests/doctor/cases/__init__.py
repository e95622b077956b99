"""Ways to break an installation, by subject."""

from tests.doctor.cases import asterisk, data_folder, notifications, service

CASES = data_folder.CASES | service.CASES | notifications.CASES | asterisk.CASES
