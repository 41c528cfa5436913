"""Reading CUE without evaluating it: where something stands, not what it becomes.

`cue` tells what a text evaluates to, but not from which line an image came, and it refuses
templates that need KubeVela's packages. So lint, decouple and semver read the syntax
themselves. What a value *is* in the end they ask `cue`.
"""

from tandem_generator.cuesyntax.nodes import line_of
from tandem_generator.cuesyntax.parser import parse
from tandem_generator.cuesyntax.tokens import CueSyntaxError

__all__ = ["CueSyntaxError", "line_of", "parse"]
