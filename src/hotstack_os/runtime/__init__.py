"""Containers as systemd units. No word of podman stands outside this room and `images`."""
