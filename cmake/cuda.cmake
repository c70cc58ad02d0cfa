# cuda.cmake - shunt-cuda.so, the CUDA backend, where nvcc is: for every architecture below that it knows, and as PTX for
# those between them and for cards to come. The program does not link it. AUTO: without nvcc nothing is lost but it; builds that test or
# search for faults leave it out, for they have the emulator.

set(SHUNT_CUDA AUTO CACHE STRING "Build the CUDA backend: AUTO (where nvcc is), ON or OFF")
set_property(CACHE SHUNT_CUDA PROPERTY STRINGS AUTO ON OFF)
if(NOT SHUNT_CUDA OR (SHUNT_CUDA STREQUAL "AUTO" AND (SHUNT_SANITIZE OR SHUNT_FUZZ)))
  return()
endif()

find_program(nvcc nvcc HINTS ENV CUDACXX ENV CUDA_PATH PATHS /usr/local/cuda/bin PATH_SUFFIXES bin)
mark_as_advanced(nvcc)
set(missing "there is no nvcc: install the CUDA toolkit, or add the folder of its nvcc to PATH")
if(nvcc) # there may be a link or a wrapper of a toolkit that is not
  execute_process(COMMAND ${nvcc} --list-gpu-arch RESULT_VARIABLE failed OUTPUT_VARIABLE known ERROR_QUIET
    OUTPUT_STRIP_TRAILING_WHITESPACE)
  set(missing "${nvcc} does not run: reinstall the CUDA toolkit, or give another one's with -Dnvcc=FILE")
endif()
if(NOT nvcc OR failed)
  if(NOT SHUNT_CUDA STREQUAL "AUTO")
    message(FATAL_ERROR "SHUNT_CUDA=${SHUNT_CUDA}, but ${missing}")
  endif()
  message(STATUS "Without the CUDA backend: ${missing}")
  return()
endif()
set(architectures "")
foreach(arch 75 80 86 89 90 120)
  if(known MATCHES "compute_${arch}(\n|$)")
    list(APPEND architectures ${arch}-real)
    set(newest ${arch})
  endif()
endforeach()
if(NOT architectures)
  message(FATAL_ERROR "${nvcc} knows none of the architectures 75 to 120: set SHUNT_CUDA=OFF, or take another CUDA")
endif()
# 90 as PTX is for cards of 10.x and 11.x, for which the newest is too new.
if(known MATCHES "compute_90(\n|$)" AND NOT newest STREQUAL "90")
  list(APPEND architectures 90-virtual)
endif()
list(APPEND architectures ${newest}-virtual)

set(CMAKE_CUDA_COMPILER ${nvcc})
set(CMAKE_CUDA_ARCHITECTURES ${architectures})
enable_language(CUDA)
message(STATUS "CUDA backend: nvcc ${CMAKE_CUDA_COMPILER_VERSION}, ${architectures}")

file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/kernels/*_cuda.cu)
add_library(shunt-cuda MODULE ${sources} kernels/quant_cpu.c kernels/repack.c)
set_target_properties(shunt-cuda PROPERTIES PREFIX "" POSITION_INDEPENDENT_CODE ON CUDA_RUNTIME_LIBRARY Static
  CUDA_STANDARD 17 CUDA_STANDARD_REQUIRED ON C_VISIBILITY_PRESET hidden CUDA_VISIBILITY_PRESET hidden)
set(host_options -Wall,-Wextra,-Wshadow,-Wno-missing-field-initializers)
if(SHUNT_WERROR)
  string(APPEND host_options ,-Werror)
endif()
target_compile_options(shunt-cuda PRIVATE
  "$<$<COMPILE_LANGUAGE:CUDA>:--threads=2;-Xfatbin=-compress-all;-Xcompiler=${host_options}>")
# One symbol is seen from outside; no library of CUDA or C++ has to be there.
target_link_options(shunt-cuda PRIVATE -Wl,--exclude-libs,ALL -static-libgcc -static-libstdc++)
target_link_libraries(shunt-cuda PRIVATE ${CMAKE_DL_LIBS})
install(TARGETS shunt-cuda LIBRARY DESTINATION lib/shunt)
