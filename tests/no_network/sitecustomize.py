"""Put on PYTHONPATH, it makes every network call of a process fail, as on a machine without a network."""

import socket


def _refuse(*ignored, **options):
    raise OSError("no network in this test")


socket.getaddrinfo = socket.create_connection = socket.socket.connect = socket.socket.connect_ex = _refuse
