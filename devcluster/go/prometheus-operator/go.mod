// prometheus-operator's CustomResourceDefinitions (example/prometheus-operator-crd).
module tandem/devcluster/prometheus-operator

go 1.24.0

require github.com/prometheus-operator/prometheus-operator v0.75.2
