"""`python parent_death.py <signal> <parent pid> <nice> <command...>`: become the command, tied to the parent's life.

The kernel sends `signal` to this process when its parent dies, also by kill -9 (prctl PR_SET_PDEATHSIG; exec
keeps it). Between the parent's fork and this call the parent may already have died: hence the look at
getppid. Standard library only, so that the interpreter starts in a few milliseconds. Where there is no
prctl (not Linux) the command runs untied.

`nice` lowers its priority by so much; also that of its session, which the kernel may schedule as a group.
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its parent, then exec the command."""
    signal_number, parent, nice, command = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit("the parent died before the start")
    if nice:
        lower(nice)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


def lower(nice: int) -> None:
    """Run at a lower priority from here on."""
    os.nice(nice)
    try:
        group = os.open("/proc/self/autogroup", os.O_WRONLY | os.O_CLOEXEC)
        os.write(group, str(nice).encode())
        os.close(group)
    except OSError:
        return  # this kernel has no such groups


if __name__ == "__main__":
    main()
