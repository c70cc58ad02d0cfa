# cuda_emu.cmake - the CUDA backend's own sources compiled for this machine, in two forms:
#   emu    plain, with the sanitizers of the build
#   check  instrumented for the checker of tests/cudaemu, without sanitizers
# Each is a static library for tests (shunt_cuda_emu, shunt_cuda_check) and a module that the program loads in place of
# the real one (shunt-cuda-emu.so, shunt-cuda-check.so). Only tests need them, and only they need C++.

# Objects of two compilers do not share one ASan.
if(CMAKE_C_COMPILER_ID MATCHES "Clang" AND NOT DEFINED CMAKE_CXX_COMPILER AND NOT DEFINED ENV{CXX})
  set(CMAKE_CXX_COMPILER clang++)
endif()
include(CheckLanguage)
check_language(CXX)
if(NOT CMAKE_CXX_COMPILER OR SHUNT_FUZZ OR SHUNT_SANITIZE MATCHES "thread")
  message(STATUS "Without the emulator of the CUDA backend: no C++ compiler, or a build for fuzzing or for threads")
  return()
endif()
enable_language(CXX)
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)

set(cuda_emu_dir ${CMAKE_SOURCE_DIR}/tests/cudaemu)
file(GLOB cuda_emu_engine CONFIGURE_DEPENDS ${cuda_emu_dir}/*.cpp)
set(cuda_emu_includes ${CMAKE_SOURCE_DIR} ${cuda_emu_dir})

# A .cu file is compiled through a line of C++ that includes it: its own language stays CUDA.
function(cuda_emu_wrap out) # file.cu…
  set(wrapped "")
  foreach(file ${ARGN})
    file(RELATIVE_PATH name ${CMAKE_SOURCE_DIR} ${file})
    string(REGEX REPLACE "[/.]" "_" wrapper ${name})
    set(wrapper ${CMAKE_BINARY_DIR}/cuda_emu/${wrapper}.cpp)
    file(GENERATE OUTPUT ${wrapper} CONTENT "#include \"${name}\"\n")
    list(APPEND wrapped ${wrapper})
  endforeach()
  set(${out} ${wrapped} PARENT_SCOPE)
endfunction()

file(GLOB cuda_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/kernels/*_cuda.cu)
cuda_emu_wrap(cuda_kernels ${cuda_sources})
cuda_emu_wrap(cuda_planted ${cuda_emu_dir}/planted.cu)

# What they need of the C sources, position independent.
set(cuda_c_sources kernels/quant_cpu.c)
if(EXISTS ${CMAKE_SOURCE_DIR}/kernels/repack.c)
  list(APPEND cuda_c_sources kernels/repack.c)
endif()
add_library(cuda_emu_c OBJECT ${cuda_c_sources})
set_target_properties(cuda_emu_c PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)

# Host compilers contract to fma only when told; -O2 even with sanitizers, for it is the kernels that are examined.
set(cuda_emu_kernel_options -ffp-contract=off)
set(cuda_emu_engine_options -O2 -fno-sanitize=all)
set(cuda_check_kernel_options -ffp-contract=off -O1 -g1 -fno-sanitize=all -fsanitize=thread)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU") # a wide load stays one access
  list(APPEND cuda_check_kernel_options -fno-tree-sra)
endif()
set(cuda_check_engine_options -O2 -fno-sanitize=all)
set(cuda_emu_definitions "")
if(SHUNT_SANITIZE MATCHES "address")
  set(cuda_emu_definitions GKEMU_ASAN)
endif()
set(cuda_check_definitions GKEMU_CHECK)
# What compilers make of a copied struct is seen as well.
set(cuda_emu_link_options "")
set(cuda_check_link_options -Wl,--wrap=memcpy,--wrap=memset,--wrap=memmove)

function(cuda_emu_objects name options definitions) # source…
  add_library(${name} OBJECT ${ARGN})
  target_compile_options(${name} PRIVATE ${options})
  target_compile_definitions(${name} PRIVATE ${definitions})
  target_include_directories(${name} PRIVATE ${cuda_emu_includes})
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden)
endfunction()

set(cuda_forms emu check)
foreach(form ${cuda_forms})
  cuda_emu_objects(cuda_${form}_engine "${cuda_${form}_engine_options}" "${cuda_${form}_definitions}"
    ${cuda_emu_engine})
  cuda_emu_objects(cuda_${form}_planted "${cuda_${form}_kernel_options}" "${cuda_${form}_definitions}"
    ${cuda_planted})
  set(objects $<TARGET_OBJECTS:cuda_${form}_engine>)
  if(cuda_kernels)
    cuda_emu_objects(cuda_${form}_kernels "${cuda_${form}_kernel_options}" "${cuda_${form}_definitions}"
      ${cuda_kernels})
    list(APPEND objects $<TARGET_OBJECTS:cuda_${form}_kernels>)
  endif()
  add_library(shunt_cuda_${form} STATIC ${objects})
  target_include_directories(shunt_cuda_${form} PUBLIC ${cuda_emu_includes})
  target_link_options(shunt_cuda_${form} INTERFACE ${cuda_${form}_link_options})
  add_library(shunt-cuda-${form} MODULE ${objects} $<TARGET_OBJECTS:cuda_emu_c>)
  set_target_properties(shunt-cuda-${form} PROPERTIES PREFIX "" SUFFIX ".so" LINKER_LANGUAGE CXX)
  target_link_options(shunt-cuda-${form} PRIVATE ${cuda_${form}_link_options})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU") # clang's sanitizers are in the program only
    target_link_options(shunt-cuda-${form} PRIVATE -Wl,-z,defs)
  endif()
endforeach()

# tests/test_cuda_NAME.cpp: against each form, as test_cuda_NAME and test_cuda_NAME_check.
file(GLOB cuda_tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/test_cuda_*.cpp)
foreach(file ${cuda_tests})
  get_filename_component(test ${file} NAME_WE)
  foreach(form ${cuda_forms})
    set(name ${test})
    if(form STREQUAL "check")
      set(name ${test}_check)
    endif()
    add_executable(${name} ${file})
    if(test STREQUAL "test_cuda_emu")
      target_sources(${name} PRIVATE $<TARGET_OBJECTS:cuda_${form}_planted>)
    endif()
    target_compile_definitions(${name} PRIVATE SOURCE_DIR="${CMAKE_SOURCE_DIR}" ${cuda_${form}_definitions})
    target_link_libraries(${name} test_helpers shunt_cuda_${form} shunt_tui PkgConfig::CMOCKA)
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES TIMEOUT 600 LABELS cuda)
  endforeach()
endforeach()

# Whether they would notice a fault; ten minutes and more.
find_program(PYTHON3 python3)
if(PYTHON3)
  add_test(NAME mutate_cuda COMMAND ${PYTHON3} ${CMAKE_SOURCE_DIR}/tests/mutate_cuda.py ${CMAKE_SOURCE_DIR}
    ${CMAKE_BINARY_DIR}/mutate_cuda)
  set_tests_properties(mutate_cuda PROPERTIES TIMEOUT 5400 LABELS slow)
endif()
