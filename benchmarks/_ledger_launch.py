"""Runs a command and notes what it cost: ``python -I -S _ledger_launch.py FILE COMMAND…``.

A process of its own because Linux counts what a process had before ``exec`` into its peak: started from a benchmark
with many libraries, everything would seem to need a hundred megabytes.
"""

import os
import sys

child = os.fork()
if not child:
    os.execv(sys.argv[2], sys.argv[2:])
_, status, usage = os.wait4(child, 0)
with open(sys.argv[1], "w") as file:  # noqa: PTH123 - pathlib would be megabytes, too
    file.write(f"{usage.ru_utime + usage.ru_stime} {usage.ru_maxrss}")
sys.exit(os.waitstatus_to_exitcode(status) != 0)
