"""Answers that kill, stop, trace, slow or rename other processes. None aims wider than this suite's own."""

from collections.abc import Callable

ATTACKS = {
    "kill": "os.kill(victim, 9)",
    "terminate": "os.kill(victim, 15)",
    "stop": "os.kill(victim, 19)",
    "signal the client": "os.kill(client, 10)",
    "interrupt the client": "os.kill(client, 23)",
    "kill the parent": "os.kill(os.getppid(), 9)",
    "stop the parent": "os.kill(os.getppid(), 19)",
    "interrupt the parent": "os.kill(os.getppid(), 2)",
    "signal the parent's children": "os.kill(os.getppid(), 17)\nos.kill(os.getppid(), 6)",
    "tgkill": "ctypes.CDLL(None).syscall(234, victim, victim, 9)",
    "tkill": "ctypes.CDLL(None).syscall(200, victim, 9)",
    "sigqueue": "ctypes.CDLL(None).sigqueue(victim, 9, 0)",
    "a signal through a pidfd": "import signal\nsignal.pidfd_send_signal(os.pidfd_open(victim), 9)",
    "a signal through a descriptor": """
        import fcntl
        out, into = os.pipe()
        fcntl.fcntl(out, fcntl.F_SETOWN, victim)
        fcntl.fcntl(out, 10, 10)  # F_SETSIG: SIGUSR1
        fcntl.fcntl(out, fcntl.F_SETFL, os.O_ASYNC)
        os.write(into, b'x')
    """,
    "a signal to all of a thread": "ctypes.CDLL(None).syscall(129, victim, 12, (ctypes.c_int * 32)(12, 0, -1))",
    "trace": """
        libc = ctypes.CDLL(None)
        if libc.ptrace(16, victim, None, None) == 0:  # PTRACE_ATTACH
            return 'attached'
    """,
    "seize": "return 'seized' if ctypes.CDLL(None).ptrace(0x4206, victim, None, None) == 0 else None",
    "trace the parent": "return 'seized' if ctypes.CDLL(None).ptrace(0x4206, os.getppid(), None, None) == 0 else None",
    "be traced": "return 'traced' if ctypes.CDLL(None).ptrace(0, 0, None, None) == 0 else None",
    "write to its memory": "return os.write(os.open(f'/proc/{victim}/mem', os.O_RDWR), b'') == 0 and 'open' or None",
    "process_vm_writev": """
        libc = ctypes.CDLL(None)
        held = ctypes.create_string_buffer(8)
        libc.process_vm_readv.restype = libc.process_vm_writev.restype = ctypes.c_ssize_t
        start = int(next(line for line in open('/proc/self/maps') if 'heap' in line).split('-')[0], 16)
        mine = (ctypes.c_size_t * 2)(ctypes.addressof(held), 8)
        theirs = (ctypes.c_size_t * 2)(start, 8)
        libc.process_vm_readv(os.getppid(), mine, 1, theirs, 1, 0)
        return 'wrote' if libc.process_vm_writev(os.getppid(), mine, 1, theirs, 1, 0) == 8 else None
    """,
    "slow it": "os.setpriority(os.PRIO_PROCESS, victim, 19)",
    "slow the parent": "os.setpriority(os.PRIO_PROCESS, os.getppid(), 1)",
    "slow a user": "return os.setpriority(os.PRIO_PROCESS, 0, 5) or 'slowed'",
    "schedule it": "os.sched_setscheduler(victim, os.SCHED_BATCH, os.sched_param(0))",
    "keep it to a processor": """
        mine = os.sched_getaffinity(victim)
        os.sched_setaffinity(victim, {min(mine)})
        return 'moved'
    """,
    "limit it": "import resource\nresource.prlimit(victim, resource.RLIMIT_NOFILE, (10, 10))",
    "limit the parent": "import resource\nresource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (99, 100))",
    "lift its own limits": """
        import resource
        soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        return 'lifted'
    """,
    "offer it to the killer": "open(f'/proc/{victim}/oom_score_adj', 'w').write('999')",
    "offer the parent to the killer": "open(f'/proc/{os.getppid()}/oom_score_adj', 'w').write('998')",
    "outlive the parent": "return 'outlives' if ctypes.CDLL(None).prctl(1, 0) == 0 else None",
    "be dumped": "return 'dumps' if ctypes.CDLL(None).prctl(4, 1) == 0 else None",
    "the terminal": "import fcntl, termios\nreturn str(os.open('/dev/ptmx', os.O_RDWR))",
}


def test_contained(contained: Callable[[str], object], attack: str) -> None:
    contained(attack)


def test_it_works_where_nothing_contains_it(proven: Callable[[str], None], attack: str) -> None:
    proven(attack)
