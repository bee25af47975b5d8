// Commands, directory and consent: what arrives.
#include <map>
#include <set>

#include "adapters/postgres_rows.h"
#include "adapters/postgres_store.h"
#include "domain/shard.h"
#include "libs/base/status.h"

namespace parley::sender {
namespace {

using postgres::Array;

constexpr std::size_t kCachedLanesMax = 100'000;

std::string LaneKey(std::string_view account_sid, Medium medium, std::string_view number) {
  return std::string(account_sid) + "/" + std::to_string(static_cast<int>(medium)) + "/" +
         std::string(number);
}

std::string CampaignStateName(CampaignState state) {
  switch (state) {
    case CampaignState::kPaused:
      return "paused";
    case CampaignState::kCanceled:
      return "canceled";
    case CampaignState::kNone:
    case CampaignState::kRunning:
      return "running";
  }
  return "running";
}

void ApplyCancels(pqxx::work& tx, const std::vector<Cancellation>& cancels, CommandResult& result) {
  std::map<std::pair<std::string, std::string>, int> newest;
  for (const Cancellation& cancel : cancels) {
    int& generation =
        newest.try_emplace({cancel.key.organization_id, cancel.key.message_id}, 0).first->second;
    generation = std::max(generation, cancel.key.generation);
  }
  KeyArrays keys;
  for (const auto& [message, generation] : newest) {
    keys.Add({message.first, message.second, generation});
  }
  const std::string organizations = keys.organizations.str();
  const std::string messages = keys.messages.str();
  const std::string generations = keys.generations.str();
  Run(tx, "cancel_note",
      "INSERT INTO cancellations AS c (organization_id, message_id, generation) "
      "SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int[]) "
      "ON CONFLICT (organization_id, message_id) DO UPDATE "
      "SET generation = greatest(c.generation, excluded.generation)",
      organizations, messages, generations);
  Run(tx, "cancel_queued",
      "UPDATE deliveries d SET state = 'canceled', reason = 'CANCELED', "
      "message = 'It was canceled before it was sent.', body = '', media_urls = '{}', "
      "content_variables = '', version = d.version + 1, changed_at = clock_timestamp() "
      "FROM unnest($1::uuid[], $2::uuid[], $3::int[]) b(org, msg, gen) "
      "WHERE d.organization_id = b.org AND d.message_id = b.msg AND d.generation <= b.gen "
      "AND d.state = 'queued'",
      organizations, messages, generations);
  // What was canceled, and what came too late: the present state answers.
  for (const pqxx::row& row :
       Run(tx, "cancel_answer",
           "SELECT " PARLEY_CHANGE_COLUMNS
           " FROM unnest($1::uuid[], $2::uuid[], $3::int[]) b(org, msg, gen) "
           "JOIN deliveries d ON d.organization_id = b.org AND d.message_id = b.msg "
           "AND d.generation <= b.gen",
           organizations, messages, generations)) {
    result.changes.push_back(ToChange(row));
  }
}

void ApplyCampaigns(pqxx::work& tx, const std::vector<CampaignUpdate>& campaigns) {
  for (const CampaignUpdate& campaign : campaigns) {
    Run(tx, "campaign",
        "INSERT INTO campaigns AS c (organization_id, campaign_id, version, state) "
        "VALUES ($1::uuid, $2::uuid, $3, $4) ON CONFLICT (organization_id, campaign_id) "
        "DO UPDATE SET version = excluded.version, state = excluded.state, pending = true, "
        "changed_at = clock_timestamp() WHERE c.version < excluded.version",
        campaign.organization_id, campaign.campaign_id, campaign.version,
        CampaignStateName(campaign.state));
  }
}

}  // namespace

Lane PostgresStore::LaneOf(const NewDelivery& send) const {
  const std::lock_guard lock(mutex_);
  const auto found = lanes_.find(LaneKey(send.account_sid, send.medium, send.sender_number));
  return found == lanes_.end() ? Lane{} : found->second;
}

// Makes sure that each send's lane exists and is in the cache.
absl::Status PostgresStore::ResolveLanes(const std::vector<NewDelivery>& sends) {
  std::map<std::string, const NewDelivery*> unknown;
  {
    const std::lock_guard lock(mutex_);
    if (lanes_.size() > kCachedLanesMax) lanes_.clear();
    for (const NewDelivery& send : sends) {
      std::string key = LaneKey(send.account_sid, send.medium, send.sender_number);
      if (!lanes_.contains(key)) unknown.emplace(std::move(key), &send);
    }
  }
  if (unknown.empty()) return absl::OkStatus();
  Array shards, accounts, media, numbers;
  for (const auto& [key, send] : unknown) {
    shards.Add(ShardOf(send->account_sid, send->sender_number));
    accounts.Add(send->account_sid);
    media.Add(static_cast<int>(send->medium));
    numbers.Add(send->sender_number);
  }
  return pool_.Transact([&](pqxx::work& tx) {
    Run(tx, "lanes_add",
        "INSERT INTO lanes (shard, account_sid, medium, sender_number) "
        "SELECT * FROM unnest($1::smallint[], $2::text[], $3::smallint[], $4::text[]) "
        "ON CONFLICT DO NOTHING",
        shards.str(), accounts.str(), media.str(), numbers.str());
    const pqxx::result rows =
        Run(tx, "lanes_find",
            "SELECT l.lane_id, l.shard, l.account_sid, l.medium, l.sender_number "
            "FROM unnest($1::text[], $2::smallint[], $3::text[]) b(account, medium, number) "
            "JOIN lanes l ON l.account_sid = b.account AND l.medium = b.medium "
            "AND l.sender_number = b.number",
            accounts.str(), media.str(), numbers.str());
    const std::lock_guard lock(mutex_);
    for (const pqxx::row& row : rows) {
      const Lane lane{Number(row[0]), static_cast<int>(Number(row[1])), Text(row[2]),
                      static_cast<Medium>(Number(row[3])), Text(row[4])};
      lanes_[LaneKey(lane.account_sid, lane.medium, lane.number)] = lane;
    }
    return absl::OkStatus();
  });
}

absl::Status PostgresStore::InsertSends(pqxx::work& tx, const std::vector<NewDelivery>& sends,
                                        const ShardSet& owned, CommandResult& result) {
  KeyArrays keys;
  Array lanes, customers, bodies, media, templates, variables, services, segments, conversations,
      seqs, campaigns, priorities, created, not_before, not_after, windows;
  std::map<DeliveryKey, std::pair<const NewDelivery*, Lane>> by_key;
  for (const NewDelivery& send : sends) {
    const Lane lane = LaneOf(send);
    if (lane.id == 0) return Unavailable("LANE_UNKNOWN", "A lane left the cache; try again.");
    by_key.try_emplace(send.key, &send, lane);
    keys.Add(send.key);
    lanes.Add(lane.id);
    customers.Add(send.customer_number);
    bodies.Add(send.body);
    Array urls;
    for (const std::string& url : send.media_urls) urls.Add(url);
    media.Add(urls.str());
    templates.Add(send.content_sid);
    variables.Add(send.content_variables);
    services.Add(send.messaging_service_sid);
    segments.Add(send.segments);
    conversations.AddOrNull(send.conversation_id);
    seqs.Add(send.conversation_seq);
    campaigns.AddOrNull(send.campaign_id);
    priorities.Add(static_cast<int>(send.priority));
    created.Add(send.created_at);
    not_before.Add(send.not_before);
    not_after.Add(send.not_after);
    if (send.whatsapp_window_until) {
      windows.Add(*send.whatsapp_window_until);
    } else {
      windows.AddNull();
    }
  }
  const std::string organizations = keys.organizations.str();
  const std::string messages = keys.messages.str();
  const std::string generations = keys.generations.str();
  const pqxx::result inserted = Run(
      tx, "deliveries_add",
      "INSERT INTO deliveries (organization_id, message_id, generation, lane_id, customer_number, "
      "body, media_urls, content_sid, content_variables, messaging_service_sid, segments, "
      "conversation_id, conversation_seq, campaign_id, priority, created_at, not_before, "
      "not_after, whatsapp_window_until, due_at, attempt) "
      "SELECT b.org, b.msg, b.gen, b.lane, b.customer, b.body, b.media::text[], b.template, "
      "b.variables, b.service, b.segments, b.conversation, b.seq, b.campaign, b.priority, "
      "b.created, b.not_before, b.not_after, b.window_until, "
      "greatest(b.not_before, clock_timestamp()), "
      "CASE WHEN b.gen = 0 THEN 0 ELSE coalesce((SELECT max(p.attempt) FROM deliveries p "
      "WHERE p.organization_id = b.org AND p.message_id = b.msg), 0) END "
      "FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::bigint[], $5::text[], $6::text[], "
      "$7::text[], $8::text[], $9::text[], $10::text[], $11::int[], $12::uuid[], $13::bigint[], "
      "$14::uuid[], $15::smallint[], $16::timestamptz[], $17::timestamptz[], $18::timestamptz[], "
      "$19::timestamptz[]) WITH ORDINALITY b(org, msg, gen, lane, customer, body, media, template, "
      "variables, service, segments, conversation, seq, campaign, priority, created, not_before, "
      "not_after, window_until, nr) ORDER BY b.nr ON CONFLICT DO NOTHING "
      "RETURNING organization_id, message_id, generation, ord, attempt, " PARLEY_MICROS_UNTIL(
          "due_at"),
      organizations, messages, generations, lanes.str(), customers.str(), bodies.str(), media.str(),
      templates.str(), variables.str(), services.str(), segments.str(), conversations.str(),
      seqs.str(), campaigns.str(), priorities.str(), created.str(), not_before.str(),
      not_after.str(), windows.str());
  const SteadyTime now = std::chrono::steady_clock::now();
  Array foreign;
  std::set<std::int64_t> foreign_lanes;
  for (const pqxx::row& row : inserted) {
    const auto found = by_key.find(Key(row));
    if (found == by_key.end()) continue;
    const auto& [send, lane] = found->second;
    StoredHead stored;
    stored.lane = lane;
    stored.head = {Number(row[3]),
                   send->key,
                   lane.id,
                   send->priority,
                   now + std::chrono::microseconds(Number(row[5])),
                   send->conversation_id,
                   send->conversation_seq,
                   send->segments,
                   static_cast<int>(Number(row[4]))};
    if (!owned.test(static_cast<std::size_t>(lane.shard)) && foreign_lanes.insert(lane.id).second) {
      foreign.Add(lane.id);
    }
    result.inserted.push_back(std::move(stored));
    by_key.erase(found);
  }
  if (!foreign_lanes.empty()) {
    Run(tx, "wake_lanes", "SELECT pg_notify($1, id::text) FROM unnest($2::bigint[]) id",
        kWakeChannel, foreign.str());
  }
  if (by_key.empty()) return absl::OkStatus();
  KeyArrays known;
  for (const auto& [key, send] : by_key) known.Add(key);
  for (const pqxx::row& row :
       Run(tx, "deliveries_present",
           "SELECT " PARLEY_CHANGE_COLUMNS
           " FROM unnest($1::uuid[], $2::uuid[], $3::int[]) b(org, msg, gen) "
           "JOIN deliveries d ON d.organization_id = b.org "
           "AND d.message_id = b.msg AND d.generation = b.gen",
           known.organizations.str(), known.messages.str(), known.generations.str())) {
    result.changes.push_back(ToChange(row));
  }
  return absl::OkStatus();
}

absl::StatusOr<CommandResult> PostgresStore::Apply(const CommandBatch& batch,
                                                   const ShardSet& owned) {
  PARLEY_RETURN_IF_ERROR(ResolveLanes(batch.sends));
  CommandResult result;
  const absl::Status stored = pool_.Transact([&](pqxx::work& tx) {
    result = {};
    absl::Status inserted;
    if (!batch.sends.empty()) inserted = InsertSends(tx, batch.sends, owned, result);
    if (!batch.campaigns.empty()) ApplyCampaigns(tx, batch.campaigns);
    if (!batch.cancels.empty()) ApplyCancels(tx, batch.cancels, result);
    return inserted;
  });
  if (!stored.ok()) return stored;
  return result;
}

// Directory and consent ---------------------------------------------------------------------------

absl::StatusOr<DirectoryRows> PostgresStore::Load() {
  return pool_.Read<DirectoryRows>([](pqxx::work& tx) -> absl::StatusOr<DirectoryRows> {
    DirectoryRows rows;
    for (const pqxx::row& row :
         tx.exec("SELECT account_sid, version, removed, sealed_auth_token, test_credentials, "
                 "public_url, organization_ids FROM accounts")) {
      rows.accounts.push_back({Text(row[0]), Number(row[1]), Flag(row[2]),
                               postgres::FromBytea(Text(row[3])), Flag(row[4]), Text(row[5]),
                               postgres::ParseArray(Text(row[6]))});
    }
    for (const pqxx::row& row :
         tx.exec("SELECT account_sid, number, version, removed, organization_id, sms_rate, "
                 "whatsapp_rate, public_url, consent_scope FROM numbers")) {
      rows.numbers.push_back({Text(row[0]), Text(row[1]), Number(row[2]), Flag(row[3]),
                              Text(row[4]), row[5].as<double>(), row[6].as<double>(), Text(row[7]),
                              static_cast<int>(Number(row[8]))});
    }
    return rows;
  });
}

absl::Status PostgresStore::Save(const DirectoryRows& rows) {
  return pool_.Transact([&](pqxx::work& tx) {
    for (const AccountRow& account : rows.accounts) {
      Array organizations;
      for (const std::string& id : account.organization_ids) organizations.Add(id);
      Run(tx, "account_save",
          "INSERT INTO accounts AS a (account_sid, version, removed, sealed_auth_token, "
          "test_credentials, public_url, organization_ids) "
          "VALUES ($1, $2, $3, $4::bytea, $5, $6, $7::uuid[]) ON CONFLICT (account_sid) DO UPDATE "
          "SET version = excluded.version, removed = excluded.removed, "
          "sealed_auth_token = excluded.sealed_auth_token, "
          "test_credentials = excluded.test_credentials, public_url = excluded.public_url, "
          "organization_ids = excluded.organization_ids WHERE a.version < excluded.version",
          account.account_sid, account.version, account.removed,
          postgres::Bytea(account.sealed_auth_token), account.test_credentials, account.public_url,
          organizations.str());
    }
    for (const NumberRow& number : rows.numbers) {
      Run(tx, "number_save",
          "INSERT INTO numbers AS n (account_sid, number, version, removed, organization_id, "
          "sms_rate, whatsapp_rate, public_url, consent_scope) "
          "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) "
          "ON CONFLICT (account_sid, number) DO UPDATE SET version = excluded.version, "
          "removed = excluded.removed, organization_id = excluded.organization_id, "
          "sms_rate = excluded.sms_rate, whatsapp_rate = excluded.whatsapp_rate, "
          "public_url = excluded.public_url, consent_scope = excluded.consent_scope "
          "WHERE n.version < excluded.version",
          number.account_sid, number.number, number.version, number.removed, number.organization_id,
          number.sms_rate, number.whatsapp_rate, number.public_url, number.consent_scope);
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<LogPositions> PostgresStore::ConsentPositions() {
  return pool_.Read<LogPositions>([](pqxx::work& tx) -> absl::StatusOr<LogPositions> {
    LogPositions next;
    for (const pqxx::row& row : tx.exec("SELECT partition, next_offset FROM consent_offsets")) {
      next[static_cast<std::int32_t>(Number(row[0]))] = Number(row[1]);
    }
    return next;
  });
}

absl::Status PostgresStore::SaveConsents(std::span<const ConsentRow> rows,
                                         const LogPositions& next) {
  // One row of each key, the newest: a statement must not touch a row twice. The order of keys is
  // the order of locks, so that replicas that read the same log do not lock each other out.
  std::map<std::tuple<std::string, std::string, std::string, std::string>, const ConsentRow*>
      newest;
  for (const ConsentRow& row : rows) {
    const ConsentRow*& slot =
        newest[{row.customer_number, row.account_sid, row.business_number, row.organization_id}];
    if (slot == nullptr || slot->given_at <= row.given_at) slot = &row;
  }
  Array customers, accounts, numbers, organizations, stopped, given, services;
  for (const auto& [key, row] : newest) {
    customers.Add(row->customer_number);
    accounts.Add(row->account_sid);
    numbers.Add(row->business_number);
    organizations.Add(row->organization_id);
    stopped.Add(row->stopped);
    given.Add(row->given_at);
    services.Add(row->messaging_service_sid);
  }
  Array partitions, offsets;
  for (const auto& [partition, offset] : next) {
    partitions.Add(partition);
    offsets.Add(offset);
  }
  return pool_.Transact([&](pqxx::work& tx) {
    Run(tx, "consents_save",
        "INSERT INTO consents AS c (customer_number, account_sid, business_number, "
        "organization_id, stopped, given_at, messaging_service_sid) "
        "SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bool[], "
        "$6::timestamptz[], $7::text[]) "
        "ON CONFLICT (customer_number, account_sid, business_number, organization_id) DO UPDATE "
        "SET stopped = excluded.stopped, given_at = excluded.given_at, "
        "messaging_service_sid = excluded.messaging_service_sid "
        "WHERE c.given_at < excluded.given_at",
        customers.str(), accounts.str(), numbers.str(), organizations.str(), stopped.str(),
        given.str(), services.str());
    Run(tx, "consents_offsets",
        "INSERT INTO consent_offsets AS c (partition, next_offset) "
        "SELECT * FROM unnest($1::int[], $2::bigint[]) ON CONFLICT (partition) DO UPDATE "
        "SET next_offset = excluded.next_offset WHERE c.next_offset < excluded.next_offset",
        partitions.str(), offsets.str());
    return absl::OkStatus();
  });
}

}  // namespace parley::sender
