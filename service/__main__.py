"""``python -P -m service`` is the ``yimatong`` command."""

import sys

from service.cli import main

if __name__ == "__main__":
    sys.exit(main())
