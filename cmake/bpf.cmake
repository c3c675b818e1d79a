# understudy_bpf(LAYER FILE): compiles a program for the kernel (a .bpf.c file) and has the layer include its object as
# <name>_object.inc, octets between commas: nothing is looked for when the server runs. Type information (BTF) stays in
# it, which says what the maps are; what only debuggers read is stripped.
find_program(BPF_CLANG NAMES clang-19 clang REQUIRED)
find_program(BPF_STRIP NAMES llvm-strip-19 llvm-strip REQUIRED)

function(understudy_bpf layer file)
  get_filename_component(name ${file} NAME_WE)
  set(object ${CMAKE_CURRENT_BINARY_DIR}/bpf/${name}.o)
  set(embedded ${CMAKE_CURRENT_BINARY_DIR}/bpf/${name}_object.inc)
  add_custom_command(
    OUTPUT ${embedded}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_CURRENT_BINARY_DIR}/bpf
    COMMAND ${BPF_CLANG} -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -I${CMAKE_SOURCE_DIR}/src
            -idirafter /usr/include/${CMAKE_LIBRARY_ARCHITECTURE} -MD -MF ${object}.d -MT ${embedded}
            -c ${CMAKE_CURRENT_SOURCE_DIR}/${file} -o ${object}
    COMMAND ${BPF_STRIP} -g ${object}
    COMMAND ${CMAKE_COMMAND} -DFILE=${object} -DOUT=${embedded} -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${file} ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
    DEPFILE ${object}.d
    COMMENT "Building ${file} for the kernel"
    VERBATIM)
  target_sources(${layer} PRIVATE ${embedded})
  target_include_directories(${layer} PRIVATE ${CMAKE_CURRENT_BINARY_DIR}/bpf)
endfunction()
