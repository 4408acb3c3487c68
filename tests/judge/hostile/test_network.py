"""Answers that speak with somebody: by TCP, UDP, UNIX sockets, and the libraries above them."""

from collections.abc import Callable

ATTACKS = {
    "tcp": "socket.create_connection(('127.0.0.1', tcp), 2)",
    "tcp without waiting": """
        speaker = socket.socket()
        speaker.setblocking(False)
        speaker.connect_ex(('127.0.0.1', tcp))
    """,
    "tcp fast open": "socket.socket().sendto(b'x', 0x20000000, ('127.0.0.1', tcp))",
    "udp": "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', udp))",
    "udp connected": """
        speaker = socket.socket(type=socket.SOCK_DGRAM)
        speaker.connect(('127.0.0.1', udp))
        speaker.send(b'x')
    """,
    "sendmsg": "socket.socket(type=socket.SOCK_DGRAM).sendmsg([b'x'], [], 0, ('127.0.0.1', udp))",
    "unix": "socket.socket(socket.AF_UNIX).connect(unix)",
    "unix abstract": "socket.socket(socket.AF_UNIX).connect('\\0' + name)",
    "listening": "return str(socket.create_server(('127.0.0.1', 0)).getsockname())",
    "listening abstractly": """
        listener = socket.socket(socket.AF_UNIX)
        listener.bind('\\0' + name + 'own')
        listener.listen()
        return 'listens'
    """,
    "netlink": "listener = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)\nlistener.bind((0, 0))\nreturn 'netlink'",
    "a pair": "a, b = socket.socketpair()\na.send(b'spoken')\nreturn b.recv(9).decode()",
    "libc": """
        libc = ctypes.CDLL(None)
        address = (2).to_bytes(2, 'little') + tcp.to_bytes(2, 'big') + bytes([127, 0, 0, 1]) + bytes(8)
        libc.connect(libc.socket(2, 1, 0), address, 16)
    """,
    "urllib": "import urllib.request\nurllib.request.urlopen(f'http://127.0.0.1:{tcp}', timeout=0.2)",
    "http": "import http.client\nhttp.client.HTTPConnection('127.0.0.1', tcp, timeout=1).connect()",
    "torch.hub": "torch.hub.urlopen(f'http://127.0.0.1:{tcp}', timeout=0.2)",
    "torch.distributed": "return str(torch.distributed.TCPStore('127.0.0.1', 0, 1, True, wait_for_workers=False).port)",
    "asyncio": """
        import asyncio
        async def speak():
            await asyncio.open_connection('127.0.0.1', tcp)
        asyncio.run(speak())
    """,
    "multiprocessing": """
        from multiprocessing.connection import SocketClient
        SocketClient(('127.0.0.1', tcp))
    """,
    "logging": """
        import logging, logging.handlers
        handler = logging.handlers.SysLogHandler(('127.0.0.1', udp))
        handler.emit(logging.makeLogRecord({'msg': 'x'}))
    """,
    "resolving a name": "return str(socket.getaddrinfo('localhost', tcp, family=socket.AF_INET)[0][4])",
}


def test_contained(contained: Callable[[str], object], attack: str) -> None:
    contained(attack)


def test_it_works_where_nothing_contains_it(proven: Callable[[str], None], attack: str) -> None:
    proven(attack)
