// Marks records that go through the spool. Pure.
#pragma once

#include "libs/webhooks/records.h"

namespace parley::ingest {

// Readers learn that others may have overtaken it: an InboundRecord's origin becomes ORIGIN_SPOOL.
// Other records have no origin.
void MarkSpooled(webhooks::OutgoingRecord& record);

}  // namespace parley::ingest
