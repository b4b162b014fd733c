"""A node's networks: Open vSwitch, addresses, the firewall."""
