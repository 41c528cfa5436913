"""`decouple` takes the images out of a definition, and nothing changes for its Applications."""

from textwrap import dedent, indent

import jsonpatch
import pytest
import yaml

from tandem_generator import decouple, definitionfile, lint, source
from tandem_generator.decouple import ApplicationPatch, Plan
from tandem_generator.definitionfile import Template
from tandem_generator.source import Json

HEAD = """\
// Kept: a comment before everything.
"it": {
	type: "component"
	attributes: version: "1.2.3"
}
"""


def cue(template: str) -> str:
    return f"{HEAD}template: {{\n{indent(dedent(template).strip(), chr(9))}\n}}\n"


def read(text: str, file: str = "it.cue") -> Template:
    (template,) = definitionfile.parse(text, file).templates
    return template


def rewritten(text: str, file: str = "it.cue") -> tuple[str, Template, Template, Plan]:
    old = read(text, file)
    planned = decouple.plan(old)
    made, new = decouple.rewrite(old, text, planned)
    return made, old, new, planned


def errors(template: Template) -> list[str]:
    return [f.message for f in lint.check(template) if f.severity is lint.Severity.ERROR]


def application(properties: Json, name: str = "shop", kind: str = "it") -> source.Document:
    component = {"name": name, "type": kind, "properties": properties}
    body = {
        "apiVersion": "core.oam.dev/v1beta1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": "prod"},
        "spec": {"components": [{"name": "other", "type": "raw"}, component]},
    }
    (document,) = source.parse(yaml.safe_dump(body), "app.yaml")
    return document


def patched(text: str, properties: Json) -> tuple[Json, ApplicationPatch]:
    """Return the component's properties after the patch, and the patch."""
    _, old, new, planned = rewritten(text)
    document = application(properties)
    (patch,) = decouple.patches(old, new, planned, [document])
    after = jsonpatch.apply_patch(source.plain(document.node), list(patch.operations))
    return after["spec"]["components"][1].get("properties"), patch


WHOLE = """
    output: {
      kind: "Deployment"
      spec: {
        // Kept: why it waits.
        initContainers: [{name: "wait-for-db", image: "wait:1"}] // and here
        containers: [
          {name: context.name, image: parameter.image},
          {name: "proxy", image: "\\(parameter.registry)/proxy:2.1"},
        ]
      }
    }
    parameter: {
      // +usage=Image
      image: *"shop:1" | string
      registry: string
    }
"""


def test_each_image_becomes_a_parameter_and_everything_else_stays() -> None:
    made, *_ = rewritten(cue(WHOLE))
    expected = cue(WHOLE)
    at = "output.spec"
    declared = (
        f"\t  // +usage=Image at {at}.initContainers[0].image; the definition held `wait:1`\n"
        "\t  waitForDbImage: string\n"
        f"\t  // +usage=Tag of the image at {at}.containers[1].image; the definition held `2.1`\n"
        "\t  proxyTag: string\n"
    )
    for old, new in (
        ('"1.2.3"', '"2.0.0"'),
        ('image: "wait:1"', "image: parameter.waitForDbImage"),
        ("proxy:2.1", "proxy:\\(parameter.proxyTag)"),
        ('*"shop:1" | string', "string"),
        ("parameter: {\n", f"parameter: {{\n{declared}"),
    ):
        assert old in expected
        expected = expected.replace(old, new)
    assert made == expected


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (
            {"registry": "r"},
            {"registry": "r", "image": "shop:1", "waitForDbImage": "wait:1", "proxyTag": "2.1"},
        ),
        (
            {"registry": "r", "image": "shop:9"},
            {"registry": "r", "image": "shop:9", "waitForDbImage": "wait:1", "proxyTag": "2.1"},
        ),
    ],
)
def test_an_application_gets_the_values_that_it_does_not_give(given: Json, wanted: Json) -> None:
    properties, patch = patched(cue(WHOLE), given)
    assert properties == wanted
    assert (patch.name, patch.namespace, patch.proved) == ("shop", "prod", ("component shop",))


def test_a_patch_fails_where_the_component_moved() -> None:
    _, patch = patched(cue(WHOLE), {"registry": "r"})
    moved = source.plain(application({"registry": "r"}, name="another").node)
    with pytest.raises(jsonpatch.JsonPatchTestFailed):
        jsonpatch.apply_patch(moved, list(patch.operations))


BY_TAG = "output: image: '\\(parameter.image.name):\\(parameter.image.tag)'"
FORMS = {
    "hidden field": ('_toolImage: "a:1"\noutput: image: _toolImage', {"toolImage": "a:1"}),
    "hidden field with another name": (
        '_tool: "a:1"\noutput: {x: image: _tool, y: image: _tool}',
        {"toolImage": "a:1"},
    ),
    "let": ('let x = "a:1"\noutput: image: x', {"image": "a:1"}),
    "a list that a for walks over": (
        '_all: {x: "a:1", y: "b:1"}\noutput: c: [for k, v in _all {name: k, image: v}]',
        {"xImage": "a:1", "yImage": "b:1"},
    ),
    "a tag beside": ('_v: "1.2"\noutput: image: "a:" + _v', {"vTag": "1.2"}),
    "an output's name": (
        'outputs: job: spec: containers: [{name: context.name, image: "a:1"}]',
        {"jobImage": "a:1"},
    ),
    "a raw string": ('output: image: #"a:1"#', {"image": "a:1"}),
    "an interpolation in a raw string": (
        'output: image: #"\\#(parameter.r)/a:1"#\nparameter: r: *"x" | string',
        {"tag": "1"},
    ),
    "a repository without a tag": (
        'output: image: "\\(parameter.r)/a"\nparameter: r: *"x" | string',
        {"image": "a", "r": "x"},
    ),
    "a default in the template": ('output: image: *"a:1" | string', {"image": "a:1"}),
    "a fixed parameter": (
        'output: image: parameter.image\nparameter: {image: "a:1"}',
        {"image": "a:1"},
    ),
    "a default that comes last": (
        'output: image: parameter.image\nparameter: {image: string | *"a:1"}',
        {"image": "a:1"},
    ),
    "a choice with a default": (
        'output: image: parameter.image\nparameter: {image: *"a:1" | "b:1"}',
        {"image": "a:1"},
    ),
    "a default deep in groups": (
        'output: image: parameter.a.b.image\nparameter: {a: b: {image: *"a:1" | string}}',
        {"a": {"b": {"image": "a:1"}}},
    ),
    "repository and tag": (
        f"{BY_TAG}\nparameter: {{image: {{name: *'r' | string, tag: *'1' | string}}}}".replace(
            "'", '"'
        ),
        {"image": {"tag": "1"}},
    ),
    "a name that is taken": (
        'output: {image: parameter.image, x: image: "a:1"}\nparameter: {image: *"" | string}',
        {"image2": "a:1"},
    ),
    "parameters in one line": (
        'output: image: "a:1"\nparameter: {b: *1 | int}',
        {"image": "a:1"},
    ),
    "parameters without braces": ('output: image: "a:1"\nparameter: b: *1 | int', {"image": "a:1"}),
    "no parameters": ('output: image: "a:1"\nparameter: {}', {"image": "a:1"}),
    "no parameter field": ('output: image: "a:1"', {"image": "a:1"}),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_becomes_clean_and_renders_the_same(name: str) -> None:
    template, wanted = FORMS[name]
    text = cue(template)
    _, old, new, _ = rewritten(text)
    assert errors(old) != []
    assert errors(new) == []
    properties, _ = patched(text, {})
    assert properties == wanted


def test_a_value_under_a_condition_is_only_given_where_it_holds() -> None:
    template = """
        output: {
          kind: "X"
          if parameter.debug {image: "debug:1"}
        }
        parameter: debug: *false | bool
    """
    assert patched(cue(template), {})[0] == {}
    assert patched(cue(template), {"debug": True})[0] == {"debug": True, "image": "debug:1"}


def test_an_optional_parameters_default_goes_and_nobody_needs_a_value() -> None:
    """CUE applies it to nobody; it is shown to users all the same."""
    template = """
        output: {kind: "X", if parameter.image != _|_ {image: parameter.image}}
        parameter: {image?: *"a:1" | string}
    """
    made, *_ = rewritten(cue(template))
    assert "parameter: {image?: string}" in made
    assert patched(cue(template), {})[0] == {}


def test_a_default_in_list_items_is_given_to_each_item_that_relies_on_it() -> None:
    template = """
        #Side: {name: string, image: *"side:1" | string}
        output: {kind: "X", containers: [for s in parameter.sides {name: s.name, image: s.image}]}
        parameter: {sides: [...#Side]}
    """
    given = {"sides": [{"name": "a"}, {"name": "b", "image": "own:2"}]}
    wanted = {"sides": [{"name": "a", "image": "side:1"}, {"name": "b", "image": "own:2"}]}
    assert patched(cue(template), given)[0] == wanted
    assert patched(cue(template), {"sides": []})[0] == {"sides": []}


def test_a_struct_that_is_not_given_needs_no_value() -> None:
    template = """
        output: {kind: "X", if parameter.side != _|_ {image: parameter.side.image}}
        parameter: {side?: {image: *"side:1" | string}}
    """
    assert patched(cue(template), {})[0] == {}
    assert patched(cue(template), {"side": {}})[0] == {"side": {"image": "side:1"}}


YAML = """\
apiVersion: core.oam.dev/v1beta1
kind: ComponentDefinition
metadata:
  name: it
  annotations:
    definition.oam.dev/version: 1.2.3  # kept
spec:
  schematic:
    cue:
      template: |
        import "strings"

        output: {
          kind: "X"
          image: "a:1"
          name: strings.ToUpper(context.name)
        }
        parameter: {
          b: *1 | int
        }
  workload: {definition: {apiVersion: v1, kind: X}}
"""


def test_a_definition_in_yaml_stays_the_same_file_around_its_template() -> None:
    made, old, new, planned = rewritten(YAML, "it.yaml")
    expected = (
        YAML.replace("1.2.3", "2.0.0")
        .replace('image: "a:1"', "image: parameter.image")
        .replace(
            "          b:",
            "          // +usage=Image at output.image; the definition held `a:1`\n"
            "          image: string\n          b:",
        )
    )
    assert made == expected
    decouple.prove_smallest(old, new, planned)


def test_a_template_that_is_no_block_is_refused() -> None:
    text = 'kind: ComponentDefinition\nspec: {schematic: {cue: {template: "image: \\"a:1\\""}}}\n'
    with pytest.raises(source.SourceError, match="only be rewritten where it stands in a block"):
        rewritten(text, "it.yaml")


def test_a_default_that_is_a_whole_list_is_refused() -> None:
    template = """
        output: containers: parameter.sides
        parameter: sides: *[{name: "a", image: "a:1"}] | [...{...}]
    """
    with pytest.raises(source.SourceError, match="`a:1` is deep in a default") as caught:
        rewritten(cue(template))
    assert caught.value.line == 8


def test_what_only_passes_a_closed_schema_is_refused_with_the_reason() -> None:
    template = '#P: {b: *1 | int}\noutput: {kind: "X", image: "a:1"}\nparameter: #P'
    _, old, new, planned = rewritten(cue(template))
    with pytest.raises(decouple.NotEqualError, match="cannot be rendered after the change"):
        decouple.patches(old, new, planned, [application({})])


def test_a_rendering_that_differs_is_refused_with_the_place() -> None:
    text = cue('output: {kind: "X", image: "a:1"}\nparameter: {}')
    _, old, new, planned = rewritten(text)
    other = read(new.text.replace('kind: "X"', 'kind: "Y"'))
    with pytest.raises(decouple.NotEqualError) as caught:
        decouple.patches(old, other, planned, [application({})])
    assert str(caught.value) == (
        "app.yaml:10: component shop: rendered otherwise: output.kind was 'X' and would be 'Y'"
    )


def test_applications_that_do_not_use_it_or_pin_a_version_get_no_patch() -> None:
    _, old, new, planned = rewritten(cue('output: {kind: "X", image: "a:1"}'))
    documents = [application({}, kind="another"), application({}, kind="it@v1")]
    assert decouple.patches(old, new, planned, documents) == []


def test_a_trait_is_decoupled_for_the_traits_of_an_application() -> None:
    template = """
        patch: spec: template: spec: containers: [{name: "log", image: "log:1"}]
        parameter: {}
    """
    text = cue(template).replace('type: "component"', 'type: "trait"')
    _, old, new, planned = rewritten(text)
    document = application({})
    document.node["spec"]["components"][1]["traits"] = [{"type": "it", "properties": {}}]
    (patch,) = decouple.patches(old, new, planned, [document])
    after = jsonpatch.apply_patch(source.plain(document.node), list(patch.operations))
    traits = after["spec"]["components"][1]["traits"]
    assert traits == [{"type": "it", "properties": {"logImage": "log:1"}}]
