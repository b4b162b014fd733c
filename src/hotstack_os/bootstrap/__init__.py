"""Generic engines that bring databases, schemas, messaging and identity to their desired state.

What is particular to a component is data in the catalogue.
"""
