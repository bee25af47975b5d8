#include "store/consent.h"

#include <map>
#include <string>
#include <tuple>

#include "libs/postgres/array.h"
#include "store/statement.h"

namespace parley::gateway::store {

std::set<RowId> WriteConsents(pqxx::work& tx, std::span<const Consent> consents) {
  using Key = std::tuple<std::string, std::string, std::string, std::string>;
  std::map<Key, const Consent*> newest;
  for (const Consent& consent : consents) {
    const Consent*& known = newest[{consent.organization_id, consent.customer_number,
                                    consent.business_number, consent.messaging_service_sid}];
    if (known == nullptr || known->given_at < consent.given_at) known = &consent;
  }
  postgres::Array organizations, customers, numbers, services, opted_out, times, sources;
  for (const auto& [key, consent] : newest) {
    organizations.Add(std::get<0>(key));
    customers.Add(std::get<1>(key));
    numbers.Add(std::get<2>(key));
    services.Add(std::get<3>(key));
    opted_out.Add(consent->opted_out);
    times.Add(consent->given_at);
    sources.Add(consent->source);
  }
  std::set<RowId> changed;
  for (const pqxx::row& row : RunPrepared(
           tx, "write_consents",
           "INSERT INTO suppressions AS s (organization_id, customer_number, business_number, "
           "messaging_service_sid, opted_out, given_at, source) "
           "SELECT w.org, w.customer, w.number, w.service, w.opted_out, w.given_at, w.source "
           "FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::boolean[], "
           "$6::timestamptz[], $7::text[]) WITH ORDINALITY "
           "w(org, customer, number, service, opted_out, given_at, source, ord) ORDER BY w.ord "
           "ON CONFLICT (organization_id, customer_number, business_number, "
           "messaging_service_sid) DO UPDATE SET opted_out = excluded.opted_out, "
           "given_at = excluded.given_at, source = excluded.source "
           "WHERE s.given_at < excluded.given_at "
           "RETURNING s.organization_id, s.customer_number",
           organizations.str(), customers.str(), numbers.str(), services.str(), opted_out.str(),
           times.str(), sources.str())) {
    changed.emplace(row[0].c_str(), row[1].c_str());
  }
  return changed;
}

}  // namespace parley::gateway::store
