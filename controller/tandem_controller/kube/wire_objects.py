"""What lists and objects look like on the wire, as far as every kind is alike."""

import msgspec

from tandem_controller.kube.errors import Unavailable
from tandem_controller.kube.store import Key


class ObjectMetadata(msgspec.Struct, rename="camel"):
    """What every object tells of itself, whatever else is in it."""

    name: str = ""
    namespace: str = ""
    resource_version: str = ""
    annotations: dict[str, str] = {}

    @property
    def key(self) -> Key:
        """Where the store has it."""
        return Key(self.namespace, self.name)


class _Object(msgspec.Struct):
    metadata: ObjectMetadata


class ListMetadata(msgspec.Struct, rename="camel"):
    """Of which version a list is, and whether more of it follows."""

    resource_version: str = ""
    continue_token: str | None = msgspec.field(name="continue", default=None)


class Page(msgspec.Struct):
    """One page of a list, its objects still raw: each is decoded, or fails, on its own."""

    metadata: ListMetadata
    items: list[msgspec.Raw] | None = None


_page_decoder = msgspec.json.Decoder(Page)
_object_decoder = msgspec.json.Decoder(_Object)


def decode_page(raw: bytes) -> Page:
    """Read a page; what is none came from something between us and the API server."""
    try:
        return _page_decoder.decode(raw)
    except msgspec.MsgspecError as error:
        raise Unavailable(
            0, "UnreadableList", f"The list is no Kubernetes list: {error}"
        ) from error


def decode_metadata(raw: bytes) -> ObjectMetadata:
    """Read what an object says of itself."""
    try:
        return _object_decoder.decode(raw).metadata
    except msgspec.MsgspecError as error:
        raise Unavailable(0, "UnreadableObject", f"Not a Kubernetes object: {error}") from error
