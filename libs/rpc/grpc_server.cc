#include "libs/rpc/grpc_server.h"

#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/method_handler.h>
#include <grpcpp/impl/codegen/rpc_service_method.h>
#include <grpcpp/impl/codegen/service_type.h>
#include <grpcpp/resource_quota.h>

#include <vector>

#include "libs/base/status.h"
#include "libs/base/text.h"
#include "libs/rpc/retry_delay.h"
#include "libs/telemetry/log.h"

namespace parley::rpc {
namespace {

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  google::rpc::Status details;
  details.set_code(static_cast<int>(status.code()));
  details.set_message(std::string(status.message()));
  google::rpc::ErrorInfo info;
  info.set_reason(ErrorReason(status));
  info.set_domain("parley");
  details.add_details()->PackFrom(info);
  if (const auto delay = RetryDelay(status)) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(delay->count() / 1000);
    retry.mutable_retry_delay()->set_nanos(static_cast<int>(delay->count() % 1000) * 1'000'000);
    details.add_details()->PackFrom(retry);
  }
  return {static_cast<grpc::StatusCode>(status.code()), std::string(status.message()),
          details.SerializeAsString()};
}

std::string Metadata(const grpc::ServerContext& context, const char* name) {
  const auto found = context.client_metadata().find(name);
  if (found == context.client_metadata().end()) return {};
  return {found->second.data(), found->second.size()};
}

CallContext ContextFromGrpc(const grpc::ServerContext& context) {
  CallContext call;
  call.remote_address = context.peer();
  call.idempotency_key = Metadata(context, "idempotency-key");
  call.traceparent = Metadata(context, "traceparent");
  const std::string authorization = Metadata(context, "authorization");
  if (Lower(authorization.substr(0, 7)) == "bearer ") {
    call.credential = std::string(Trim(std::string_view(authorization).substr(7)));
  }
  return call;
}

bool ParseBuffer(const grpc::ByteBuffer& buffer, Message& message) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return false;
  std::string bytes;
  bytes.reserve(buffer.Length());
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return message.ParseFromString(bytes);
}

// One service of the table, registered from its descriptor, the way generated code registers its
// own: under the real method names, so that reflection lists them.
class TableService final : public grpc::Service {
 public:
  explicit TableService(const MethodTable& table) : table_(table) {}

  void Serve(const Method& method) {
    names_.push_back(std::make_unique<std::string>("/" + method.descriptor->service()->full_name() +
                                                   "/" + method.descriptor->name()));
    using Handler =
        grpc::internal::RpcMethodHandler<TableService, grpc::ByteBuffer, grpc::ByteBuffer,
                                         grpc::ByteBuffer, grpc::ByteBuffer>;
    AddMethod(new grpc::internal::RpcServiceMethod(
        names_.back()->c_str(), grpc::internal::RpcMethod::NORMAL_RPC,
        new Handler(
            [&method](TableService* service, grpc::ServerContext* context,
                      const grpc::ByteBuffer* request, grpc::ByteBuffer* response) {
              return service->Call(method, *context, *request, *response);
            },
            this)));
  }

 private:
  grpc::Status Call(const Method& method, grpc::ServerContext& context,
                    const grpc::ByteBuffer& request_bytes, grpc::ByteBuffer& response_bytes) {
    const std::unique_ptr<Message> request(method.request_prototype->New());
    if (!ParseBuffer(request_bytes, *request)) {
      return ToGrpc(InvalidArgument("INVALID_MESSAGE", "The request is not a valid message."));
    }
    CallContext call = ContextFromGrpc(context);
    const MessageResult result = table_.Call(call, method, *request);
    for (const auto& [name, value] : call.response_headers) {
      context.AddTrailingMetadata(Lower(name), value);
    }
    if (!result.ok()) return ToGrpc(result.status());
    const grpc::Slice slice((*result)->SerializeAsString());
    response_bytes = grpc::ByteBuffer(&slice, 1);
    return grpc::Status::OK;
  }

  const MethodTable& table_;
  std::vector<std::unique_ptr<std::string>> names_;  // grpc keeps pointers to them.
};

}  // namespace

struct GrpcServer::State {
  std::vector<std::unique_ptr<TableService>> services;
  std::unique_ptr<grpc::Server> server;
};

GrpcServer::GrpcServer(const MethodTable& table, GrpcServerOptions options)
    : table_(table), options_(std::move(options)), state_(std::make_unique<State>()) {}

GrpcServer::~GrpcServer() { Stop(); }

absl::Status GrpcServer::Start() {
  static const bool reflection = [] {
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    return true;
  }();
  static_cast<void>(reflection);
  std::map<std::string, TableService*> by_service;
  for (const auto& [name, method] : table_.methods()) {
    TableService*& service = by_service[method.descriptor->service()->full_name()];
    if (service == nullptr) {
      state_->services.push_back(std::make_unique<TableService>(table_));
      service = state_->services.back().get();
    }
    service->Serve(method);
  }
  const std::string address = options_.bind_address + ":" + std::to_string(options_.port);
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port_);
  builder.SetMaxReceiveMessageSize(options_.request_bytes_max);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 2);
  grpc::ResourceQuota quota("parley");
  quota.SetMaxThreads(options_.threads_max);
  builder.SetResourceQuota(quota);
  for (const auto& service : state_->services) builder.RegisterService(service.get());
  state_->server = builder.BuildAndStart();
  if (state_->server == nullptr || port_ == 0) {
    return Unavailable("ADDRESS_IN_USE",
                       "The gRPC port " + address + " cannot be opened; another process has it.");
  }
  telemetry::Info("listening", {{"name", "grpc"}, {"port", port_}});
  return absl::OkStatus();
}

void GrpcServer::Stop() {
  if (state_->server == nullptr) return;
  state_->server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(10));
  state_->server->Wait();
  state_->server.reset();
}

}  // namespace parley::rpc
