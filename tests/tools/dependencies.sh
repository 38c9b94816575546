#!/bin/sh
# Counts the crates that mima is built from, on all systems, and checks the count against a
# cap, and the crates against a list of banned ones.
# usage: dependencies.sh CAP BANNED…
set -eu
cap=$1
shift
crates=$(cargo tree --locked --edges normal,build --target all --prefix none | sed 's/ (\*)$//' | sort -u)
count=$(printf '%s\n' "$crates" | wc -l | tr -d ' ')
echo "dependencies: $count crates, at most $cap"
if [ "$count" -gt "$cap" ]; then
  echo "dependencies: too many; take one out, or raise DEPS_CAP in the Makefile and say why" >&2
  exit 1
fi
for name in "$@"; do
  if printf '%s\n' "$crates" | grep -q "^$name v"; then
    echo "dependencies: $name is banned" >&2
    exit 1
  fi
done
