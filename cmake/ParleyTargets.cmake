# What every target of ours has in common. Nothing here is global: a target
# gets warnings, sanitizers and the language standard by linking parley_options.

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
option(PARLEY_WARNINGS "Warnings are errors; on in our own presets" OFF)
set(PARLEY_SANITIZE "" CACHE STRING "Value for -fsanitize=; empty means none")

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()

add_library(parley_options INTERFACE)
target_compile_features(parley_options INTERFACE cxx_std_20)
if(PARLEY_SANITIZE)
  target_compile_options(parley_options INTERFACE -fsanitize=${PARLEY_SANITIZE}
                                                  -fno-omit-frame-pointer)
  target_link_options(parley_options INTERFACE -fsanitize=${PARLEY_SANITIZE})
endif()

add_library(parley_warnings INTERFACE)
add_library(parley::warnings ALIAS parley_warnings)
if(PARLEY_WARNINGS)
  target_compile_options(parley_warnings INTERFACE -Wall -Wextra -Wconversion -Wshadow -Werror)
  # GCC 12 sees overlaps that are not there in "literal" + string (its bug 105651).
  # Designated initializers leave the rest at its default on purpose.
  target_compile_options(parley_warnings INTERFACE -Wno-restrict -Wno-missing-field-initializers)
endif()

# parley_library(NAME SOURCES … [DEPS …] [PRIVATE_DEPS …] [INCLUDE dir])
#
# A static library parley_NAME, also known as parley::NAME. Its includes start
# at INCLUDE; the default is the repository's root, so that libraries are
# included as "libs/kafka/producer.h".
function(parley_library name)
  cmake_parse_arguments(ARG "" "INCLUDE" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(parley_${name} STATIC ${ARG_SOURCES})
  add_library(parley::${name} ALIAS parley_${name})
  if(NOT ARG_INCLUDE)
    set(ARG_INCLUDE "${PROJECT_SOURCE_DIR}")
  endif()
  target_include_directories(parley_${name} PUBLIC "${ARG_INCLUDE}")
  target_link_libraries(
    parley_${name}
    PUBLIC parley_options ${ARG_DEPS}
    PRIVATE ${ARG_PRIVATE_DEPS} parley::warnings)
endfunction()

# parley_binary(NAME SOURCES … DEPS …): an executable in build/PRESET/bin.
function(parley_binary name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} parley_options parley::warnings)
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}")
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
endfunction()

# parley_test(NAME SOURCES … DEPS … [LABEL unit|integration])
#
# One GoogleTest program. LABEL unit (the default) touches nothing outside the
# process; integration finds Kafka, PostgreSQL and Redis in PARLEY_TEST_… and is
# run by ./test, which starts them.
function(parley_test name)
  cmake_parse_arguments(ARG "" "LABEL" "SOURCES;DEPS" ${ARGN})
  if(NOT ARG_LABEL)
    set(ARG_LABEL unit)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gmock GTest::gtest_main parley_options
                                        parley::warnings)
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}")
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY
                                           "${CMAKE_BINARY_DIR}/tests/${ARG_LABEL}")
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS ${ARG_LABEL})
endfunction()

# parley_embed_migrations(TARGET NAMESPACE FILES …)
#
# Compiles SQL files into TARGET as parley::NAMESPACE::Migrations(), declared by the caller:
#   const std::vector<postgres::Migration>& Migrations();
function(parley_embed_migrations target namespace)
  set(files)
  foreach(file IN LISTS ARGN)
    list(APPEND files "${CMAKE_CURRENT_SOURCE_DIR}/${file}")
  endforeach()
  set(output "${CMAKE_CURRENT_BINARY_DIR}/${namespace}_migrations.cc")
  string(JOIN " " joined ${files})
  add_custom_command(
    OUTPUT "${output}"
    COMMAND ${CMAKE_COMMAND} "-DFILES=${joined}" "-DOUTPUT=${output}" "-DNAMESPACE=${namespace}" -P
            "${PROJECT_SOURCE_DIR}/cmake/ParleyEmbed.cmake"
    DEPENDS ${files} "${PROJECT_SOURCE_DIR}/cmake/ParleyEmbed.cmake"
    VERBATIM)
  target_sources(${target} PRIVATE "${output}")
  target_link_libraries(${target} PRIVATE parley::postgres)
endfunction()
