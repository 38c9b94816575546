#!/bin/sh
# Installs mima on macOS: as PREFIX/lib/Mima.app, and as a link to the program in there in
# PREFIX/bin. What macOS then does for a secret depends on how mima is signed: README.md,
# Install, has the table.
# usage: install.sh BINARY, with PREFIX in the environment, and if wanted SIGNING_IDENTITY,
# PROVISIONING_PROFILE and BUNDLE_ID; `-` for one of the first two is none.
set -eu
here=$(dirname "$0")
# shellcheck source=dist/macos/common.sh
. "${here}/common.sh"
# shellcheck source=dist/macos/signing.sh
. "${here}/signing.sh"

binary=$1
stage=
swapping=no

# On any exit: an installation that was not finished is undone, and no stage is left.
finish() {
  status=$?
  trap - EXIT HUP INT TERM
  [ "${swapping}" = no ] || put_back
  [ -z "${stage}" ] || rm -rf "${stage}"
  exit "${status}"
}

# Puts the app back that was there before; or none, if there was none.
put_back() {
  if [ -d "${stage}/previous" ]; then
    rm -rf "${app}" && mv "${stage}/previous" "${app}" && return 0
    warn "could not put the earlier mima back; it is ${stage}/previous"
    stage=
  elif [ "${app_is}" = absent ] && [ ! -e "${staged}" ]; then
    rm -rf "${app}"
  fi
}

# Refuses to take the place of what it did not put there, before anything is done.
check_places() {
  mkdir -p "${PREFIX:?}/bin" "${PREFIX}/lib" || fail "could not make directories in ${PREFIX}"
  set_places
  judge_link
  judge_app
  [ "${link_is}" != foreign ] || fail "${link} is there, and make install did not put it there" \
    "look at it, and move it away; or choose another place: make install PREFIX=DIR"
  [ "${app_is}" != foreign ] || fail "${app} is there, and is not mima" \
    'make install PREFIX=DIR'
}

# Beside its place, so that a rename gets it there.
make_stage() {
  stage=$(mktemp -d "${prefix}/lib/.mima.XXXXXX") || fail "could not write to ${prefix}/lib"
  staged=${stage}/Mima.app
}

# fill TEMPLATE FILE NAME VALUE…: replaces each @NAME@.
fill() {
  cp "$1" "$2" || fail "could not write $2"
  filled=$2
  shift 2
  while [ "$#" -gt 0 ]; do
    case $2 in
    '' | *[!A-Za-z0-9.-]*) fail "this cannot be a $1: $2" ;;
    *) ;;
    esac
    sed "s|@$1@|$2|g" "${filled}" >"${filled}.new" || fail "could not write ${filled}"
    mv "${filled}.new" "${filled}"
    shift 2
  done
}

# Makes the app, all but its signature.
stage_app() {
  version=$("${binary}" --version) || fail "${binary} does not run"
  number=${version#mima }
  mkdir -p "${staged}/Contents/MacOS"
  cp "${binary}" "${staged}/Contents/MacOS/mima" || fail "could not copy ${binary}"
  chmod 755 "${staged}/Contents/MacOS/mima"
  fill "${here}/Info.plist" "${staged}/Contents/Info.plist" \
    BUNDLE_ID "${bundle_id}" VERSION "${number%%-*}"
  if [ "${tier}" = A ]; then
    cp "${profile}" "${staged}/Contents/embedded.provisionprofile" ||
      fail "could not copy ${profile}"
    fill "${here}/../../entitlements.plist" "${stage}/entitlements.plist" \
      APP_ID "${profile_prefix}.${bundle_id}" TEAM_ID "${profile_team}"
  fi
}

# Signs the bundle as a whole, when all that it holds is in it.
sign() {
  set -- -f -s "${identity}" --options runtime
  case ${identity_name} in
  'Developer ID '*) set -- "$@" --timestamp ;;
  *) ;;
  esac
  case ${tier} in
  A) set -- "$@" --entitlements "${stage}/entitlements.plist" ;;
  *) set -- "$@" -i "${bundle_id}" ;;
  esac
  say "signing: ${identity_name:-ad hoc}${profile:+, with ${profile}}"
  codesign "$@" "${staged}" || fail 'codesign could not sign' \
    'over ssh, or with the screen locked: security unlock-keychain login.keychain'
}

# Looks at the signature: codesign signs without entitlements that it cannot read, and is
# content with that.
verify() {
  codesign --verify --strict "${staged}" || fail 'the signature is not good'
  [ "${identity}" != - ] || return 0
  team=$(codesign -d --verbose=2 "${staged}" 2>&1 | sed -n 's/^TeamIdentifier=//p')
  if [ "${tier}" = A ]; then
    [ "${team}" = "${profile_team}" ] ||
      fail "team ${team} signed it, and the profile is of team ${profile_team}"
    codesign -d --entitlements - --xml "${staged}" >"${stage}/signed.plist" 2>/dev/null || true
    group=$(plist_value "${stage}/signed.plist" keychain-access-groups.0)
    id=$(plist_value "${stage}/signed.plist" 'com\.apple\.application-identifier')
    for entitled in "${group}" "${id}"; do
      [ "${entitled}" = "${profile_prefix}.${bundle_id}" ] ||
        fail 'codesign left the entitlements out of the signature'
    done
  elif [ -z "${team}" ] || [ "${team}" = 'not set' ]; then
    warn "${identity_name} is no certificate of Apple's, and does no more than an ad hoc signature"
    tier=C
  fi
}

# Runs it before it is installed. What a signature claims without a right to it is not found by
# codesign: macOS kills the program when it starts.
try_it() {
  status=0
  "${staged}/Contents/MacOS/mima" --version >/dev/null || status=$?
  case ${status}${tier} in
  0?) ;;
  137A)
    fail 'macOS killed mima as it started (exit status 137): the profile does not hold here' \
      'an Apple Development profile must name this Mac among its devices; an expired or revoked certificate is another cause' \
      "what macOS says: log show --last 2m --predicate 'process == \"amfid\" or process == \"taskgated-helper\"'" \
      'without the profile, for tier B: PROVISIONING_PROFILE=-'
    ;;
  137?)
    fail 'macOS killed mima as it started (exit status 137): it does not take the signature' \
      "what macOS says: log show --last 2m --predicate 'process == \"amfid\"'" \
      'signed ad hoc, for tier C: SIGNING_IDENTITY=-'
    ;;
  *) fail "the signed mima does not run: exit status ${status}" ;;
  esac
}

# By renaming only: the kernel remembers signatures by inode, and kills what was written over.
install_app() {
  swapping=yes
  if [ "${app_is}" = ours ]; then
    mv "${app}" "${stage}/previous" || fail "could not move ${app} aside"
  fi
  mv "${staged}" "${app}" || fail "could not make ${app}"
  if [ "${link_is}" = absent ]; then
    ln -s "${program}" "${link}" || fail "could not make ${link}"
  fi
  swapping=no
}

# Lets launchd start the new one, where it knows of the agent. It lets go of the old one in
# its own time, and may not take the new one before.
restart_agent() {
  set_agent
  [ -f "${agent}" ] || return 0
  # One that was stopped on purpose stays so.
  launchctl print "${domain}/${agent_label}" >/dev/null 2>&1 || return 0
  stop_agent
  for _ in 1 2 3 4 5; do
    if launchctl bootstrap "${domain}" "${agent}" 2>/dev/null; then
      return 0
    fi
    sleep 1
  done
  warn 'launchd did not take the session agent again; mima asks each time until it does'
  warn "launchctl bootstrap ${domain} '${agent}'"
}

# Says what there is, and in two lines what it is worth.
report() {
  say "installed ${link}, version ${number}"
  case ${tier} in
  A)
    say 'tier A, protected: macOS itself asks for Touch ID or your password, and gives a secret to this app only.'
    say "There is no higher tier. The profile ends on ${profile_expiry%T*}: renew it and make install before, or macOS will no longer start mima."
    ;;
  B)
    say 'tier B, stable: secrets lie in the login keychain, for this and later builds. It is mima that asks for Touch ID, and code that runs as you can go around that.'
    say "Tier A needs a paid Apple Developer account and a profile for mima; Touch ID without, the vault with age-plugin-se: README.md, Install."
    ;;
  *)
    say "tier C, ad hoc: secrets lie in the login keychain, for this very build: after the next, macOS asks for the keychain's password once per secret. It is mima that asks for Touch ID, and code that runs as you can go around that."
    say "Tier B needs a certificate from Apple (${suggestion}); Touch ID without, the vault with age-plugin-se: README.md, Install."
    ;;
  esac
}

trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
check_places
make_stage
choose_identity
choose_profile
stage_app
sign
verify
try_it
install_app
restart_agent
report
