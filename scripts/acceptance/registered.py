"""For dns/reliability/run.py: a daemon with a registry, whose API is 10,000 ports above DNS. `register` writes to it."""

import glob
import json
import os
import shutil
import time
import urllib.error
import urllib.request

from adapters import BASE, Server, write


class Registered(Server):
    name = "registered"

    def configure(self, zones, port, w, o):
        if not o.get("keep"):
            shutil.rmtree(f"{w}/store", ignore_errors=True)
        serves = f"registry {{\n  backend embedded {w}/store\n  api 127.0.0.1:{port + 10000}\n }}"
        if not o.get("full"):
            # The row of reloads has a zone in a file, which is looked at each second.
            serves = f"file {zones[0][1]} {{\n  reload 1s\n }}"
        write(f"{w}/Corefile", f"probe.test:{port} {{\n bind 127.0.0.1\n {serves}\n errors\n}}\n")
        return [os.environ["CARTONYM"], "-quiet", "-conf", f"{w}/Corefile"]

    def start(self, zones, port, timeout=8.0, wait=True, **o):
        super().start(zones, port, timeout, wait=False, **o)
        if o.get("full") and not o.get("keep"):
            fill(port)
        return self.wait_ready(zones[-1][0], port, timeout)

    def reload(self):
        pass

    def state_files(self):
        return [path for path in glob.glob(f"{self.w}/store/**", recursive=True) if os.path.isfile(path)]


def fill(port):
    """Makes the namespace, and the service whose instances have their names right below it: its id is left for `register`."""
    operation = call(port, "CreatePublicDnsNamespace", {"Name": "probe.test"})["OperationId"]
    targets = call(port, "GetOperation", {"OperationId": operation})["Operation"]["Targets"]
    # An instance has a name of its own where an SRV record leads there.
    dns = {"DnsRecords": [{"Type": "A", "TTL": 60}, {"Type": "SRV", "TTL": 60}]}
    service = call(port, "CreateService", {"Name": ".", "NamespaceId": targets["NAMESPACE"], "DnsConfig": dns})["Service"]
    write(f"{BASE}/service-id", service["Id"])
    www = {"AWS_INSTANCE_IPV4": "192.0.2.1", "AWS_INSTANCE_PORT": "80"}
    call(port, "RegisterInstance", {"ServiceId": service["Id"], "InstanceId": "www", "Attributes": www})


def call(port, operation, request):
    """One call, made again for five seconds while nobody listens."""
    headers = {"X-Amz-Target": f"Route53AutoNaming_v20170314.{operation}", "Content-Type": "application/x-amz-json-1.1"}
    asked = urllib.request.Request(f"http://127.0.0.1:{port + 10000}/", json.dumps(request).encode(), headers)
    end = time.monotonic() + 5
    while True:
        try:
            with urllib.request.urlopen(asked, timeout=3) as answer:
                return json.load(answer)
        except urllib.error.HTTPError:
            raise
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
