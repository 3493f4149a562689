"""`python -m sojourn_server` is `sojourn serve`."""

import sys

from sojourn.cli import main

if __name__ == "__main__":
    sys.argv = ["sojourn", "serve", *sys.argv[1:]]
    main()
