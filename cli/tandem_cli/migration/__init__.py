"""From another controller of the Rollout API to Tandem, and back."""
