"""``python -m isorate``."""

import sys

from isorate.cli import main

if __name__ == "__main__":
    sys.exit(main())
