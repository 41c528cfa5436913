"""A small kind to reflect."""

import msgspec

from tandem_controller.kube.resource import Resource

THING = Resource("t", "v1", "things", "Thing")


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""


class Spec(msgspec.Struct, frozen=True):
    color: str = ""


class Thing(msgspec.Struct, frozen=True):
    metadata: Metadata
    spec: Spec = Spec()


decode_thing = msgspec.json.Decoder(Thing).decode


def thing(name: str, version: int | str, color: str = "", uid: str = "u", ns: str = "ns") -> Thing:
    return Thing(Metadata(name, ns, uid, str(version)), Spec(color))
