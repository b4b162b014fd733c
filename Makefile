# What a newcomer types: make up, make test. Everything else is for those who change the project.
.PHONY: up install uninstall clean check test test-all tempest format

up install:
	@./hotstack-os up

uninstall:
	@./hotstack-os uninstall

clean:
	@./hotstack-os down

check:
	@./tests/run check

test:
	@./tests/run all

tempest:
	@./hotstack-os tempest

test-all:
	@./tests/run whole

format:
	@./tests/run format
