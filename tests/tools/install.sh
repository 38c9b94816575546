#!/bin/sh
# Installs the programs that the tests run mima with, if they are missing; and those that are
# named: `install.sh direnv ssh-agent` for what the benchmark compares with.
set -eu
missing=
need() { # need PROGRAM PACKAGE
  command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need bash bash
need zsh zsh
need fish fish
need age age
need direnv direnv
need zoxide zoxide
need make make
need git git
need perl perl
need tmux tmux
need shellcheck shellcheck
need shfmt shfmt
if [ "$(uname)" = Linux ]; then
  need dash dash
  need nix nix-bin
  need strace strace
  need sudo sudo
  need setpriv util-linux
  need unshare util-linux
  need ex vim-tiny
  need dbus-daemon dbus
  need gnome-keyring-daemon gnome-keyring
  need secret-tool libsecret-tools
  for python in python3 /usr/bin/python3 none; do
    ! "$python" -c 'import jsonschema, yaml' 2>/dev/null || break
  done
  [ "$python" != none ] || missing="$missing python3-jsonschema python3-yaml"
fi
for program; do
  case $program in
    ssh-agent) need ssh-agent openssh-client ;;
    *) need "$program" "$program" ;;
  esac
done
[ -n "$missing" ] || exit 0
if command -v apt-get >/dev/null 2>&1; then
  sudo=
  [ "$(id -u)" = 0 ] || sudo=sudo
  echo "tests need$missing: $sudo apt-get install$missing"
  $sudo apt-get update --quiet
  # shellcheck disable=SC2086 # a list of packages
  $sudo env DEBIAN_FRONTEND=noninteractive \
    apt-get install --yes --no-install-recommends $missing
elif command -v brew >/dev/null 2>&1; then
  echo "tests need$missing: brew install$missing"
  # shellcheck disable=SC2086 # a list of packages
  brew install $missing
else
  echo "tests need$missing: please install them" >&2
  exit 1
fi
