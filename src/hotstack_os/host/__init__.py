"""A node made ready: directories, files, users, units, packages; each observed, idempotent, and taken back."""
