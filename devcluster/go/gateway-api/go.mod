// The Gateway API's CustomResourceDefinitions (config/crd/standard).
module tandem/devcluster/gateway-api

go 1.24.0

require sigs.k8s.io/gateway-api v1.6.3
