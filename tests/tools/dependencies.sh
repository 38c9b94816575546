#!/bin/sh
# Counts the crates that mima is built from, on all systems, and checks the count against a
# cap, the crates against a list of banned ones, and each system against crates of the other.
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
# What speaks to one system is built on no other.
foreign() { # foreign TARGET PATTERN
  tree=$(cargo tree --locked --edges normal,build --target "$1" --prefix none)
  found=$(printf '%s\n' "$tree" | grep -E "^($2)") || return 0
  printf 'dependencies: %s pulls in\n%s\n' "$1" "$found" >&2
  exit 1
}
foreign x86_64-unknown-linux-gnu 'security-framework|core-foundation|objc2|block2|dispatch2'
for target in aarch64-apple-darwin x86_64-apple-darwin; do
  foreign "$target" 'zbus|zvariant|secret-service|dbus|libdbus'
done
