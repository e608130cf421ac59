"""Run a command so that it ends with its parent; executed as a script in a fresh interpreter, so that nothing runs between fork and exec.

Arguments: the parent's pid, the signal to receive when it dies, the user and group to become (0: stay), the command.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(signal_number: int, parent_pid: int) -> None:
    """Ask the kernel for a signal when the parent's starting thread ends; elsewhere than on Linux leftovers are ended at the next start."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
        if os.getppid() != parent_pid:  # it died before we asked
            sys.exit(1)


def _main() -> None:
    parent_pid, signal_number, uid, gid = map(int, sys.argv[1:5])
    if uid:  # before prctl: a change of user clears the death signal
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    die_with_parent(signal_number, parent_pid)
    os.execv(sys.argv[5], sys.argv[5:])


if __name__ == "__main__":
    _main()
