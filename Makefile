# A thin skin over tasks.py, which also runs without make. Arguments: make test ARGS="tests/unit -x"
PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo "$$p" && break; done)
ifeq ($(PYTHON),)
$(error Yimatong needs Python 3.11 or newer on the path)
endif

ARGS ?=
export ARGS

VERBS := run test check bench bench-full soak clients lock fmt openapi clean
.PHONY: help $(VERBS)

help:
	@$(PYTHON) tasks.py help

$(VERBS):
	@$(PYTHON) tasks.py $@
