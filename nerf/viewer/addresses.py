"""Where a server listens."""

import errno
import ipaddress
import socket

from data.errors import InputError

TRIES = 100
"""Ports that are tried, one after another."""


def free_port(host: str, port: int) -> int:
    """The first port from `port` on that nobody listens at; 0 for 0. InputError if none is."""
    if not 0 <= port <= 65535:
        raise InputError(f"--port {port}: ports are numbers from 0 (any free one) to 65535")
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError) as error:
        raise InputError(f"--host {host}: no such address; 127.0.0.1 is this machine") from error
    said = "all ports are in use"
    for number in range(port, min(port + TRIES, 65536)):
        with socket.socket(family, socket.SOCK_STREAM) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind((address[0], number))
                tried.listen(1)
                return number
            except OSError as error:
                said = error.strerror or str(error)
                if error.errno != errno.EADDRINUSE:
                    break
    raise InputError(f"--host {host} --port {port}: can't listen there: {said}")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that is bound there."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
