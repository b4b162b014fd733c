"""The heart: desired state and observed state become a plan; a plan is applied with its intentions written down first.

Knows no OpenStack, no podman, no files of a node: only resources with a state, and handlers that observe and change
them.
"""
