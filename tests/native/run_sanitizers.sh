#!/bin/sh
# Fuzzes the kernels under the address, undefined-behaviour and thread sanitizers, with vectors and, as a compiler
# without vector extensions would build them, with scalars. Exits non-zero on any report; needs a C compiler only
# (CC, or cc).
# PYTHON=python of an environment with pycopi and pytest: runs the tests of the C core on a sanitized module as well
# (GCC).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
native=$here/../../pycopi/_native
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags="-std=c99 -g -O1 -Wall -Wextra -Werror -ffp-contract=fast -fno-omit-frame-pointer -fno-sanitize-recover=all"
memory="-fsanitize=address,undefined"

# fuzz TITLE FLAGS: the kernels and their threads under a sanitizer
fuzz() {
  echo "kernels, $1"
  for program in fuzz fuzz_samples; do
    # shellcheck disable=SC2086
    ${CC:-cc} $flags $2 -I"$native" "$here/$program.c" "$native/kernels.c" "$native/threads.c" -lm -lpthread -o "$work/fuzz"
    "$work/fuzz" "${ROUNDS:-1500}"
  done
}

fuzz "vectors: addresses and undefined behaviour" "$memory"
fuzz "scalars: addresses and undefined behaviour" "$memory -DPYCOPI_SCALAR"
fuzz "vectors: threads" "-fsanitize=thread"

if [ -n "${PYTHON:-}" ]; then
  # The installed package, with its module replaced by a sanitized build of these sources.
  echo "module, in $("$PYTHON" --version)"
  cp -r "$(cd "$here/.." && "$PYTHON" -c 'import os, pycopi; print(os.path.dirname(pycopi.__file__))')" "$work/pycopi"
  rm -f "$work"/pycopi/_core*
  include=$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_path("include"))')
  # shellcheck disable=SC2086
  ${CC:-cc} $flags $memory -fopenmp -DPy_LIMITED_API=0x030B0000 -shared -fPIC -I"$include" \
    "$native"/*.c -o "$work/pycopi/_core.abi3.so"
  # The interpreter itself leaves memory to the system at its end, so leaks are not looked for here.
  cd "$here/.."
  LD_PRELOAD=$(${CC:-cc} -print-file-name=libasan.so) ASAN_OPTIONS=detect_leaks=0 PYTHONPATH=$work \
    "$PYTHON" -m pytest -q test_native*.py
fi
