# A folder below src/ is a layer: one static library that links only the layers it may use.
# cmake/layers.txt is the one list of who may use whom; tests/layers_test.py scans the includes against it.

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(GNUTLS REQUIRED IMPORTED_TARGET gnutls)
pkg_check_modules(NETTLE REQUIRED IMPORTED_TARGET nettle)
pkg_check_modules(URCU REQUIRED IMPORTED_TARGET liburcu-qsbr)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(ROCKSDB REQUIRED IMPORTED_TARGET rocksdb)
pkg_check_modules(JEMALLOC REQUIRED IMPORTED_TARGET jemalloc)
pkg_check_modules(XDP REQUIRED IMPORTED_TARGET libxdp libbpf)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)

add_library(understudy_options INTERFACE)
target_include_directories(understudy_options INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_options(understudy_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wconversion -Wno-sign-conversion
  -Wno-missing-field-initializers -Wno-missing-designated-field-initializers
  -Wthread-safety -Werror=return-type -Werror=unused-result -Werror=thread-safety
  -fno-omit-frame-pointer)
target_compile_definitions(understudy_options INTERFACE BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_SEPARATE_COMPILATION)
target_link_libraries(understudy_options INTERFACE Threads::Threads)
target_link_options(understudy_options INTERFACE -fuse-ld=lld)
if(UNDERSTUDY_SANITIZE)
  target_compile_options(understudy_options INTERFACE -fsanitize=${UNDERSTUDY_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(understudy_options INTERFACE -fsanitize=${UNDERSTUDY_SANITIZE})
endif()
if(UNDERSTUDY_FUZZ)
  target_compile_options(understudy_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# understudy_layer(NAME DEPS layer... LIBS target...)
function(understudy_layer name)
  cmake_parse_arguments(ARG "" "" "DEPS;LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cc)
  if(NOT sources)
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE understudy_options ${ARG_DEPS} ${ARG_LIBS})
  else()
    add_library(${name} STATIC ${sources})
    target_link_libraries(${name} PUBLIC understudy_options ${ARG_DEPS} ${ARG_LIBS})
  endif()
endfunction()
