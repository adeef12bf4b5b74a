# Compiles and links for macOS on Linux, with `zig cc` and `zig c++` (Zig 0.11 or newer; no Apple SDK is needed).
#
#   cmake -S . -B build-macos-arm64 -G Ninja --toolchain tests/macos/toolchain.cmake -DZIG=/path/to/zig
#         -DZIPC_MACOS_ARCH=arm64 -DCMAKE_FIND_ROOT_PATH=/prefix/of/libraries/built/for/macos
#
# Inputs, as cache variables (tests/macos/build sets them all):
#   ZIG                    path of the zig program; also taken from the environment or the PATH
#   ZIPC_MACOS_ARCH        arm64 (default) or x86_64
#   ZIPC_MACOS_VERSION     lowest macOS that the result runs on (default 13.0)
#   CMAKE_FIND_ROOT_PATH   the only place where libraries, headers and packages are looked for
set(CMAKE_SYSTEM_NAME Darwin)
set(CMAKE_SYSTEM_VERSION 22.0)  # the kernel of macOS 13

if(NOT ZIG)
  if(DEFINED ENV{ZIG})
    set(ZIG "$ENV{ZIG}")
  else()
    find_program(ZIG zig REQUIRED)
  endif()
endif()
set(ZIG "${ZIG}" CACHE FILEPATH "zig program")
if(NOT ZIPC_MACOS_ARCH)
  set(ZIPC_MACOS_ARCH arm64)
endif()
set(ZIPC_MACOS_ARCH "${ZIPC_MACOS_ARCH}" CACHE STRING "arm64 or x86_64")
if(NOT ZIPC_MACOS_VERSION)
  set(ZIPC_MACOS_VERSION 13.0)
endif()
set(ZIPC_MACOS_VERSION "${ZIPC_MACOS_VERSION}" CACHE STRING "Lowest macOS version")
# try_compile() reads this file again in a fresh scope: hand the inputs on.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES ZIG ZIPC_MACOS_ARCH ZIPC_MACOS_VERSION CMAKE_FIND_ROOT_PATH)

if(ZIPC_MACOS_ARCH STREQUAL "arm64")
  set(_zig_arch aarch64)
elseif(ZIPC_MACOS_ARCH STREQUAL "x86_64")
  set(_zig_arch x86_64)
else()
  message(FATAL_ERROR "ZIPC_MACOS_ARCH is arm64 or x86_64, not '${ZIPC_MACOS_ARCH}'")
endif()
set(CMAKE_SYSTEM_PROCESSOR "${ZIPC_MACOS_ARCH}")

# A list "program;argument;..." puts the rest in CMAKE_<LANG>_COMPILER_ARG1.
set(_target "${_zig_arch}-macos.${ZIPC_MACOS_VERSION}")
set(CMAKE_C_COMPILER "${ZIG}" cc -target ${_target})
set(CMAKE_CXX_COMPILER "${ZIG}" c++ -target ${_target})

# CMAKE_AR and its like take one path and no arguments: small wrappers in the build tree.
set(_tools "${CMAKE_BINARY_DIR}/zig-tools")
foreach(_tool ar ranlib)
  if(NOT EXISTS "${_tools}/${_tool}")
    file(WRITE "${_tools}/new/${_tool}" "#!/bin/sh\nexec '${ZIG}' ${_tool} \"$@\"\n")
    file(COPY "${_tools}/new/${_tool}" DESTINATION "${_tools}"
         FILE_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
  endif()
  string(TOUPPER ${_tool} _variable)
  foreach(_prefix CMAKE CMAKE_C_COMPILER CMAKE_CXX_COMPILER)
    set(${_prefix}_${_variable} "${_tools}/${_tool}" CACHE FILEPATH "" FORCE)
  endforeach()
endforeach()

# CMake's rules for Darwin would otherwise look for an Apple SDK and pass -arch and -isysroot.
set(CMAKE_OSX_SYSROOT "" CACHE STRING "" FORCE)
set(CMAKE_OSX_ARCHITECTURES "" CACHE STRING "" FORCE)
set(CMAKE_OSX_DEPLOYMENT_TARGET "" CACHE STRING "" FORCE)
# Off a Mac there is no sw_vers, so CMake takes @rpath for unsupported and gives a dylib its build path as its name.
file(WRITE "${_tools}/rules.cmake"
     "foreach(_l C CXX)\n  set(CMAKE_SHARED_LIBRARY_RUNTIME_\${_l}_FLAG \"-Wl,-rpath,\")\nendforeach()\n")
set(CMAKE_USER_MAKE_RULES_OVERRIDE "${_tools}/rules.cmake")
# Link with the install rpath at once: install_name_tool is not here, and would break the signature that arm64 needs.
set(CMAKE_BUILD_WITH_INSTALL_RPATH ON)
set(CMAKE_INSTALL_NAME_TOOL /bin/true CACHE FILEPATH "" FORCE)

# Nothing of the host's libraries and headers.
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
