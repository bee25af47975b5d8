// What the sender's pipelines need from outside: the tables, Twilio, Kafka, and a timer that kills.
// All are thread-safe unless said otherwise. Errors that IsRetryable() says may pass are tried
// again by the caller.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "domain/account_share.h"
#include "domain/delivery.h"
#include "domain/evidence.h"
#include "domain/gate.h"
#include "domain/hold.h"
#include "domain/journal.h"
#include "domain/lease_state.h"
#include "domain/pause_set.h"
#include "domain/scheduler.h"
#include "domain/standstill.h"
#include "domain/write_slot.h"
#include "libs/twilio/client.h"

namespace parley::sender {

// Commands ---------------------------------------------------------------------------------------

struct Cancellation {
  DeliveryKey key;  // Its generation and lower ones.
};

struct CampaignUpdate {
  std::string organization_id;
  std::string campaign_id;
  std::int64_t version = 0;
  CampaignState state = CampaignState::kRunning;
};

struct CommandBatch {
  std::vector<NewDelivery> sends;
  std::vector<Cancellation> cancels;
  std::vector<CampaignUpdate> campaigns;
};

struct CommandResult {
  std::vector<StoredHead> inserted;
  // What duplicates and cancellations found: to be published as it stands.
  std::vector<Change> changes;
};

class CommandStore {
 public:
  virtual ~CommandStore() = default;
  // Stores a batch in one transaction. Replicas that own the lanes of `inserted` outside `owned`
  // are notified. Repeatable.
  virtual absl::StatusOr<CommandResult> Apply(const CommandBatch& batch, const ShardSet& owned) = 0;
};

// The queue --------------------------------------------------------------------------------------

struct Evidence {
  std::string account_sid;
  std::string message_id;
  int attempt = 0;
  std::string message_sid;
};

// Outcomes that were stored together, as their rows are now.
struct Publication {
  std::int64_t id = 0;
  std::vector<Change> changes;
};

class QueueStore {
 public:
  virtual ~QueueStore() = default;
  // Lanes of these shards that have queued rows.
  virtual absl::StatusOr<std::vector<LaneRow>> QueuedLanes(const ShardSet& shards) = 0;
  virtual absl::StatusOr<std::vector<LaneRow>> FindLanes(std::span<const std::int64_t> ids) = 0;
  // Rows due within `horizon`, in order of due and arrival; an answer for each request.
  virtual absl::StatusOr<std::vector<LoadedRows>> LoadHeads(std::span<const LoadRequest> requests,
                                                            std::chrono::milliseconds horizon) = 0;
  // Judges each entry and marks it as sending, ended or held, in one transaction. A result for each
  // entry, in order. After an error the commit is in doubt: settle all with their token.
  virtual absl::StatusOr<std::vector<JournalResult>> Journal(const JournalRequest& request) = 0;
  // Writes outcomes, whoever owns the shards, and notes that they are to be published. Repeatable.
  virtual absl::StatusOr<SettledBatch> Settle(std::span<const SettleEntry> entries) = 0;
  // A callback proves that an attempt arrived: unsettled rows of the account become sent. Waits for
  // rows that are being settled just now.
  virtual absl::StatusOr<std::vector<Change>> ApplyEvidence(std::span<const Evidence> evidence) = 0;

  // Each does at most `rows_max` and returns what changed.
  virtual absl::StatusOr<std::vector<Change>> SweepDeadlines(int rows_max) = 0;
  virtual absl::StatusOr<std::vector<Change>> SweepExpired(int rows_max) = 0;
  virtual absl::StatusOr<std::vector<Change>> SweepCanceledCampaigns(int rows_max) = 0;
  // Lets rows of running campaigns go again and notifies their lanes' owners; the number of rows.
  virtual absl::StatusOr<int> SweepResumedCampaigns(int rows_max) = 0;
  // Deletes what was settled and could not be sent any more 30 days ago, out of the next piece of
  // the table; the number of rows.
  virtual absl::StatusOr<int> Prune() = 0;
  virtual absl::StatusOr<std::int64_t> CountUnconfirmed() = 0;

  // Tells the owners of these lanes to look at them.
  virtual absl::Status WakeOwners(std::span<const std::int64_t> lanes) = 0;

  // Changes that were not published for `age`.
  virtual absl::StatusOr<std::vector<Change>> Unpublished(std::chrono::milliseconds age,
                                                          int rows_max) = 0;
  virtual absl::Status MarkPublished(std::span<const Change> changes) = 0;
  // The same for whole publications: what Settle noted and nobody forgot for `age`.
  virtual absl::StatusOr<std::vector<Publication>> OpenPublications(std::chrono::milliseconds age,
                                                                    int changes_max) = 0;
  virtual absl::Status ForgetPublications(std::span<const std::int64_t> ids) = 0;
};

// What is looked for in Twilio's list of messages. Any replica may look; two that look for the same
// pair at once give no SID twice.
class EvidenceStore {
 public:
  virtual ~EvidenceStore() = default;
  // Pairs on lanes of these shards with a row that is due, the longest due first; none of the
  // accounts in `skip`.
  virtual absl::StatusOr<std::vector<Pair>> DueLooks(const ShardSet& shards,
                                                     const std::set<std::string>& skip,
                                                     int pairs_max) = 0;
  virtual absl::StatusOr<PairRows> LoadPair(const Pair& pair) = 0;
  // Writes what a look came to, to rows that are still as they were; what changed.
  virtual absl::StatusOr<std::vector<Change>> SaveLooks(const Pair& pair,
                                                        std::span<const Look> looks) = 0;
};

// Operators ------------------------------------------------------------------------------------

class OperatorStore {
 public:
  virtual ~OperatorStore() = default;
  // Everything that operators stopped.
  virtual absl::StatusOr<PauseSet> LoadPauses() = 0;
  // Replaces what `replica` said before; at most one for each account and number. Their times are
  // told by their distance from `now`.
  virtual absl::Status SaveStandstills(const std::string& replica,
                                       std::span<const Standstill> standstills, SteadyTime now) = 0;
};

// Leases -----------------------------------------------------------------------------------------

class LeaseStore {
 public:
  virtual ~LeaseStore() = default;
  // Prolongs all valid leases of `replica`, notes that it lives, and takes free ones up to the
  // fair share; one that lapsed comes back with a higher epoch. Leases run from the database's
  // time of the call.
  virtual absl::StatusOr<Leases> Renew(const std::string& replica,
                                       std::chrono::milliseconds lease) = 0;
  // Others may have them; `busy`: for how long lanes that were sent over may not be used.
  virtual absl::Status Release(const std::string& replica, const ShardSet& shards,
                               std::span<const LaneBusy> busy) = 0;
  // The replica is going: others share without it.
  virtual absl::Status Leave(const std::string& replica) = 0;
  virtual absl::Status Ping() = 0;
};

// Holds ------------------------------------------------------------------------------------------

// The hold on all sends, of all replicas. While there is one no lease is given, and none is valid.
class HoldStore {
 public:
  virtual ~HoldStore() = default;
  // The hold. Begins one if this is another database than it was; the first look ever notes which
  // it is.
  virtual absl::StatusOr<Hold> Look() = 0;
  // Ends hold `number`, if it still lifts from `lifts_from_us`.
  virtual absl::Status Lift(std::int64_t number, std::int64_t lifts_from_us) = 0;
  // By hand. It waits for Release.
  virtual absl::Status HoldAll(const std::string& reason) = 0;
  // The hold then ends by a republication that begins from now on, or at once; what it is now.
  virtual absl::StatusOr<Hold> Release(bool at_once) = 0;
};

// Asks the gateway to tell all suppressions again.
class SuppressionSource {
 public:
  virtual ~SuppressionSource() = default;
  // Wants a run that begins at `since_us` or later. Best effort: ask again.
  virtual void RequestSuppressions(std::int64_t since_us) = 0;
};

// Kills this process unless it is set again or disarmed in time: what was paused for longer than
// its lease must not wake up and write.
class DeadMansTimer {
 public:
  virtual ~DeadMansTimer() = default;
  using BootTime = sender::BootTime;
  virtual BootTime Now() const = 0;
  virtual absl::Status Arm(BootTime at) = 0;
  virtual void Disarm() = 0;
};

// Limits -----------------------------------------------------------------------------------------

// Where replicas tell each other of the accounts' parallel requests.
class LimitExchange {
 public:
  virtual ~LimitExchange() = default;
  // Tells this replica's, and returns those of the others that told lately, by replica. Takes a
  // moment at most. kUnavailable: nobody knows of the others.
  virtual absl::StatusOr<std::map<std::string, AccountUses>> Exchange(const AccountUses& own) = 0;
};

// Directory --------------------------------------------------------------------------------------

struct AccountRow {
  std::string account_sid;
  std::int64_t version = 0;
  bool removed = false;
  std::string sealed_auth_token;
  bool test_credentials = false;
  std::string public_url;
  std::vector<std::string> organization_ids;
};

struct NumberRow {
  std::string account_sid;
  std::string number;
  std::int64_t version = 0;
  bool removed = false;
  std::string organization_id;
  double sms_rate = 0;
  double whatsapp_rate = 0;
  std::string public_url;
  int consent_scope = 0;  // As events.v1.ConsentScope.
};

struct ConsentRow {
  std::string customer_number;
  std::string account_sid;
  std::string business_number;
  std::string organization_id;
  bool stopped = false;
  Time given_at;
  std::string messaging_service_sid = {};  // That it was given to; may be empty.
};

// Of each partition of a log, the offset of the first record that is not stored.
using LogPositions = std::map<std::int32_t, std::int64_t>;

struct DirectoryRows {
  std::vector<AccountRow> accounts;
  std::vector<NumberRow> numbers;
};

class DirectoryStore {
 public:
  virtual ~DirectoryStore() = default;
  virtual absl::StatusOr<DirectoryRows> Load() = 0;
  // Rows with a lower version than the one stored change nothing.
  virtual absl::Status Save(const DirectoryRows& rows) = 0;
  // Of two for the same customer and number the newer `given_at` stays. Everything of the log below
  // `next` is stored with it.
  virtual absl::Status SaveConsents(std::span<const ConsentRow> rows, const LogPositions& next) = 0;
  virtual absl::StatusOr<LogPositions> ConsentPositions() = 0;
};

// Twilio -----------------------------------------------------------------------------------------

class SendApi {
 public:
  virtual ~SendApi() = default;
  // One request; blocks until it is answered or given up. `account` holds the credentials; `slot`
  // is asked when the connection stands and the first byte could leave.
  virtual twilio::SendOutcome Send(const twilio::Account& account, const Job& job,
                                   const std::string& status_callback, WriteSlot& slot) = 0;
};

class MessageList {
 public:
  virtual ~MessageList() = default;
  // The newest messages from a lane's number since then, of which Twilio's list knows by now; to
  // `customer_number`, or to anybody if that is empty. Errors: those of twilio::Client.
  virtual absl::StatusOr<twilio::MessagePage> Newest(const twilio::Account& account,
                                                     const Lane& lane,
                                                     const std::string& customer_number,
                                                     Time since) = 0;
  virtual absl::StatusOr<twilio::MessagePage> Next(const twilio::Account& account,
                                                   const std::string& page_uri) = 0;
};

// Results ----------------------------------------------------------------------------------------

class ResultSink {
 public:
  virtual ~ResultSink() = default;
  // Queues a change for publication; `done` is told on another thread, and is not called on error.
  virtual absl::Status Publish(const Change& change, std::function<void(absl::Status)> done) = 0;
  // Tells that commands are stored. Best effort: what is lost is emitted again and answered then.
  virtual void PublishAccepted(std::span<const DeliveryKey> keys) = 0;
};

}  // namespace parley::sender
