"""`python -m include.person_sync …`: the same as the console script `person-sync`."""

import sys

from include.person_sync.cli import main

sys.exit(main())
