# Everything that is not ours, found once. scripts/install.sh installs it from
# Debian; the google/api protos come from PyPI's googleapis-common-protos.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(GTest REQUIRED)
find_package(absl REQUIRED)
find_package(spdlog REQUIRED)
find_package(prometheus-cpp REQUIRED)
find_package(Protobuf REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(ZLIB REQUIRED)
pkg_check_modules(GRPCPP REQUIRED IMPORTED_TARGET grpc++)
pkg_check_modules(RDKAFKA REQUIRED IMPORTED_TARGET rdkafka)
pkg_check_modules(HIREDIS REQUIRED IMPORTED_TARGET hiredis)
pkg_check_modules(PQXX REQUIRED IMPORTED_TARGET libpqxx)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(HTTPLIB REQUIRED IMPORTED_TARGET cpp-httplib)

set(PARLEY_GOOGLEAPIS_DIR
    "${PROJECT_SOURCE_DIR}/.local/tools/googleapis"
    CACHE PATH "Folder that holds google/api/annotations.proto")
if(NOT EXISTS "${PARLEY_GOOGLEAPIS_DIR}/google/api/annotations.proto")
  message(FATAL_ERROR "google/api/annotations.proto is not in ${PARLEY_GOOGLEAPIS_DIR}: "
                      "run scripts/install.sh, which puts it there.")
endif()
