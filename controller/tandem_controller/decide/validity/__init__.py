"""Whether a Rollout and what it names can be released at all."""
