// Produces a batch in order and tells which records Kafka has.
#pragma once

#include <memory>
#include <stop_token>
#include <vector>

#include "libs/kafka/producer.h"
#include "libs/kafka/record.h"

namespace parley::gateway::relay {

// Waits until each record is reported, for as long as that takes: the producer repeats by itself,
// and to produce again what is still on its way would only double it. After `stop` it waits for at
// most 5 s. True at the index of each record that Kafka has acknowledged.
std::vector<bool> ProduceBatch(kafka::Producer& producer,
                               const std::vector<kafka::OutRecord>& records,
                               const std::stop_token& stop);

}  // namespace parley::gateway::relay
