#include "adapters/process_identity.h"

#include <unistd.h>

#include <array>
#include <fstream>
#include <sstream>
#include <vector>

#include "libs/base/text.h"

namespace parley::sender {
namespace {

std::string FirstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::string BootId() { return FirstLine("/proc/sys/kernel/random/boot_id"); }

std::string PidNamespace() {
  std::array<char, 64> target{};
  const ssize_t length = readlink("/proc/self/ns/pid", target.data(), target.size());
  return length > 0 ? std::string(target.data(), static_cast<std::size_t>(length)) : "";
}

// Field 22 of /proc/<pid>/stat; empty if there is no such process, or it is a zombie.
std::string StartTime(std::string_view pid) {
  const std::string line = FirstLine("/proc/" + std::string(pid) + "/stat");
  // The second field, the name in parentheses, may hold spaces.
  const std::size_t name_end = line.rfind(')');
  if (name_end == std::string::npos || name_end + 2 >= line.size()) return "";
  const std::string rest = line.substr(name_end + 2);
  const auto fields = Split(rest, ' ');
  if (fields.size() < 20 || fields[0] == "Z" || fields[0] == "X") return "";
  return std::string(fields[19]);
}

}  // namespace

std::string ThisProcess() {
  const std::string pid = std::to_string(getpid());
  return BootId() + "/" + PidNamespace() + "/" + pid + "/" + StartTime(pid);
}

bool IsSurelyDead(std::string_view identity) {
  const auto parts = Split(identity, '/');
  if (parts.size() != 4 || parts[0].empty() || parts[1].empty()) return false;
  if (parts[0] != BootId() || parts[1] != PidNamespace()) return false;
  return StartTime(parts[2]) != parts[3];
}

}  // namespace parley::sender
