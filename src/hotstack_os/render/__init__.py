"""Text from data: pure functions, golden files."""
