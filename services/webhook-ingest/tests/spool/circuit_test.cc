#include "spool/circuit.h"

#include <gtest/gtest.h>

#include "libs/base/status.h"
#include "libs/telemetry/metrics.h"

namespace parley::ingest {
namespace {

double Away() { return telemetry::Gauge("parley_webhook_ingest_kafka_away", "").Value(); }

TEST(Circuit, OpensWithAFailureAndClosesWithAnAcknowledgement) {
  Circuit circuit;
  EXPECT_FALSE(circuit.IsOpen());
  circuit.Acknowledged();
  EXPECT_FALSE(circuit.IsOpen());
  for (int i = 0; i < 2; ++i) {
    circuit.Failed(Unavailable("KAFKA_TIMEOUT", "told to"));
    EXPECT_TRUE(circuit.IsOpen());
    EXPECT_EQ(Away(), 1);
  }
  circuit.Acknowledged();
  EXPECT_FALSE(circuit.IsOpen());
  EXPECT_EQ(Away(), 0);
}

}  // namespace
}  // namespace parley::ingest
