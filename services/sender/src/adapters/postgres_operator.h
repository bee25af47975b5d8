// What operators and replicas tell each other in PostgreSQL: pauses, and what stands still.
#pragma once

#include <string>

#include "libs/postgres/pool.h"
#include "ports.h"

namespace parley::sender {

class PostgresOperator final : public OperatorStore {
 public:
  explicit PostgresOperator(postgres::Pool& pool) : pool_(pool) {}
  absl::StatusOr<PauseSet> LoadPauses() override;
  absl::Status SaveStandstills(const std::string& replica, std::span<const Standstill> standstills,
                               SteadyTime now) override;

 private:
  postgres::Pool& pool_;
};

}  // namespace parley::sender
