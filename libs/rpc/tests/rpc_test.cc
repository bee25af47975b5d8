#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "example.pb.h"
#include "libs/base/status.h"
#include "libs/http/server.h"
#include "libs/rpc/grpc_server.h"
#include "libs/rpc/method_table.h"
#include "libs/rpc/transcoder.h"

namespace parley::rpc {
namespace {

using testing::GetThingRequest;
using testing::Thing;
using testing::UpdateThingRequest;

// Echoes what it was given, so that a test sees what arrived.
void AddThings(MethodTable& table) {
  const auto echo = [](const GetThingRequest& request) {
    Thing thing;
    thing.set_id(request.thing_id());
    thing.set_big(request.page_size());
    for (const std::string& tag : request.tags()) *thing.mutable_display_name() += tag + ";";
    return thing;
  };
  const std::string service = "parley.rpc.testing.ThingService.";
  table.Add<GetThingRequest, Thing>(
      service + "GetThing", Access::kViewer,
      [echo](CallContext&, const GetThingRequest& request) -> absl::StatusOr<Thing> {
        if (request.thing_id() == "missing") return NotFound("THING_MISSING", "It is not there.");
        return echo(request);
      });
  table.Add<Thing, Thing>(service + "MakeThing", Access::kAgent,
                          [](CallContext& call, const Thing& thing) -> absl::StatusOr<Thing> {
                            call.response_headers.emplace_back("X-Actor", call.Actor());
                            return thing;
                          });
  table.Add<GetThingRequest, Thing>(
      service + "PolishThing", Access::kViewer,
      [](CallContext&, const GetThingRequest& request) -> absl::StatusOr<Thing> {
        Thing thing;
        thing.set_id("polished " + request.thing_id());
        return thing;
      });
  table.Add<GetThingRequest, Thing>(
      service + "CountThings", Access::kPublic,
      [](CallContext&, const GetThingRequest&) -> absl::StatusOr<Thing> {
        Thing thing;
        thing.set_big(42);
        return thing;
      });
  table.Add<UpdateThingRequest, Thing>(
      service + "UpdateThing", Access::kAdmin,
      [](CallContext&, const UpdateThingRequest& request) -> absl::StatusOr<Thing> {
        Thing thing = request.thing();
        for (const std::string& path : request.update_mask().paths()) {
          thing.set_display_name(thing.display_name() + "|" + path);
        }
        return thing;
      });
  table.SetAuthenticate([](CallContext& call) -> absl::Status {
    if (call.credential == "agent") call.access = Access::kAgent;
    if (call.credential == "admin") call.access = Access::kAdmin;
    if (call.access == Access::kPublic) {
      return ErrorStatus(absl::StatusCode::kUnauthenticated, "WRONG", "Unknown credential.");
    }
    call.user_id = call.credential;
    return absl::OkStatus();
  });
}

class HttpTest : public ::testing::Test {
 protected:
  HttpTest() : transcoder_(Filled(table_), {.allowed_origins = {"https://app.example"}}) {
    transcoder_.Register(server_.routes());
    EXPECT_TRUE(server_.Start().ok());
    client_ = std::make_unique<httplib::Client>("127.0.0.1", server_.port());
  }
  static const MethodTable& Filled(MethodTable& table) {
    AddThings(table);
    return table;
  }
  static httplib::Headers As(const std::string& who) {
    return {{"Authorization", "Bearer " + who}};
  }
  static std::string Reason(const httplib::Result& result) {
    return nlohmann::json::parse(result->body)["error"]["details"][0]["reason"];
  }

  MethodTable table_;
  Transcoder transcoder_;
  http::Server server_{{.name = "test"}};
  std::unique_ptr<httplib::Client> client_;
};

TEST_F(HttpTest, FillsRequestsFromPathQueryAndBody) {
  auto got = nlohmann::json::parse(
      client_->Get("/v1/things/a%20b?pageSize=7&tags=x&tags=y", As("agent"))->body);
  EXPECT_EQ(got["id"], "a b");
  EXPECT_EQ(got["big"], "7");
  EXPECT_EQ(got["displayName"], "x;y;");
  EXPECT_FALSE(got.contains("maybe"));

  const auto made = client_->Post("/v1/things", As("agent"),
                                  R"({"displayName":"n","big":"9007199254740993","maybe":false})",
                                  "application/json");
  EXPECT_EQ(made->get_header_value("X-Actor"), "user:agent");
  got = nlohmann::json::parse(made->body);
  EXPECT_EQ(got["big"], "9007199254740993");
  EXPECT_EQ(got["maybe"], false);

  got = nlohmann::json::parse(
      client_->Post("/v1/things/t1:polish", As("agent"), "{}", "application/json")->body);
  EXPECT_EQ(got["id"], "polished t1");
  got = nlohmann::json::parse(client_->Post("/v1/things:count", "", "application/json")->body);
  EXPECT_EQ(got["big"], "42");
}

TEST_F(HttpTest, DerivesTheMaskOfAPatchFromItsBody) {
  auto got = nlohmann::json::parse(
      client_
          ->Patch("/v1/things/t1", As("admin"),
                  R"({"displayName":"", "inner":{"small":1}, "id":"other"})", "application/json")
          ->body);
  EXPECT_EQ(got["id"], "t1") << "the address wins over the body";
  EXPECT_EQ(got["displayName"], "|display_name|id|inner.small");
  got = nlohmann::json::parse(
      client_
          ->Patch("/v1/things/t1?updateMask=big,displayName", As("admin"), "{}", "application/json")
          ->body);
  EXPECT_EQ(got["displayName"], "|big|display_name");
}

TEST_F(HttpTest, RefusesWithAReason) {
  struct Case {
    const char* label;
    httplib::Result result;
    int status;
    const char* reason;
  };
  const std::string json = "application/json";
  Case cases[] = {
      {"no credential", client_->Get("/v1/things/a"), 401, "CREDENTIAL_MISSING"},
      {"wrong credential", client_->Get("/v1/things/a", As("nobody")), 401, "WRONG"},
      {"role too low", client_->Patch("/v1/things/a", As("agent"), "{}", json), 403,
       "ROLE_TOO_LOW"},
      {"handler's error", client_->Get("/v1/things/missing", As("agent")), 404, "THING_MISSING"},
      {"unknown path", client_->Get("/v1/nothing", As("agent")), 404, "NO_SUCH_ROUTE"},
      {"unknown verb", client_->Post("/v1/things/a:paint", As("agent"), "{}", json), 404,
       "NO_SUCH_ROUTE"},
      {"wrong HTTP method", client_->Put("/v1/things/a", As("agent"), "{}", json), 405,
       "METHOD_NOT_ALLOWED"},
      {"wrong type in query", client_->Get("/v1/things/a?pageSize=many", As("agent")), 400,
       "INVALID_FIELD"},
      {"unknown query", client_->Get("/v1/things/a?nope=1", As("agent")), 400, "UNKNOWN_FIELD"},
      {"broken JSON", client_->Post("/v1/things", As("agent"), "{", json), 400, "INVALID_JSON"},
      {"wrong type in JSON", client_->Post("/v1/things", As("agent"), R"({"id":[1]})", json), 400,
       "INVALID_JSON"},
      {"unknown field", client_->Post("/v1/things", As("agent"), R"({"nope":1})", json), 400,
       "INVALID_JSON"},
      {"array for object", client_->Post("/v1/things", As("agent"), "[]", json), 400,
       "INVALID_JSON"},
      {"invalid UTF-8", client_->Post("/v1/things", As("agent"), "{\"id\":\"\xff\"}", json), 400,
       "INVALID_JSON"},
      {"NUL in text", client_->Post("/v1/things", As("agent"), R"({"id":"a\u0000b"})", json), 400,
       "INVALID_TEXT"},
      {"too large", client_->Post("/v1/things", As("agent"), std::string((1 << 20) + 1, ' '), json),
       413, "BODY_TOO_LARGE"},
  };
  for (const Case& c : cases) {
    ASSERT_TRUE(c.result) << c.label;
    EXPECT_EQ(c.result->status, c.status) << c.label << c.result->body;
    EXPECT_EQ(Reason(c.result), c.reason) << c.label;
  }
}

TEST_F(HttpTest, RefusesDeepJsonWithoutFalling) {
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  const auto result = client_->Post("/v1/things", As("agent"), deep, "application/json");
  ASSERT_TRUE(result);
  EXPECT_EQ(result->status, 400);
}

TEST_F(HttpTest, TakesTheCookieOnlyFromItsOwnPages) {
  const std::string host = "127.0.0.1:" + std::to_string(server_.port());
  struct Case {
    const char* label;
    std::string origin;
    int status;
  };
  for (const Case& c : {Case{"no origin", "", 200},
                        {"own page", "http://" + host, 200},
                        {"allowed app", "https://app.example", 200},
                        {"foreign page", "https://evil.example", 401},
                        {"opaque page", "null", 401}}) {
    httplib::Headers headers = {{"Cookie", "a=b; parley_session=agent"}};
    if (!c.origin.empty()) headers.emplace("Origin", c.origin);
    EXPECT_EQ(client_->Get("/v1/things/a", headers)->status, c.status) << c.label;
  }
}

class GrpcTest : public ::testing::Test {
 protected:
  GrpcTest() {
    AddThings(table_);
    EXPECT_TRUE(server_.Start().ok());
    channel_ = grpc::CreateChannel("127.0.0.1:" + std::to_string(server_.port()),
                                   grpc::InsecureChannelCredentials());
  }

  grpc::Status Call(const std::string& method, const Message& request, Message& response,
                    const std::string& who) {
    grpc::GenericStub stub(channel_);
    grpc::ClientContext context;
    if (!who.empty()) context.AddMetadata("authorization", "Bearer " + who);
    grpc::CompletionQueue queue;
    const grpc::Slice slice(request.SerializeAsString());
    const grpc::ByteBuffer bytes(&slice, 1);
    auto call = stub.PrepareUnaryCall(&context, "/parley.rpc.testing.ThingService/" + method, bytes,
                                      &queue);
    call->StartCall();
    grpc::ByteBuffer answer;
    grpc::Status status;
    call->Finish(&answer, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    grpc::Slice whole;
    if (status.ok() && answer.DumpToSingleSlice(&whole).ok()) {
      response.ParseFromArray(whole.begin(), static_cast<int>(whole.size()));
    }
    return status;
  }

  MethodTable table_;
  GrpcServer server_{table_, {.port = 0}};
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(GrpcTest, ServesTheSameTable) {
  GetThingRequest request;
  request.set_thing_id("a");
  Thing thing;
  ASSERT_TRUE(Call("GetThing", request, thing, "agent").ok());
  EXPECT_EQ(thing.id(), "a");
}

TEST_F(GrpcTest, CarriesTheReasonInTheDetails) {
  GetThingRequest request;
  request.set_thing_id("missing");
  Thing thing;
  const grpc::Status status = Call("GetThing", request, thing, "agent");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(status.error_details()));
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(details.details(0).UnpackTo(&info));
  EXPECT_EQ(info.reason(), "THING_MISSING");
  EXPECT_EQ(Call("GetThing", request, thing, "").error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(Call("Nothing", request, thing, "agent").error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

}  // namespace
}  // namespace parley::rpc
