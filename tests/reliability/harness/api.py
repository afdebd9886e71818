"""A client of the Cloud Map API: JSON 1.1 over one connection that is kept."""

import http.client
import json

from .wait import until


class Refused(Exception):
    """The API said no."""

    def __init__(self, status, code, message, retry_after):
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.retry_after = status, code, retry_after

    def is_retryable(self):
        """Whether AWS clients try again by themselves."""
        return self.status >= 500


class Unreached(Exception):
    """Nobody answered; what was asked for may have been done."""


class Api:
    """One client; threads need one each."""

    def __init__(self, port, timeout=10):
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)

    def call(self, operation, **members):
        """Makes a call: the answer's members. Raises `Refused` or `Unreached`."""
        headers = {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": f"Route53AutoNaming_v20170314.{operation}",
        }
        try:
            self._connection.request("POST", "/", json.dumps(members).encode(), headers)
            response = self._connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise Unreached(repr(error)) from error
        answer = json.loads(body) if body else {}
        if response.status != 200:
            code = answer.get("__type", "").rpartition("#")[2]
            raise Refused(response.status, code, answer.get("message") or answer.get("Message", ""), response.getheader("Retry-After"))
        return answer

    def namespace(self, name):
        """Makes a namespace, and returns its id."""
        operation = self.call("CreatePublicDnsNamespace", Name=name)["OperationId"]
        told = {}

        def is_done():
            told.update(self.call("GetOperation", OperationId=operation)["Operation"])
            return told["Status"] == "SUCCESS"

        until(is_done, f"the namespace {name} is made")
        return told["Targets"]["NAMESPACE"]

    def service(self, namespace, name, **more):
        """Makes a service with A and SRV records, and returns its id."""
        records = [{"Type": "A", "TTL": 1}, {"Type": "SRV", "TTL": 1}]
        config = {"DnsRecords": records}
        return self.call("CreateService", Name=name, NamespaceId=namespace, DnsConfig=config, **more)["Service"]["Id"]

    def register(self, service, instance, address, **attributes):
        """Registers an instance at an address; returns when that is acknowledged."""
        attributes = {"AWS_INSTANCE_IPV4": address, "AWS_INSTANCE_PORT": "80", **attributes}
        self.call("RegisterInstance", ServiceId=service, InstanceId=instance, Attributes=attributes)

    def addresses(self, service):
        """The address of each instance of a service, by its id."""
        found, more = {}, {}
        while True:
            page = self.call("ListInstances", ServiceId=service, **more)
            for instance in page["Instances"]:
                found[instance["Id"]] = instance["Attributes"]["AWS_INSTANCE_IPV4"]
            if not page.get("NextToken"):
                return found
            more = {"NextToken": page["NextToken"]}


def address(number):
    """An address for a number below 2^24, so that what is answered can be checked without a list."""
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
