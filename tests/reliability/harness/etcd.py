"""Debian's etcd, one member or three."""

import os
import shutil
import signal
import subprocess

from .row import Skip
from .wait import until


class Etcd:
    """A cluster on loopback; the ports stay the same from start to start."""

    def __init__(self, row, members=1, users=None):
        if not shutil.which("etcd") or not shutil.which("etcdctl"):
            raise Skip("etcd and etcdctl are not installed (Debian: etcd-server, etcd-client)")
        self.folder = row.folder / "etcd"
        self.folder.mkdir()
        self.clients = [row.port() for _ in range(members)]
        self.peers = [row.port() for _ in range(members)]
        self.users = users or [None] * members
        self.processes = [None] * members
        self.generation = 0
        row.at_end(self.kill)

    @property
    def endpoints(self):
        """As the Corefile has them."""
        return " ".join(f"127.0.0.1:{port}" for port in self.clients)

    def start(self):
        """Starts the members that do not run, and waits until they take writes."""
        for member, process in enumerate(self.processes):
            if process is None or process.poll() is not None:
                self._launch(member)
        until(self.is_healthy, "etcd is healthy", patience=60, pause=0.1)

    def kill(self, members=None):
        for process in self._running(members):
            process.kill()
            process.wait()

    def pause(self, members=None):
        for process in self._running(members):
            process.send_signal(signal.SIGSTOP)

    def resume(self, members=None):
        for process in self._running(members):
            process.send_signal(signal.SIGCONT)

    def forget(self):
        """The members, which do not run, lose all that they had: another cluster starts next."""
        shutil.rmtree(self.folder)
        self.folder.mkdir()
        self.generation += 1

    def is_healthy(self):
        return self._run(["endpoint", "health"]).returncode == 0

    def ctl(self, *args, member=None):
        """What etcdctl says."""
        done = self._run(args, member)
        if done.returncode:
            raise RuntimeError(f"etcdctl {' '.join(args)}: {done.stderr.strip()}")
        return done.stdout

    def keys(self, but):
        """How many keys there are that do not begin with `but`: of one reading, as keys with a lease come and go."""
        listed = self.ctl("get", "", "--from-key", "--keys-only").split()
        return sum(not key.startswith(but) for key in listed)

    def _run(self, args, member=None):
        ports = self.clients if member is None else [self.clients[member]]
        endpoints = ",".join(f"127.0.0.1:{port}" for port in ports)
        command = ["etcdctl", "--endpoints", endpoints, "--command-timeout=5s", *args]
        return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "ETCDCTL_API": "3"})

    def _running(self, members):
        chosen = range(len(self.processes)) if members is None else members
        processes = (self.processes[member] for member in chosen)
        return [process for process in processes if process and process.poll() is None]

    def _launch(self, member):
        client, peer = (f"http://127.0.0.1:{ports[member]}" for ports in (self.clients, self.peers))
        everybody = ",".join(f"m{n}=http://127.0.0.1:{port}" for n, port in enumerate(self.peers))
        data = self.folder / f"m{member}"
        data.mkdir(mode=0o700, exist_ok=True)
        user = self.users[member]
        if user is not None:
            os.chown(data, user, user)
        with open(self.folder / f"m{member}.log", "ab") as log:
            self.processes[member] = subprocess.Popen(
                [
                    "etcd", "--name", f"m{member}", "--data-dir", str(data), "--initial-cluster", everybody,
                    "--initial-cluster-token", f"generation-{self.generation}",
                    "--listen-client-urls", client, "--advertise-client-urls", client,
                    "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, user=user, group=user,
            )
