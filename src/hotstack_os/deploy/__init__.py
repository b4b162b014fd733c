"""One cloud from settings to running services: what is desired, who handles it, and the order of the whole."""
