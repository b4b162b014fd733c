"""OpenStack's own tests, as they are published, run against a cloud of ours."""
