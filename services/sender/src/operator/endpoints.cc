#include "operator/endpoints.h"

#include <charconv>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <semaphore>
#include <string>

#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/http/server.h"
#include "libs/telemetry/log.h"
#include "operator/pausing.h"
#include "operator/questions.h"

namespace parley::sender {
namespace {

using Json = nlohmann::ordered_json;
using Answers = std::counting_semaphore<kAnswersMax>;

constexpr int kLimitDefault = 100;
constexpr int kLimitMax = 1'000;
constexpr std::size_t kBodyBytesMax = 4 << 10;

void Respond(httplib::Response& response, const Json& body) {
  response.set_content(body.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n",
                       "application/json");
}

// A turn among those that are answered at once.
class Turn {
 public:
  explicit Turn(Answers& answers) : answers_(answers), taken_(answers.try_acquire()) {}
  ~Turn() {
    if (taken_) answers_.release();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  absl::Status status() const {
    if (taken_) return absl::OkStatus();
    return ErrorStatus(absl::StatusCode::kResourceExhausted, "TOO_MANY_REQUESTS",
                       "Other operators are being answered; ask again.");
  }

 private:
  Answers& answers_;
  const bool taken_;
};

absl::StatusOr<int> LimitOf(const httplib::Request& request) {
  if (!request.has_param("limit")) return kLimitDefault;
  const std::string text = request.get_param_value("limit");
  int limit = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (error != std::errc() || end != text.data() + text.size() || limit < 1 || limit > kLimitMax) {
    return InvalidArgument("LIMIT_INVALID", "limit must be a whole number from 1 to 1000.");
  }
  return limit;
}

absl::StatusOr<Json> AnswerTo(const Question& question, const httplib::Request& request,
                              Answers& answers, postgres::Pool& pool) {
  PARLEY_ASSIGN_OR_RETURN(const int limit, LimitOf(request));
  const Turn turn(answers);
  PARLEY_RETURN_IF_ERROR(turn.status());
  PARLEY_ASSIGN_OR_RETURN(Rows rows, Ask(question, limit + 1, pool));
  const bool more = rows.size() > static_cast<std::size_t>(limit) + 1;
  if (more) rows.pop_back();
  return Json{{question.name, ToJson(rows)}, {"more", more}};
}

// A browser sends a page's requests to other sites without asking first only if their type is one
// of a form's, and names the page's origin with every POST.
absl::Status CheckOrigin(const httplib::Request& request) {
  if (request.has_header("Origin")) {
    return ErrorStatus(absl::StatusCode::kPermissionDenied, "ORIGIN_REFUSED",
                       "Orders of web pages are not taken; use curl or the sender's commands.");
  }
  const std::string type = request.get_header_value("Content-Type");
  if (Lower(Trim(Split(type, ';')[0])) != "application/json") {
    return InvalidArgument("CONTENT_TYPE_INVALID",
                           "Send the order with the header Content-Type: application/json.");
  }
  return absl::OkStatus();
}

absl::StatusOr<PauseOrder> ParseOrder(const std::string& body) {
  static constexpr char kShape[] =
      "The body must be a JSON object with the texts account and, if you like, number and reason.";
  const Json json = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return InvalidArgument("PAUSE_INVALID", kShape);
  PauseOrder order;
  for (const auto& [key, value] : json.items()) {
    std::string* field = key == "account"  ? &order.account_sid
                         : key == "number" ? &order.number
                         : key == "reason" ? &order.reason
                                           : nullptr;
    if (field == nullptr || !value.is_string()) return InvalidArgument("PAUSE_INVALID", kShape);
    *field = value.get<std::string>();
  }
  return order;
}

absl::StatusOr<Json> CarryOut(bool pauses, const httplib::Request& request, const std::string& body,
                              Answers& answers, postgres::Pool& pool) {
  PARLEY_RETURN_IF_ERROR(CheckOrigin(request));
  PARLEY_ASSIGN_OR_RETURN(PauseOrder order, ParseOrder(body));
  PARLEY_RETURN_IF_ERROR(CheckOrder(order));
  order.by = "admin port, " + request.remote_addr;
  const Turn turn(answers);
  PARLEY_RETURN_IF_ERROR(turn.status());
  const auto said = pauses ? Pause(order, pool) : Resume(order, pool);
  telemetry::Info(pauses ? "pause_ordered" : "resume_ordered",
                  {{"account_sid", order.account_sid},
                   {"number", MaskNumber(order.number)},
                   {"by", order.by},
                   {"outcome", said.ok() ? "OK" : ErrorReason(said.status())}});
  PARLEY_RETURN_IF_ERROR(said.status());
  return Json{{"message", *said}};
}

void Finish(httplib::Response& response, const absl::StatusOr<Json>& answer) {
  if (!answer.ok()) return http::RespondError(response, answer.status());
  Respond(response, *answer);
}

}  // namespace

void AddOperatorEndpoints(httplib::Server& routes, postgres::Pool& pool) {
  const auto answers = std::make_shared<Answers>(kAnswersMax);
  for (const Question& question : Questions()) {
    routes.Get(
        std::string("/") + question.name,
        [&question, &pool, answers](const httplib::Request& request, httplib::Response& response) {
          Finish(response, AnswerTo(question, request, *answers, pool));
        });
  }
  for (const bool pauses : {true, false}) {
    routes.Post(
        pauses ? "/pause" : "/resume",
        [pauses, &pool, answers](const httplib::Request& request, httplib::Response& response,
                                 const httplib::ContentReader& reader) {
          const auto body = http::ReadBody(request, reader, kBodyBytesMax);
          if (!body.ok()) return http::RespondError(response, body.status());
          Finish(response, CarryOut(pauses, request, *body, *answers, pool));
        });
  }
}

}  // namespace parley::sender
