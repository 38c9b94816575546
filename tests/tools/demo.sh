#!/bin/sh
# A real session with mima in a scratch home: each command, and what it really prints.
# Fails loudly if anything is not as it should be.  usage: demo.sh PATH-TO-MIMA
set -eu

mima=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/home" "$scratch/bin"
ln -s "$mima" "$scratch/bin/mima"
# What a person would type at the prompt for the passphrase.
printf '#!/bin/sh\necho "a passphrase for the demo"\n' >"$scratch/bin/askpass"
chmod +x "$scratch/bin/askpass"
run() { # run COMMAND-LINE: in a clean environment
  env -i HOME="$scratch/home" PATH="$scratch/bin:/usr/bin:/bin" TERM="${TERM:-dumb}" USER=demo \
    SHELL=/bin/sh EDITOR=vi MIMA_STORE=vault MIMA_ASKPASS="$scratch/bin/askpass" sh -c "$1" 2>&1
}

fail() {
  echo "demo: FAILED: $*" >&2
  exit 1
}

# show COMMAND-LINE: prints and runs it; its output is in $output, its status in $status.
show() {
  printf '\n$ %s\n' "$1"
  status=0
  output=$(run "$1") || status=$?
  [ -z "$output" ] || printf '%s\n' "$output"
}
says() { case $output in *"$1"*) ;; *) fail "expected to read: $1" ;; esac }
silent_about() { case $output in *"$1"*) fail "this must not show: $1" ;; esac }

echo "A scratch home, $scratch/home. Nothing of yours is touched."

show "printf 'sk-demo-4242' | mima secret add stripe-test"
says 'stored stripe-test'
show 'mima group link dev STRIPE_KEY stripe-test'
says 'dev sets STRIPE_KEY'
show 'mima group list'
says 'stripe-test'
silent_about 'no such secret'

show "mima run dev -- sh -c 'echo \"the child sees \$STRIPE_KEY\"'"
says 'the child sees sk-demo-4242'

show "mima run dev -- true; echo \"the parent sees \${STRIPE_KEY:-nothing}\""
says 'the parent sees nothing'

show "mima run dev -- sleep 2 & sleep 1; env | grep STRIPE_KEY || echo 'a sibling sees nothing'; wait"
says 'a sibling sees nothing'
silent_about 'sk-demo-4242'

show 'mima run --scrub dev -- env'
says 'STRIPE_KEY=sk-demo-4242'
silent_about 'EDITOR='
silent_about 'MIMA_'

show 'mima env dev'
says "export STRIPE_KEY='sk-demo-4242'"

show "grep -r sk-demo-4242 ~ || echo 'the value is in no file'"
says 'the value is in no file'

printf '\ndemo: everything is as it should be\n'
