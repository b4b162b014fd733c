"""keystone-manage's bootstrap without a password in argv or environment: arguments arrive as JSON on standard input.

Run inside Keystone's image. `sys.argv` is Python's own list: what other processes see of our command line stays as is.
"""

import json
import sys

from keystone.cmd.manage import main  # type: ignore[import-not-found]

sys.argv = ["keystone-manage", "bootstrap", *json.load(sys.stdin)]
sys.exit(main())
