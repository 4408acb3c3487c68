"""Answers that leave something behind: files, their metadata, memory that processes share."""

# ruff: noqa: E501 -- an answer on one line is easier to scan in a table

from collections.abc import Callable

ATTACKS = {
    "open": "open(folder + '/new', 'w').write('x')",
    "an empty file": "os.close(os.open(folder + '/new', os.O_CREAT | os.O_WRONLY))",
    "append": "open(folder + '/kept', 'a').write('x')",
    "truncate by opening": "open(folder + '/kept', 'w')",
    "truncate": "os.truncate(folder + '/kept', 0)",
    "ftruncate": "os.ftruncate(os.open(folder + '/kept', os.O_RDWR), 0)",
    "grow": "os.truncate(folder + '/kept', 2)",
    "fallocate": "os.posix_fallocate(os.open(folder + '/kept', os.O_RDWR), 0, 4)\nos.utime(folder + '/kept')",
    "rename": "os.rename(folder + '/kept', folder + '/gone')",
    "replace": "os.replace(folder + '/kept', secret)",
    "exchange": "ctypes.CDLL(None).renameat2(-100, (folder + '/kept').encode(), -100, secret.encode(), 2)",
    "unlink": "os.unlink(folder + '/kept')",
    "shutil": "import shutil\nshutil.rmtree(folder)",
    "mkdir": "os.mkdir(folder + '/new')",
    "rmdir": "os.unlink(folder + '/kept')\nos.unlink(folder + '/fifo')\nos.rmdir(folder)",
    "symlink": "os.symlink('/', folder + '/new')",
    "link": "os.link(secret, folder + '/new')",
    "mkfifo": "os.mkfifo(folder + '/new')",
    "mknod": "os.mknod(folder + '/new')",
    "a socket file": "socket.socket(socket.AF_UNIX).bind(folder + '/new')",
    "tempfile": "import tempfile\ntempfile.mkstemp(dir=folder)",
    "a file without a name": "os.open(folder, os.O_TMPFILE | os.O_RDWR)\nreturn 'file'",
    "torch.save": "torch.save(x, folder + '/new')",
    "numpy": "np.save(folder + '/new', np.zeros(1))",
    "torch.from_file": "torch.from_file(folder + '/kept', shared=True, size=4, dtype=torch.uint8).fill_(7)",
    "numpy.memmap": "np.memmap(folder + '/kept', np.uint8, 'r+')[:] = 7",
    "a log": "import logging\nlogging.FileHandler(folder + '/new')",
    "a database": "import sqlite3\nsqlite3.connect(folder + '/new').execute('create table t (a)')",
    "compiled": "open(folder + '/new.py', 'w').close()\nimport py_compile\npy_compile.compile(folder + '/new.py')",
    "a fifo": "os.write(os.open(folder + '/fifo', os.O_WRONLY | os.O_NONBLOCK), b'x')",
    "chmod": "os.chmod(folder + '/kept', 0o777)",
    "fchmod": "os.fchmod(os.open(folder + '/kept', 0), 0o777)",
    "fchmodat2": "ctypes.CDLL(None).syscall(452, -100, (folder + '/kept').encode(), 0o777, 0)",
    "chown": "os.chown(folder + '/kept', os.getuid(), os.getgid())",
    "utime": "os.utime(folder + '/kept', (0, 0))",
    "futimens": "os.utime(os.open(folder + '/kept', 0), (0, 0))",
    "xattr": "os.setxattr(folder + '/kept', 'user.' + name, b'x')",
    "removexattr": "os.setxattr(secret, 'user.' + name, b'x')\nos.removexattr(secret, 'user.' + name)",
    "an open file's flags": """
        import fcntl
        flags = ctypes.c_long()
        file = os.open(folder + '/kept', 0)
        fcntl.ioctl(file, 0x80086601, flags)
        fcntl.ioctl(file, 0x40086602, ctypes.c_long(flags.value | 0x40))
    """,
    "a descriptor's path": "os.chmod(f'/proc/self/fd/{os.open(folder, os.O_PATH)}', 0o777)",
    "shared memory": "open('/dev/shm/' + name, 'w')",
    "multiprocessing": "from multiprocessing import shared_memory\nshared_memory.SharedMemory(name, create=True, size=10)",
    "shm_open": "import _posixshmem\n_posixshmem.shm_open('/' + name, os.O_CREAT | os.O_RDWR, mode=0o600)",
    "torch shared tensor": "return str(x.untyped_storage()._share_fd_cpu_()[0])",
    "a semaphore": "import _multiprocessing\n_multiprocessing.SemLock(1, 1, 1, '/' + name, False)",
    "System V memory": "ctypes.CDLL(None).shmget(key, 4096, 0o1600)",
    "System V semaphores": "ctypes.CDLL(None).semget(key, 1, 0o1600)",
    "System V messages": "ctypes.CDLL(None).msgget(key, 0o1600)",
    "a message queue": "ctypes.CDLL(None).mq_open(('/' + name).encode(), os.O_CREAT | os.O_RDWR, 0o600, None)",
    "a memfd": "return str(os.memfd_create(name))",
    "a lock on a file": "import fcntl\nfcntl.flock(os.open(folder + '/kept', 0), fcntl.LOCK_EX)\nreturn 'locked'",
}  # fmt: skip


def test_contained(contained: Callable[[str], object], attack: str) -> None:
    contained(attack)


def test_it_works_where_nothing_contains_it(proven: Callable[[str], None], attack: str) -> None:
    proven(attack)
