"""What the trait emits passes the controller's own validation."""

import pytest

from tandem_controller.api.conversion import rollout_of
from tandem_controller.decide.validity.rollout import validate_rollout
from tandem_generator import evaluate
from tandem_generator.evaluate import Definition
from tandem_generator.source import Json

CONTEXT = {"name": "shop", "namespace": "demo", "appName": "shop", "output": {}}
ROUTE = {"httpRoute": "shop"}
MATCHES = [{"headers": [{"name": "x", "value": "^b", "type": "RegularExpression"}]}]


@pytest.mark.parametrize(
    "parameter",
    [
        {"steps": [10, 50]},
        {"steps": [10, 50], "traffic": ROUTE},
        {"steps": [10, 50, 80], "traffic": ROUTE},
        {"steps": [100], "traffic": {"ingress": "shop", "ingressClass": "higress"}},
        {"steps": [{"matches": MATCHES, "replicas": 1}, 50], "traffic": ROUTE},
        {"steps": [{"weight": 5, "replicas": 1, "pause": "1m"}], "traffic": ROUTE},
        {"steps": [{"replicas": 3}, {"replicas": "60%"}]},
        {"steps": [60], "style": "canary", "traffic": ROUTE},
        {"canary": {"steps": [{"weight": 20, "duration": 9}], "trafficRoutings": [{}]}},
    ],
)
def test_nothing_is_wrong_with_it(made: dict[str, Definition], parameter: Json) -> None:
    emitted = evaluate.evaluate(made["rollout"], parameter, CONTEXT).outputs["rollout"]
    assert validate_rollout(rollout_of(emitted).spec, alpha=True) == ()
