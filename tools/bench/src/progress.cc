#include "progress.h"

#include <unistd.h>

#include <cstdio>

namespace parley::bench {

void ShowProgress(const std::string& name, const std::string& state) {
  const bool terminal = isatty(STDERR_FILENO) != 0;
  std::fprintf(stderr, terminal ? "\r\033[K  %s: %s" : "  %s: %s\n", name.c_str(), state.c_str());
}

void EndProgress() {
  if (isatty(STDERR_FILENO) != 0) std::fprintf(stderr, "\r\033[K");
}

}  // namespace parley::bench
