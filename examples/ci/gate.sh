#!/bin/sh
# Any other CI: decide by the exit code. Usage: gate.sh CONFIG [ARGUMENTS …]
sftgate run "$@"
code=$?
case $code in
  0) echo "pass: ship it" ;;
  10) echo "fail: a loss is proven" ;;
  11) echo "inconclusive: more items, or a person, must decide" ;;
  12) echo "not comparable, or no baseline" ;;
  13) echo "the evaluation itself failed: run it again" ;;
  *) echo "usage or config" ;;
esac
exit $code
