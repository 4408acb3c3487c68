"""Answers that read what is not theirs: files, the environment, other processes, their own memory."""

# ruff: noqa: E501 -- an answer on one line is easier to scan in a table

from collections.abc import Callable

ATTACKS = {
    "open": "return open(secret).read()",
    "io": "import io\nreturn io.FileIO(secret).readall().decode()",
    "os": "return os.read(os.open(secret, os.O_RDONLY), 100).decode()",
    "openat from the root": "root = os.open('/', os.O_PATH)\nreturn os.read(os.open(secret[1:], 0, dir_fd=root), 99).decode()",
    "codecs": "import codecs\nreturn codecs.open(secret, encoding='ascii').read()",
    "linecache": "import linecache\nreturn linecache.getline(secret, 1) or None",
    "fileinput": "import fileinput\nreturn next(iter(fileinput.input(secret)))",
    "mmap": "import mmap\nreturn mmap.mmap(os.open(secret, 0), 0, prot=mmap.PROT_READ)[:].decode()",
    "numpy": "return bytes(np.fromfile(secret, np.uint8)).decode()",
    "numpy.memmap": "return bytes(np.memmap(secret, np.uint8, 'r')).decode()",
    "torch.from_file": "return bytes(torch.from_file(secret, size=32, dtype=torch.uint8).tolist()).decode()",
    "torch storage": "return bytes(torch.UntypedStorage.from_file(secret, False, 32).tolist()).decode()",
    "torch.hub's os": "return torch.hub.os.popen('cat ' + secret).read() or None",
    "torch.serialization's io": "return torch.serialization.io.open(secret).read()",
    "torch.PyTorchFileReader": """
        import zipfile
        try:
            torch._C.PyTorchFileReader(secret)
        except RuntimeError as error:  # it reads the file to find that it is no archive
            return 'zip' if 'central directory' in str(error) else None
    """,
    "the loader of libraries": """
        try:
            ctypes.CDLL(secret)
        except OSError as error:  # it reads the file to find that it is no library
            return 'elf' if 'ELF' in str(error) or 'too short' in str(error) else None
    """,
    "libc": """
        libc = ctypes.CDLL(None)
        held = ctypes.create_string_buffer(100)
        libc.read(libc.open(secret.encode(), 0), held, 99)
        return held.value.decode() or None
    """,
    "syscall openat2": """
        libc = ctypes.CDLL(None)
        how = (ctypes.c_uint64 * 3)(0, 0, 0)
        fd = libc.syscall(437, -100, secret.encode(), how, 24)
        return os.read(fd, 100).decode()
    """,
    "open_by_handle_at": """
        libc = ctypes.CDLL(None)
        handle, mount = (ctypes.c_uint32 * 34)(128), ctypes.c_int()
        libc.name_to_handle_at(-100, secret.encode(), handle, ctypes.byref(mount), 0)
        fd = libc.open_by_handle_at(os.open(os.path.dirname(secret), 0), handle, 0)
        return os.read(fd, 100).decode()
    """,
    "sendfile": """
        out, into = os.pipe()
        os.sendfile(into, os.open(secret, 0), 0, 32)
        return os.read(out, 32).decode()
    """,
    "a directory": "return ' '.join(os.listdir(folder))",
    "glob": "import glob\nreturn ' '.join(glob.glob(folder + '/*')) or None",
    "another user's list": "return open('/etc/passwd').read(20)",
    "the kernel's log": "return str(os.read(os.open('/dev/kmsg', os.O_RDONLY | os.O_NONBLOCK), 8192)[:20])",
    "a device": "return str(os.listdir('/dev'))",
    "os.environ": "return os.environ[variable]",
    "getenv": "libc = ctypes.CDLL(None)\nlibc.getenv.restype = ctypes.c_char_p\nreturn libc.getenv(variable.encode()).decode()",
    "own environ in proc": "return [e for e in open('/proc/self/environ').read().split('\\0') if variable in e][0]",
    "parent's environ": """
        given = open(f'/proc/{os.getppid()}/environ').read().split('\\0')
        return [e for e in given if variable in e][0]
    """,
    "client's environ": "return open(f'/proc/{client}/environ').read(10)",
    "client's arguments": "return open(f'/proc/{client}/cmdline').read(10)",
    "client's memory": """
        for line in open(f'/proc/{client}/maps'):
            start, end = (int(edge, 16) for edge in line.split()[0].split('-'))
            if 'heap' in line:
                memory = open(f'/proc/{client}/mem', 'rb', 0)
                memory.seek(start)
                return f'{len(memory.read(4096))} bytes'
    """,
    "process_vm_readv": """
        libc = ctypes.CDLL(None)
        start = int(next(line for line in open('/proc/self/maps') if 'heap' in line).split('-')[0], 16)
        held = ctypes.create_string_buffer(64)
        mine = (ctypes.c_size_t * 2)(ctypes.addressof(held), 64)
        theirs = (ctypes.c_size_t * 2)(start, 64)  # a fork's heap lies where its parent's does
        return 'bytes' if libc.process_vm_readv(os.getppid(), mine, 1, theirs, 1, 0) == 64 else None
    """,
    "parent's descriptors": "return str([os.readlink(f'/proc/{os.getppid()}/fd/{n}') for n in os.listdir(f'/proc/{os.getppid()}/fd')])",
    "pidfd_getfd": """
        libc = ctypes.CDLL(None)
        fd = libc.syscall(438, libc.syscall(434, victim, 0), 0, 0)
        return 'descriptor' if fd >= 0 else None
    """,
    "its root": "return ' '.join(os.listdir(f'/proc/{victim}/root'))",
    "a working directory": "return ' '.join(os.listdir(f'/proc/{victim}/cwd'))",
    "tensordrill's own source": """
        import tensordrill
        return open(tensordrill.__file__).read(40)
    """,
    "the drills": "import tensordrill.drills, importlib\nreturn importlib.import_module('tensordrill.drills.einsum_axes').__name__",
    "a history": "import sqlite3\nreturn str(sqlite3.connect(f'file:{secret}?mode=ro', uri=True).execute('select 1').fetchone())",
}  # fmt: skip


def test_contained(contained: Callable[[str], object], attack: str) -> None:
    contained(attack)


def test_it_works_where_nothing_contains_it(proven: Callable[[str], None], attack: str) -> None:
    proven(attack)
