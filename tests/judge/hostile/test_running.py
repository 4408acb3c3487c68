"""Answers that run other programs, load code, or start more of themselves."""

# ruff: noqa: E501 -- an answer on one line is easier to scan in a table

from collections.abc import Callable

ATTACKS = {
    "os.system": "os.system(f'touch {folder}/new')",
    "subprocess": "subprocess.run(['/bin/sh', '-c', f'echo > {folder}/new'])",
    "popen": "return os.popen('echo ran').read() or None",
    "a shell's reading": "return subprocess.check_output(['cat', secret]).decode()",
    "posix_spawn": "os.waitpid(os.posix_spawn('/bin/sh', ['sh', '-c', f'echo > {folder}/new'], {}), 0)",
    "spawnv": "os.spawnv(os.P_WAIT, '/bin/sh', ['sh', '-c', f'echo > {folder}/new'])",
    "execv": "os.execv('/bin/sh', ['sh', '-c', f'echo > {folder}/new'])",
    "execveat": """
        libc = ctypes.CDLL(None)
        words = (ctypes.c_char_p * 4)(b'sh', b'-c', f'echo > {folder}/new'.encode(), None)
        libc.syscall(322, -100, b'/bin/sh', words, None, 0)
    """,
    "fexecve": "os.execve(os.open('/bin/sh', 0), ['sh', '-c', f'echo > {folder}/new'], {})",
    "the loader": "os.execv('/lib64/ld-linux-x86-64.so.2', ['ld', '/bin/touch', folder + '/new'])",
    "libc's system": "ctypes.CDLL(None).system(f'echo > {folder}/new'.encode())",
    "a program in a memfd": """
        program = os.memfd_create(name)
        os.write(program, open('/bin/true', 'rb').read())
        os.waitpid(os.posix_spawn(f'/proc/self/fd/{program}', ['true'], {}), 0)
        return 'ran'
    """,
    "pickle": """
        import pickle
        class Evil:
            def __reduce__(self):
                return os.system, (f'echo > {folder}/new',)
        pickle.loads(pickle.dumps(Evil()))
    """,
    "torch.load": """
        import io
        class Evil:
            def __reduce__(self):
                return os.system, (f'echo > {folder}/new',)
        held = io.BytesIO()
        torch.save({'weights': Evil()}, held)
        torch.load(io.BytesIO(held.getvalue()), weights_only=False)
    """,
    "torch.utils' subprocess": """
        from torch.utils import collect_env
        return collect_env.run('echo ran')[1] or None
    """,
    "a compiler": """
        from torch.utils import cpp_extension
        return cpp_extension.subprocess.check_output(['echo', 'ran']).decode()
    """,
    "a library of its own": """
        open(folder + '/own.py', 'w').write('RAN = 1')
        sys.path.insert(0, folder)
        import own
        return str(own.RAN)
    """,
    "load_library": """
        import shutil
        shutil.copy(next(line.split()[-1] for line in open('/proc/self/maps') if 'libc.so' in line), folder + '/own.so')
        torch.ops.load_library(folder + '/own.so')
        return 'loaded'
    """,
    "machine code": """
        import mmap
        page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        page.write(b'\\xb8\\x2a\\x00\\x00\\x00\\xc3')  # return 42
        run = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
        if run() == 42:  # and from there any system call:
            libc = ctypes.CDLL(None)
            libc.syscall(257, -100, (folder + '/new').encode(), os.O_CREAT | os.O_WRONLY, 0o600)
    """,
    "32-bit calls": """
        import mmap
        page = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40, prot=7)  # below 4 GiB
        at = ctypes.addressof(ctypes.c_char.from_buffer(page))
        page.write(b'\\x53\\xb8\\x27\\x00\\x00\\x00\\xbb' + (at + 100).to_bytes(4, 'little')
                   + b'\\xb9\\xff\\x01\\x00\\x00\\xcd\\x80\\x5b\\xc3')  # mkdir by int 0x80
        page[100:100 + len(folder) + 5] = folder.encode() + b'/new\\0'
        ctypes.CFUNCTYPE(ctypes.c_int)(at)()
    """,
    "x32 calls": """
        libc = ctypes.CDLL(None)
        libc.syscall(0x40000000 + 83, (folder + '/new').encode(), 0o700)
        libc.syscall(83, (folder + '/new').encode(), 0o700)
    """,
    "fork": "pid = os.fork()\nif not pid:\n    time.sleep(30)\nreturn str(pid)",
    "fork and hide": """
        if not os.fork():
            os.setsid()
            if not os.fork():
                os.closerange(0, 100)
                time.sleep(30)
            os._exit(0)
    """,
    "vfork": "return str(ctypes.CDLL(None).syscall(58) and 'forked')",
    "a sibling": """
        libc = ctypes.CDLL(None)
        if not libc.syscall(56, 0x8000 | 17, 0, 0, 0, 0):  # CLONE_PARENT: a child of its parent's
            os.setsid()
            os.closerange(0, 100)
            time.sleep(30)
            os._exit(0)
    """,
    "clone3": """
        libc = ctypes.CDLL(None)
        wish = (ctypes.c_uint64 * 11)(0, 0, 0, 0, 17)
        pid = libc.syscall(435, wish, 88)
        if not pid:
            os._exit(0)
        return 'forked' if pid > 0 else None
    """,
    "daemon": "ctypes.CDLL(None).daemon(0, 0)\nos.closerange(0, 100)\ntime.sleep(30)",
    "multiprocessing": """
        import multiprocessing
        def work():
            time.sleep(30)
        multiprocessing.get_context('fork').Process(target=work, daemon=False).start()
        os._exit(0)
    """,
    "torch.multiprocessing": """
        import torch.multiprocessing as mp
        mp.get_context('fork').Process(target=time.sleep, args=(30,)).start()
        os._exit(0)
    """,
    "a pool": """
        from concurrent.futures import ProcessPoolExecutor
        return str(ProcessPoolExecutor(1).submit(os.getpid).result(3))
    """,
    "workers of a loader": """
        from torch.utils.data import DataLoader
        return str(len(list(DataLoader([1, 2], num_workers=1))))
    """,
    "a thread": """
        import threading
        heard = []
        thread = threading.Thread(target=heard.append, args=('ran',))
        thread.start()
        thread.join()
        return heard[0]
    """,
    "a thread of pthread's": """
        libc = ctypes.CDLL(None)
        work = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(lambda _: None)
        thread = ctypes.c_ulong()
        return 'ran' if libc.pthread_create(ctypes.byref(thread), None, work, None) == 0 and not libc.pthread_join(thread, None) else None
    """,
}  # fmt: skip


def test_contained(contained: Callable[[str], object], attack: str) -> None:
    contained(attack)


def test_it_works_where_nothing_contains_it(proven: Callable[[str], None], attack: str) -> None:
    proven(attack)
