// Runs seeds of the simulation. PARLEY_SIMULATION_SEEDS says how many; --seed=N or
// PARLEY_SIMULATION_SEED=N replays one and tells what happens in it.
#include "simulation.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <string>

namespace parley::sender::simulation {
namespace {

constexpr std::uint64_t kSeeds = 10'000;
constexpr int kShown = 5;

std::string g_seed;

TEST(Simulation, KeepsItsPromisesWhateverHappens) {
  std::uint64_t first = 1;
  std::uint64_t count = kSeeds;
  if (const char* seeds = std::getenv("PARLEY_SIMULATION_SEEDS")) count = std::stoull(seeds);
  if (const char* seed = std::getenv("PARLEY_SIMULATION_SEED")) g_seed = seed;
  if (!g_seed.empty()) {
    first = std::stoull(g_seed);
    count = 1;
  }
  Totals totals;
  int failed = 0;
  for (std::uint64_t seed = first; seed < first + count && failed < kShown; ++seed) {
    const std::string violation =
        Simulation(seed, g_seed.empty() ? nullptr : &std::cerr).Run(totals);
    if (violation.empty()) continue;
    ++failed;
    ADD_FAILURE() << violation << "\n  replay: sender_simulation_test --seed=" << seed;
  }
  std::cout << totals.messages << " messages, " << totals.taken << " taken by Twilio, "
            << totals.unconfirmed << " unconfirmed, " << totals.listed << " settled by the list, "
            << totals.kills << " replicas ended, " << totals.lifted << " holds lifted, "
            << totals.events << " events\n";
  EXPECT_TRUE(count == 1 || (totals.taken > 0 && totals.listed > 0 && totals.lifted > 0));
}

}  // namespace
}  // namespace parley::sender::simulation

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument.starts_with("--seed=")) parley::sender::simulation::g_seed = argument.substr(7);
  }
  return RUN_ALL_TESTS();
}
