"""HotStack-OS: turns a Linux machine into a complete OpenStack cloud and looks after it."""

__version__ = "0.1.0"
