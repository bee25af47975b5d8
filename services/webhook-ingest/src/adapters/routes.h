// The HTTP side: which path is which webhook, reading and limiting requests, answers, metrics.
#pragma once

#include <functional>

#include "absl/status/status.h"
#include "libs/base/clock.h"
#include "libs/http/server.h"
#include "pipeline.h"

namespace parley::ingest {

struct HealthChecks {
  std::function<absl::Status()> directory;
  std::function<absl::Status()> durable;  // Kafka or the spool takes records.
};

// What bounds a webhook: Twilio's own are far below.
http::ConnectionLimits WebhookLimits();

// Registers every route. All arguments outlive the server. `proxies` are believed about who called
// and by which address.
//
//   /webhooks/twilio/{message,status,voice,recording}       GET and POST
//   /api/webhooks/{sms,whatsapp,twilio/incoming}            as message (COMPATIBILITY.md)
//   /api/webhooks/twilio                                    as status
//   /api/webhooks/voice                                     as voice
//   /api/webhooks/health                                    GET: 200 or 503 with the checks
void RegisterRoutes(httplib::Server& server, WebhookPipeline& pipeline, HealthChecks health,
                    const http::TrustedProxies& proxies, const Clock& clock);

}  // namespace parley::ingest
