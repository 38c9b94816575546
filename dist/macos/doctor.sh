#!/bin/sh
# Shows what `mima doctor` says of the mima that was just installed. Whatever it is, mima is
# installed.
# usage: doctor.sh, with PREFIX in the environment
set -eu

echo 'mima: what mima doctor says:'
status=0
"${PREFIX:?}/bin/mima" doctor 2>&1 || status=$?
case ${status} in
0) ;;
1) echo 'mima: mima is installed all the same; the hints above mend what mima doctor found' ;;
*) echo "mima: mima doctor ended with exit status ${status}; mima is installed all the same" >&2 ;;
esac
