// The hold on all sends in PostgreSQL: one row, which also says which database this is.
#pragma once

#include "libs/postgres/pool.h"
#include "ports.h"

namespace parley::sender {

class PostgresHold final : public HoldStore {
 public:
  explicit PostgresHold(postgres::Pool& pool) : pool_(pool) {}
  absl::StatusOr<Hold> Look() override;
  absl::Status Lift(std::int64_t number, std::int64_t lifts_from_us) override;
  absl::Status HoldAll(const std::string& reason) override;
  absl::StatusOr<Hold> Release(bool at_once) override;

 private:
  postgres::Pool& pool_;
};

}  // namespace parley::sender
