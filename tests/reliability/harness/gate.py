"""A TCP forwarder that can be shut, so that one process of several loses another, or is heard late."""

import contextlib
import socket
import threading


class Gate:
    """Forwards a port of its own to another.

    Open, octets pass. Held, connections stay and nothing passes until it is open again. Shut, there are no connections.
    """

    def __init__(self, row, target):
        self.port, self.target = row.port(), target
        self._passing = threading.Event()
        self._sockets = set()
        self._listener = None
        self.open()
        row.at_end(self.shut)

    def open(self):
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
            threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()
        self._passing.set()

    def hold(self):
        self._passing.clear()

    def shut(self):
        listener, self._listener = self._listener, None
        for each in [listener, *self._sockets]:
            if each:
                close(each)
        self._sockets.clear()
        self._passing.set()

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                if self._listener is not listener:
                    return
                close(client)
                continue
            self._sockets |= {client, server}
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self._forward, args=pair, daemon=True).start()

    def _forward(self, source, sink):
        with contextlib.suppress(OSError):
            while octets := source.recv(65536):
                self._passing.wait()
                sink.sendall(octets)
        close(source)
        close(sink)


def close(each):
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
