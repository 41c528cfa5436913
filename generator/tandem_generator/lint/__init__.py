"""No image in a definition: neither in its template nor as a parameter's default.

An image that a definition holds changes when the definition does, outside every release
(openkruise/kruise#1792). KubeVela does not complain; this does.
"""

from tandem_generator.lint.check import check, check_other
from tandem_generator.lint.finding import Finding, Kind, Severity

__all__ = ["Finding", "Kind", "Severity", "check", "check_other"]
