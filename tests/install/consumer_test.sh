#!/bin/sh
# Installs the build into a folder of its own and builds another project against it: by find_package and by pkg-config, in C
# and in C++, against the shared and the static library; then runs what came out.
# Arguments: the build folder, the C compiler, the C++ compiler.
set -eu
build=$1 cc=$2 cxx=$3
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export ZIPC_BROKER=off

cmake --install "$build" --prefix "$work/usr" > "$work/install.log"

cmake -S "$here/consumer" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/usr" -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" > "$work/configure.log"
cmake --build "$work/build" > "$work/build.log" || { cat "$work/build.log"; exit 1; }
for program in c_shared c_static cpp_shared cpp_static; do
  "$work/build/$program"
  echo "find_package: $program works"
done

# pkg-config's file names the configured prefix: the copy under test lies elsewhere.
pc=$(find "$work/usr" -name libzipc.pc)
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH
libdir=$(dirname "$PKG_CONFIG_PATH")
flags="$(pkg-config --define-variable=prefix="$work/usr" --define-variable=includedir="$work/usr/include" --cflags libzipc)"
libs="$(pkg-config --define-variable=libdir="$libdir" --libs libzipc)"
# shellcheck disable=SC2086
$cc $flags "$here/consumer/consumer.c" $libs -Wl,-rpath,"$libdir" -o "$work/pc_c"
# shellcheck disable=SC2086
$cxx -std=c++20 $flags "$here/consumer/consumer.cpp" $libs -Wl,-rpath,"$libdir" -o "$work/pc_cpp"
"$work/pc_c" && "$work/pc_cpp"
echo "pkg-config: works"

# Only the API is visible, in both libraries.
others() { nm --defined-only --format=posix "$@" | awk '$2 ~ /^[A-TV-Zuvw]$/ {print $1}' | grep -vE '^(zipc_|_ZNK?4zipc|LIBZIPC_|[^ ]*:$)' || true; }
for library in "$(nm -D --defined-only --format=posix "$libdir"/libzipc.so | awk '{print $1}' | sed 's/@.*//' | grep -vE '^(zipc_|_ZNK?4zipc|LIBZIPC_)' || true)" \
               "$(others -g "$libdir/libzipc.a")"; do
  [ -z "$library" ] || { echo "these names are visible and should not be:"; echo "$library"; exit 1; }
done
echo "only the API is visible"
test -f "$work/usr/include/zipc.h"
