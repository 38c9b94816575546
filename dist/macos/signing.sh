# shellcheck shell=sh
# Who signs mima, and by which provisioning profile: sets identity, identity_name, profile,
# bundle_id and tier.

default_bundle_id=io.github.klobucar.mima

# Sets identities to a line for each valid one: its certificate's SHA-1, and its name.
list_identities() {
  listed=$(security find-identity -v -p codesigning) || [ -z "${SIGNING_IDENTITY:-}" ] ||
    fail 'could not list the certificates of your keychains'
  identities=$(printf '%s\n' "${listed}" |
    sed -n 's/^ *[0-9]*) \([0-9A-F]\{40\}\) "\(.*\)".*$/\1 \2/p' | sort -u)
}

# Prints those of the identities that $1 names: by SHA-1, by name, or else by a part of it.
matching_identities() {
  printf '%s\n' "${identities}" | WANTED=$1 awk '
    { name = substr($0, 42) }
    name == ENVIRON["WANTED"] || $1 == toupper(ENVIRON["WANTED"]) { exact = exact $0 "\n" }
    index(name, ENVIRON["WANTED"]) { partly = partly $0 "\n" }
    END { printf "%s", exact ? exact : partly }'
}

# Sets suggestion to a way to sign with one of the identities that Apple issued.
suggest_identity() {
  name=$(printf '%s\n' "${identities}" | cut -d ' ' -f 2- |
    grep -e '^Apple Development: ' -e '^Developer ID Application: ' | head -n 1)
  if [ -n "${name}" ]; then
    suggestion="make install SIGNING_IDENTITY=\"${name}\""
  else
    suggestion='Xcode, Settings, Accounts, Manage Certificates, +, Apple Development; a free account will do'
  fi
}

# Sets identity and identity_name. Nobody is asked for a signature who did not say who signs.
choose_identity() {
  identity=-
  identity_name=
  list_identities
  suggest_identity
  case ${SIGNING_IDENTITY:-} in
  '' | -) return 0 ;;
  *) ;;
  esac
  found=$(matching_identities "${SIGNING_IDENTITY}")
  case ${found} in
  '')
    fail "no valid certificate to sign with is called ${SIGNING_IDENTITY}" "${suggestion}" \
      'without SIGNING_IDENTITY, mima is signed ad hoc: tier C'
    ;;
  *'
'*)
    warn "more than one certificate is called ${SIGNING_IDENTITY}; say which, by its number:"
    printf '%s\n' "${found}" >&2
    exit 1
    ;;
  *) ;;
  esac
  identity=${found%% *}
  identity_name=${found#* }
}

# plist_value FILE KEY: prints what is there: a date as 2026-11-25T12:00:00Z, bytes in Base64,
# of an array how long it is. Prints nothing if there is nothing.
plist_value() {
  if value=$(plutil -extract "$2" raw -o - "$1" 2>/dev/null); then
    printf '%s\n' "${value}"
  fi
}

# Sets profile_… to what a decoded profile says.
read_profile() {
  profile_app=$(plist_value "${decoded}" 'Entitlements.com\.apple\.application-identifier')
  profile_team=$(plist_value "${decoded}" 'Entitlements.com\.apple\.developer\.team-identifier')
  profile_expiry=$(plist_value "${decoded}" ExpirationDate)
  # All that is compared with it has 14 digits too.
  profile_until=$(printf '%s' "${profile_expiry}" | tr -dc 0-9)
  profile_prefix=${profile_app%%.*}
  profile_app=${profile_app#*.}
}

# Sets bundle_id to the one that mima has under the profile; to nothing, if it is for another
# app: whoever has that app's identifier reaches that app's secrets, and the other way round.
match_app() {
  bundle_id=${BUNDLE_ID:-}
  case ${profile_app} in
  *'*')
    bundle_id=${bundle_id:-${default_bundle_id}}
    case ${bundle_id} in
    "${profile_app%\*}"*) ;;
    *) bundle_id= ;;
    esac
    ;;
  "${bundle_id}") ;;
  *.mima)
    # Somebody's own identifier for mima, unless another one is asked for.
    [ -z "${bundle_id}" ] && bundle_id=${profile_app} || bundle_id=
    ;;
  *) bundle_id= ;;
  esac
}

# Sets has_certificate to yes if the profile lets the identity sign.
match_certificate() {
  has_certificate=no
  count=$(plist_value "${decoded}" DeveloperCertificates)
  index=0
  while [ "${index}" -lt "${count:-0}" ]; do
    digest=$(plist_value "${decoded}" "DeveloperCertificates.${index}" |
      base64 --decode | shasum -a 1 | cut -c 1-40 | tr a-f A-F)
    [ "${digest}" != "${identity}" ] || has_certificate=yes
    index=$((index + 1))
  done
}

# Sets has_group to yes if the profile grants mima a keychain group of its own.
match_group() {
  has_group=no
  own=${profile_prefix}.${bundle_id}
  count=$(plist_value "${decoded}" Entitlements.keychain-access-groups)
  index=0
  while [ "${index}" -lt "${count:-0}" ]; do
    group=$(plist_value "${decoded}" "Entitlements.keychain-access-groups.${index}")
    case ${group} in
    "${own}") has_group=yes ;;
    *'*')
      [ "${own#"${group%\*}"}" = "${own}" ] || has_group=yes
      ;;
    *) ;;
    esac
    index=$((index + 1))
  done
}

# judge_profile FILE: sets complaint to why mima cannot be signed by it, or to nothing; and
# is_mimas to whether it is meant for mima at all.
judge_profile() {
  is_mimas=no
  decoded=${stage}/profile.plist
  if ! security cms -D -i "$1" >"${decoded}" 2>/dev/null; then
    complaint='is no provisioning profile'
    return 0
  fi
  read_profile
  match_app
  match_certificate
  match_group
  now=$(date -u +%Y%m%d%H%M%S)
  if [ -z "${profile_app}" ] || [ -z "${profile_team}" ] || [ "${#profile_until}" != 14 ]; then
    complaint='is no profile for macOS'
  elif [ -z "${bundle_id}" ]; then
    complaint="is for the app ${profile_app} of team ${profile_team}, not for ${BUNDLE_ID:-mima}"
  else
    is_mimas=yes
    if [ "${has_certificate}" = no ]; then
      complaint="of team ${profile_team} does not have the certificate ${identity_name}"
    elif [ "${profile_until}" -le "${now}" ]; then
      complaint="expired on ${profile_expiry%T*}"
    elif [ "${has_group}" = no ]; then
      complaint="grants no keychain group ${profile_prefix}.${bundle_id}"
    else
      complaint=
    fi
  fi
}

# Sets profile to the best one in Xcode's folders, the newer folder first, if any is good: one
# for mima alone rather than a wildcard, and the one that lasts longest.
find_profile() {
  profile=
  best=0
  for file in "${HOME}/Library/Developer/Xcode/UserData/Provisioning Profiles"/*.provisionprofile \
    "${HOME}/Library/MobileDevice/Provisioning Profiles"/*.provisionprofile; do
    [ -f "${file}" ] || continue
    judge_profile "${file}"
    if [ -n "${complaint}" ]; then
      [ "${is_mimas}" = no ] || warn "not used: ${file} ${complaint}"
      continue
    fi
    rank=1${profile_until}
    case ${profile_app} in
    *'*') rank=${profile_until} ;;
    *) ;;
    esac
    if [ "${rank}" -gt "${best}" ]; then
      best=${rank}
      profile=${file}
    fi
  done
  # What is said about it is to be about this one again.
  [ -z "${profile}" ] || judge_profile "${profile}"
}

# Sets profile, bundle_id and tier.
choose_profile() {
  profile=
  case ${PROVISIONING_PROFILE:-} in
  '') [ "${identity}" = - ] || find_profile ;;
  -) ;;
  *)
    [ "${identity}" != - ] ||
      fail 'a profile is of use only with a certificate that it has' "${suggestion}"
    [ -f "${PROVISIONING_PROFILE}" ] || fail "there is no profile ${PROVISIONING_PROFILE}"
    judge_profile "${PROVISIONING_PROFILE}"
    [ -z "${complaint}" ] || fail "${PROVISIONING_PROFILE} ${complaint}" \
      'README.md, Install, says which profile it takes' \
      'without one, for tier B: PROVISIONING_PROFILE=-'
    profile=${PROVISIONING_PROFILE}
    ;;
  esac
  if [ -n "${profile}" ]; then
    tier=A
  else
    bundle_id=${BUNDLE_ID:-${default_bundle_id}}
    tier=B
    [ "${identity}" != - ] || tier=C
  fi
}
