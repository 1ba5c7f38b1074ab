# Aliases only; the launcher is ./run.
.PHONY: up test

up:
	./run

test:
	./run test
