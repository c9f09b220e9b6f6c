"""Ports of loopback that belong to one test while runs of other interpreters go on beside it."""

import socket
import sys

kept = []


def free_port():
    """A free port that the system gives to nobody else until ``release_ports``.

    A bound socket that never listens keeps it: until somebody is told the port and listens there,
    also between two lives of a server, connections to it are refused. (Other systems than Linux
    would refuse the port to whoever listens, too: there the port is only found.)
    """
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    if sys.platform == "linux":
        kept.append(sock)
    else:
        sock.close()
    return port


def release_ports():
    """Give back what ``free_port`` kept, at the end of a test."""
    while kept:
        kept.pop().close()
