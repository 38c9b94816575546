# shellcheck shell=sh
# What install.sh and uninstall.sh share: messages, places, and the agent under launchd.

agent_label=io.github.klobucar.mima.agent

say() { printf 'mima: %s\n' "$*"; }
warn() { printf 'mima: %s\n' "$*" >&2; }

# fail MESSAGE [HINT…]
fail() {
  warn "$1"
  shift
  for hint; do
    printf 'hint: %s\n' "${hint}" >&2
  done
  exit 1
}

# Sets prefix, app, program and link: where things are, by absolute paths.
set_places() {
  prefix=$(CDPATH='' cd -- "${PREFIX:?}" && pwd -P) || fail "could not go to ${PREFIX}"
  app=${prefix}/lib/Mima.app
  program=${app}/Contents/MacOS/mima
  link=${prefix}/bin/mima
}

# Sets link_is to ours, foreign or absent.
judge_link() {
  link_is=absent
  if [ -L "${link}" ]; then
    link_is=foreign
    leads_to=$(readlink "${link}")
    [ "${leads_to}" != "${program}" ] || link_is=ours
  elif [ -e "${link}" ]; then
    link_is=foreign
  fi
}

# Sets app_is to ours, foreign or absent.
judge_app() {
  app_is=absent
  if [ -d "${app}" ] && [ ! -L "${app}" ] && [ -f "${program}" ]; then
    app_is=ours
  elif [ -e "${app}" ] || [ -L "${app}" ]; then
    app_is=foreign
  fi
}

# Sets agent to the file that tells launchd to start the agent, and domain to where it does.
set_agent() {
  agent=${HOME}/Library/LaunchAgents/${agent_label}.plist
  user=$(id -u)
  domain=gui/${user}
}

# Takes the agent out of launchd. That it was not loaded is no failure.
stop_agent() {
  launchctl bootout "${domain}/${agent_label}" 2>/dev/null || true
}
