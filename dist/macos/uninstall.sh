#!/bin/sh
# Takes away what install.sh installed, and nothing else: secrets stay where they are.
# usage: uninstall.sh, with PREFIX in the environment
set -eu
here=$(dirname "$0")
# shellcheck source=dist/macos/common.sh
. "${here}/common.sh"

# An agent that starts this app would start nothing from now on.
remove_agent() {
  set_agent
  if [ -f "${agent}" ] && grep -qF -e "<string>${program}</string>" -e "<string>${link}</string>" "${agent}"; then
    stop_agent
    rm -f "${agent}"
  fi
}

[ -d "${PREFIX:-}" ] || exit 0
set_places
judge_link
judge_app
remove_agent
case ${link_is} in
ours) rm -f "${link}" ;;
foreign) warn "left alone, since make install did not put it there: ${link}" ;;
*) ;;
esac
case ${app_is} in
ours) rm -rf "${app}" ;;
foreign) warn "left alone, since it is not mima: ${app}" ;;
*) ;;
esac
