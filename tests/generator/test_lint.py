"""`lint` names each place where a definition fixes an image, a sidecar or an init container."""

from textwrap import dedent, indent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem_generator import definitionfile, lint, source

Row = tuple[int, str, str]
"""Line within the template, severity, kind."""


def findings(template: str, kind: str = "component") -> tuple[lint.Finding, ...]:
    head = f'"it": {{\n\ttype: "{kind}"\n}}\ntemplate: {{\n'
    text = head + dedent(template).strip("\n") + "\n}\n"
    (read,) = definitionfile.parse(text, "it.cue").templates
    return lint.check(read)


def rows(template: str, kind: str = "component") -> list[Row]:
    return [(f.line - 4, f.severity.value, f.kind.value) for f in findings(template, kind)]


FIXED, DEFAULT, PART = "image-fixed", "image-default", "image-part"
CLEAN_TEMPLATES = {
    "a required parameter": "output: {image: parameter.image}\nparameter: {image: string}",
    "an optional parameter": (
        "output: {if parameter.image != _|_ {image: parameter.image}}\nparameter: {image?: string}"
    ),
    "null or nothing as default": (
        "output: {image: parameter.image, b: image: parameter.b}\n"
        'parameter: {image: *null | string, b: *"" | string}'
    ),
    "a choice without a default": (
        'output: {image: parameter.image}\nparameter: {image: "a:1" | "b:1"}'
    ),
    "repository and tag of the Application": (
        'output: {image: "\\(parameter.name):\\(parameter.tag)"}\n'
        "parameter: {name: string, tag: string}"
    ),
    "containers of the Application": (
        "output: {containers: [for c in parameter.sidecars {name: c.name, image: c.image}]\n"
        "initContainers: parameter.inits}\n"
        "parameter: {sidecars: [...{name: string, image: string}], inits: [...{...}]}"
    ),
    "an address and a number": 'output: {image: "https://x/logo.png", b: image: 11}',
    "a word in a comment or a description": '// image: "a:1"\noutput: {text: "image: a:1"}',
    "an icon's name": 'output: {image: "The image"}',
    "the main container": (
        "output: {containers: [{name: context.name, image: parameter.image}]}\n"
        "parameter: {image: string}"
    ),
}


@pytest.mark.parametrize("name", CLEAN_TEMPLATES)
def test_what_the_application_decides_is_clean(name: str) -> None:
    assert rows(CLEAN_TEMPLATES[name]) == []


CHOSEN = '[if parameter.image != _|_ {parameter.image}, "a:1"][0]'
BY_TAG = 'output: image: "\\(parameter.name):\\(parameter.tag)"'


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ('output: spec: image: "a:1"', [(1, "error", FIXED)]),
        ('output: spec: "image": "a:1"', [(1, "error", FIXED)]),
        ('output: {\n\tspec: initImage: #"a:1"#\n}', [(2, "error", FIXED)]),
        # A hidden field, a let, an alias, a definition: the line is where the text stands.
        ('_tool: "a:1"\noutput: image: _tool', [(1, "error", FIXED)]),
        ('let tool = "a:1"\noutput: image: tool', [(1, "error", FIXED)]),
        ('#All: {tool: "a:1"}\noutput: image: #All.tool', [(1, "error", FIXED)]),
        (
            '#All: {if parameter.x {tool: "a:1"}}\noutput: image: #All.tool',
            [(1, "error", FIXED)],
        ),
        ('_all: [{image: "a:1"}]\noutput: containers: _all', [(1, "error", FIXED)]),
        # One text that two fields use is one finding.
        ('_tool: "a:1"\noutput: {x: image: _tool, y: image: _tool}', [(1, "error", FIXED)]),
        # Comprehensions and conditions.
        (
            '_all: {\n\tx: "a:1"\n\ty: "b:1"\n}\noutput: c: [for k, v in _all {name: k, image: v}]',
            [(2, "error", FIXED), (3, "error", FIXED)],
        ),
        ('output: {if parameter.debug {image: "a:1"}}', [(1, "error", FIXED)]),
        ('output: {if parameter.image == _|_ {image: "a:1"}}', [(1, "error", DEFAULT)]),
        (f"output: image: {CHOSEN}\nparameter: image?: string", [(1, "error", DEFAULT)]),
        # Defaults in the template.
        ('output: image: *"a:1" | string', [(1, "error", DEFAULT)]),
        (
            'output: image: *parameter.image | "a:1"\nparameter: image?: string',
            [(1, "error", DEFAULT)],
        ),
        # Defaults of parameters: direct, nested, in a schema, in a list, fixed outright.
        ('parameter: {\n\timage: *"a:1" | string\n}', [(2, "error", DEFAULT)]),
        ('parameter: {\n\timage: string | *"a:1"\n}', [(2, "error", DEFAULT)]),
        ('parameter: {\n\tinitImage: "a:1"\n}', [(2, "error", DEFAULT)]),
        ('parameter: {x: y: image: *"a:1" | string}', [(1, "error", DEFAULT)]),
        ('parameter: {x: [...{image: *"a:1" | string}]}', [(1, "error", DEFAULT)]),
        ('#S: {image: *"a:1" | string}\nparameter: {x: #S}', [(1, "error", DEFAULT)]),
        (
            'output: image: parameter.runner\nparameter: {runner: *"a:1" | string}',
            [(2, "error", DEFAULT)],
        ),
        (
            'output: image: parameter["runner"]\nparameter: {runner: *"a:1" | string}',
            [(2, "error", DEFAULT)],
        ),
        # Parts: who holds the tag holds the version.
        ('output: image: "\\(parameter.name):1.2"', [(1, "error", FIXED)]),
        ('output: image: parameter.registry + "/tool:1.2"', [(1, "error", FIXED)]),
        ('output: image: "\\(parameter.registry)/tool"', [(1, "error", FIXED)]),
        ('output: image: "\\(parameter.registry)/tool@sha256:0a"', [(1, "error", FIXED)]),
        ('output: image: "tool:" + parameter.tag', [(1, "warning", PART)]),
        ('output: image: "tool:v\\(parameter.tag)"', [(1, "warning", PART)]),
        (f'{BY_TAG}\nparameter: {{tag: *"1.2" | string}}', [(2, "error", DEFAULT)]),
        ('_version: "1.2"\noutput: image: parameter.name + ":" + _version', [(1, "error", FIXED)]),
        ('output: image: strings.Join([parameter.name, "1.2"], ":")', [(1, "error", FIXED)]),
        (
            'output: image: {repository: "tool", tag: "1.2"}',
            [(1, "error", FIXED), (1, "warning", PART)],
        ),
    ],
)
def test_an_image_is_found_where_it_stands(template: str, expected: list[Row]) -> None:
    found = [row for row in rows(template) if row[2] not in {"init-container", "sidecar"}]
    assert sorted(found) == sorted(expected)


CONTAINERS = """
    output: spec: {
      initContainers: [
        {name: "wait", image: parameter.waitImage},
      ]
      containers: [
        {name: context.name, image: parameter.image},
        {name: "proxy", image: "proxy:1"},
        if parameter.debug {{name: "debug", image: parameter.debugImage}},
      ]
    }
    parameter: {image: string, waitImage: string, debugImage: string, debug: *false | bool}
"""


def test_containers_beside_the_main_one_are_warnings_unless_their_image_is_fixed() -> None:
    assert rows(CONTAINERS) == [
        (3, "warning", "init-container"),
        (7, "error", "sidecar"),
        (7, "error", "image-fixed"),
        (8, "warning", "sidecar"),
    ]


def test_a_container_under_a_condition_names_the_condition() -> None:
    (*_, optional) = findings(CONTAINERS)
    assert optional.message == "the sidecar `debug` is part of the template where parameter.debug"


def test_containers_of_joined_lists_are_found() -> None:
    template = """
        _side: [{name: "proxy", image: parameter.proxyImage}]
        output: containers: [{name: context.name, image: parameter.image}] + _side
        parameter: {image: string, proxyImage: string}
    """
    assert rows(template) == [(1, "warning", "sidecar")]


def test_a_container_before_the_main_one_is_a_sidecar_all_the_same() -> None:
    template = """
        output: containers: [
          {name: "proxy", image: parameter.proxyImage},
          {name: context.name, image: parameter.image},
        ]
        parameter: {image: string, proxyImage: string}
    """
    assert rows(template) == [(2, "warning", "sidecar")]


def test_containers_in_a_parameters_default_are_found() -> None:
    template = """
        output: {
          containers: [{name: context.name, image: parameter.image}] + parameter.sides
          initContainers: parameter.inits
        }
        parameter: {
          image: string
          sides: *[{name: "proxy", image: "proxy:1"}] | [...{name: string, image: string}]
          inits: [...{name: *"init" | string, image: string}]
        }
    """
    found = findings(template)
    assert [(f.line - 4, f.severity.value, f.kind.value) for f in found] == [
        (7, "error", "sidecar"),
        (7, "error", "image-default"),
    ]
    assert found[0].message == (
        "the sidecar `proxy` is in the default of the parameter sides, with its image"
    )


def test_a_trait_that_adds_a_container_is_told_from_one_that_changes_the_main_one() -> None:
    template = """
        patch: spec: template: spec: containers: [
          {name: context.name, env: parameter.env},
          {name: "log", image: "log:1"},
          {name: "other", env: []},
        ]
        parameter: env: [...]
    """
    assert rows(template, "trait") == [(3, "error", "sidecar"), (3, "error", "image-fixed")]


def test_a_finding_says_what_why_and_what_to_do() -> None:
    (finding,) = findings('output: spec: image: "a:1"')
    assert finding.sentence() == (
        "it.cue:5: error: image-fixed: component it: output.spec.image is `a:1`; it changes with "
        "the definition, outside every release, and applying the old Application does not bring "
        "it back. Make it a required parameter (`tandem decouple` does)."
    )


VALUES = (
    *(
        '"a:1"',
        "x",
        "y",
        "parameter.x",
        "y.image",
        "x[0]",
        "[x, y]",
        "{image: x}",
        "null",
        "string",
    ),
    *('*"b:1" | string', "x & y", "x | y", "x + y", '"\\(x):\\(y)"', "[for z in x {image: z}]"),
    *("[if x {y}, x][0]", "list.Concat([x, y])", "[...{image: x}]", 'strings.Join([x, y], ":")'),
)
LABELS = ("x", "y", "image", "containers", "initContainers", "parameter", "#S", "_h", "name")


@given(st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(VALUES)), max_size=8))
def test_names_may_lead_anywhere_and_lint_ends(fields: list[tuple[str, str]]) -> None:
    findings("\n".join(f"{label}: {value}" for label, value in fields))


def test_a_template_that_refers_to_itself_is_read_to_its_end() -> None:
    assert rows('_a: _b\n_b: _a\noutput: {image: _a, x: image: x.image}\nlet y = y | "a:1"') == []


YAML = """\
apiVersion: core.oam.dev/v1beta1
kind: ComponentDefinition
metadata:
  name: {name}
spec:
  schematic:
    cue:
      template: {style}
"""
TEMPLATE = 'output: {\n\timage: "a:1"\n}\n'


@pytest.mark.parametrize(
    ("style", "body", "line"),
    [
        ("|", indent(TEMPLATE, "        "), 10),
        ("|-", "\n" + indent(TEMPLATE, "          "), 11),
        ('"output: {\\n\\timage: \\"a:1\\"\\n}\\n"', "", 8),
    ],
)
def test_lines_of_a_template_in_yaml_are_lines_of_the_file(
    style: str, body: str, line: int
) -> None:
    text = "---\n" + YAML.format(name="x", style=style) + body
    (template,) = definitionfile.parse(text, "it.yaml").templates
    assert [(f.file, f.line) for f in lint.check(template)] == [("it.yaml", line + 1)]


def test_definitions_of_a_chart_a_list_and_several_documents_are_read() -> None:
    chart = YAML.format(name="{{ .Values.name }}", style="|") + indent(TEMPLATE, " " * 8)
    chart = "{{- if .Values.on }}\n" + chart.replace("spec:", "  ns: {{ include `x` . }}\nspec:", 1)
    other = YAML.format(name="y", style="|") + indent(TEMPLATE, " " * 8)
    in_list = "kind: List\nitems:\n- " + indent(other, "  ").strip() + "\n"
    read = definitionfile.parse(chart + "{{- end }}\n---\n" + in_list, "it.yaml")
    assert [(t.name, t.line(t.body.start)) for t in read.templates] == [("helm", 11), ("y", 26)]


def test_an_object_template_has_its_images_too() -> None:
    text = """\
kind: ComponentDefinition
metadata: {name: x}
spec:
  schematic:
    kube:
      template:
        spec:
          containers:
            - image: a:1
"""
    (other,) = definitionfile.parse(text, "it.yaml").others
    assert [(f.line, f.path, f.kind) for f in lint.check_other("it.yaml", other)] == [
        (9, "spec.containers[0].image", "image-fixed")
    ]


def test_broken_cue_in_yaml_is_named_by_the_line_of_the_file() -> None:
    text = YAML.format(name="x", style="|") + "        output: {\n          a: }\n"
    with pytest.raises(source.SourceError, match="expected a value") as caught:
        definitionfile.parse(text, "it.yaml")
    assert caught.value.line == 10


@pytest.mark.parametrize("text", ["", "kind: Deployment\n", "a: 1\n", "package main\noutput: {}\n"])
def test_other_files_hold_no_definition(text: str) -> None:
    assert definitionfile.parse(text, "it.yaml") == definitionfile.Contents()
    assert definitionfile.parse(text, "it.cue") == definitionfile.Contents()
