#include "domain/account_share.h"

#include <algorithm>
#include <vector>

namespace parley::sender {
namespace {

// The lower of two limits, where 0 is none.
int Lower(int a, int b) {
  if (a == 0 || b == 0) return std::max(a, b);
  return std::min(a, b);
}

}  // namespace

void AccountShares::Heard(std::map<std::string, AccountUses> others) {
  shared_ = true;
  others_ = std::move(others);
}

int AccountShares::UseOfOthers(const std::string& account_sid) const {
  int use = 0;
  for (const auto& [replica, uses] : others_) {
    const auto found = uses.find(account_sid);
    if (found != uses.end()) use += found->second.peak;
  }
  return use;
}

int AccountShares::LimitOf(const std::string& account_sid, const AccountUse& own) const {
  int limit = Lower(limit_, own.adapted);
  if (!shared_) return limit;  // What they learned is old.
  for (const auto& [replica, uses] : others_) {
    const auto found = uses.find(account_sid);
    if (found != uses.end()) limit = Lower(limit, found->second.adapted);
  }
  return limit;
}

// Who needs less than an even part gets that; the others, and this one in any case, divide the
// rest. What does not divide goes to the first by name, so that none of it is given twice.
int AccountShares::ShareOf(const std::string& account_sid, const AccountUse& own) const {
  const int limit = LimitOf(account_sid, own);
  if (limit == 0) return 0;
  const int replicas = static_cast<int>(others_.size()) + 1;
  if (!shared_) return std::max(1, limit / replicas);
  std::vector<std::pair<int, std::string>> needs;
  int in_use = 0;
  for (const auto& [replica, uses] : others_) {
    const auto found = uses.find(account_sid);
    if (found == uses.end()) continue;
    in_use += found->second.peak;
    needs.emplace_back(found->second.wants_more ? limit + 1 : found->second.peak, replica);
  }
  std::sort(needs.begin(), needs.end());
  int rest = limit;
  int claimants = static_cast<int>(needs.size()) + 1;
  auto at = needs.begin();
  for (; at != needs.end() && at->first <= rest / claimants; ++at) {
    rest -= at->first;
    --claimants;
  }
  const auto rank =
      std::count_if(at, needs.end(), [&](const auto& need) { return need.second < replica_; });
  int share = rest / claimants + (rank < rest % claimants ? 1 : 0);
  // The others have not heard yet that it begins.
  if (own.peak == 0) share = std::min(share, limit - in_use);
  return std::max(1, share);
}

}  // namespace parley::sender
