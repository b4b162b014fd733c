"""The command line: one small module per verb: parse, call, render. Data on stdout, talk on stderr."""
