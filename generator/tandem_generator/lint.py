"""No image in a definition: neither as a literal nor as a parameter's default.

An image that a definition holds changes when the definition does, outside every release
(openkruise/kruise#1792). KubeVela would not complain; so the generator does.
"""

from __future__ import annotations

import re

_IMAGE_FIELD = re.compile(r'\b\w*[iI]mage"?[?!]?:\s*(?P<value>[^,}\n]+)')


def images(text: str) -> list[tuple[int, str]]:
    """Return the lines, with their numbers, on which an image field holds a concrete value."""
    return [
        (number, line.strip())
        for number, line in enumerate(text.splitlines(), 1)
        if not line.lstrip().startswith("//") and _holds_image(line)
    ]


def _holds_image(line: str) -> bool:
    return any('"' in m["value"] or "*" in m["value"] for m in _IMAGE_FIELD.finditer(line))
