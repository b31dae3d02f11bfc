"""`python -m metaug` is the same as the console command `metaug`."""

import sys

from metaug.cli import main

sys.exit(main())
