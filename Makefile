# make run: try it on this machine.   make test: pass all the tests.   make asterisk: a real Asterisk for a softphone.

# The system's Python where it will do: tests on a real Asterisk run the service as another user, who must be able to
# run it too.
PYTHON ?= $(shell for p in /usr/bin/python3 python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PIP = .venv/bin/pip --disable-pip-version-check -q

.PHONY: run test asterisk lint sounds bench clean

run: .venv/.installed
	.venv/bin/ivr demo $(ARGS)

test:
	tests/run

asterisk: .venv/.installed-for-tests
	.venv/bin/python -m tests.asterisk.rig up

lint: .venv/.installed-for-tests
	.venv/bin/ruff check ivr tests bench
	.venv/bin/ruff format --check ivr tests bench
	.venv/bin/mypy ivr tests bench
	.venv/bin/lint-imports

sounds: .venv/.installed-for-tests
	.venv/bin/ivr sounds build --demo

bench: .venv/.installed-for-tests
	.venv/bin/python -m bench $(ARGS)

clean:
	rm -rf .venv demo-data

.venv/.installed: setup.cfg
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(PIP) install -e .
	touch $@

.venv/.installed-for-tests: .venv/.installed
	$(PIP) install -e '.[test,voice]'
	touch $@
