"""Names of the objects in the controller's own namespace; its rights are limited to them."""

LEASE = "tandem-controller"
"""The Lease of the replica that acts."""

WEBHOOK_SECRET = "tandem-webhook-certificates"
"""The Secret with the webhook's certificates."""

DEPLOYMENT = "tandem"
"""The Deployment of the addon that runs controller and webhook."""
