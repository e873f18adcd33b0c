#!/bin/sh
# Fuzzes the kernels under the address, undefined-behaviour and thread sanitizers, with vectors and, as a compiler
# without vector extensions would build them, with scalars. Exits non-zero on any report; needs a C compiler only
# (CC, or cc). ROUNDS makes it longer.
# PYTHON=python of an environment with pycopi and pytest: runs the tests of the C core on a sanitized module as well
# (GCC).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
native=$here/../../pycopi/_native
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags="-std=c99 -g -O1 -Wall -Wextra -Werror -ffp-contract=fast -fno-omit-frame-pointer -fno-sanitize-recover=all -fPIC"
memory="-fsanitize=address,undefined"

# compile NAME FLAGS: the objects of the kernels and of what tries them, side by side, in a folder of this name
compile() {
  mkdir "$work/$1"
  for source in "$native/kernels.c" "$native/threads.c" "$here/fuzz.c" "$here/fuzz_samples.c" "$here/rests.c"; do
    # shellcheck disable=SC2086
    ${CC:-cc} $flags $2 -I"$native" -c "$source" -o "$work/$1/$(basename "$source" .c).o" &
  done
}

# fuzz NAME FLAGS ROUNDS: the kernels and their threads under a sanitizer
fuzz() {
  echo "kernels, $1"
  for program in fuzz fuzz_samples; do
    (
      cd "$work/$1"
      # shellcheck disable=SC2086
      ${CC:-cc} $2 "$program.o" kernels.o threads.o -lm -lpthread -o "$program"
      "./$program" "$3"
    )
  done
}

# rests NAME FLAGS: when the threads rest, under a sanitizer
rests() {
  # shellcheck disable=SC2086
  ${CC:-cc} $2 "$work/$1/rests.o" -lpthread -o "$work/$1/rests"
  "$work/$1/rests"
}

compile vectors "$memory"
compile scalars "$memory -DPYCOPI_SCALAR"
compile races "-fsanitize=thread"
wait # an object that could not be compiled is missed below

# A round tries every instruction set and both dtypes; under the thread sanitizer one takes about ten times as long.
fuzz vectors "$memory" "${ROUNDS:-400}"
fuzz scalars "$memory" "${ROUNDS:-400}"
fuzz races "-fsanitize=thread" "${ROUNDS:-100}"
rests vectors "$memory"
rests races "-fsanitize=thread"

if [ -n "${PYTHON:-}" ]; then
  # The installed package, with its module replaced by a sanitized build of these sources.
  echo "module, in $("$PYTHON" --version)"
  cp -r "$(cd "$here/.." && "$PYTHON" -c 'import os, pycopi; print(os.path.dirname(pycopi.__file__))')" "$work/pycopi"
  rm -f "$work"/pycopi/_core*
  include=$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_path("include"))')
  # shellcheck disable=SC2086
  ${CC:-cc} $flags $memory -fopenmp -DPy_LIMITED_API=0x030B0000 -shared -I"$include" \
    "$native/module.c" "$native/arguments.c" "$native/threads.c" "$work/vectors/kernels.o" -o "$work/pycopi/_core.abi3.so"
  # The interpreter itself leaves memory to the system at its end, so leaks are not looked for here.
  cd "$here/.."
  LD_PRELOAD=$(${CC:-cc} -print-file-name=libasan.so) ASAN_OPTIONS=detect_leaks=0 PYTHONPATH=$work \
    "$PYTHON" -m pytest -q test_native*.py
fi
