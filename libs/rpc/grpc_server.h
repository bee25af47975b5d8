// gRPC for the methods of a MethodTable, with server reflection, from their descriptors: no
// generated stubs. Statuses carry google.rpc.Status with ErrorInfo in "grpc-status-details-bin".
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "libs/rpc/method_table.h"

namespace parley::rpc {

struct GrpcServerOptions {
  std::string bind_address = "127.0.0.1";
  int port = 9090;  // 0 picks a free one.
  int request_bytes_max = 1 << 20;
  int threads_max = 64;
};

class GrpcServer {
 public:
  // `table` must outlive this.
  GrpcServer(const MethodTable& table, GrpcServerOptions options);
  ~GrpcServer();
  // Errors: kUnavailable ADDRESS_IN_USE.
  absl::Status Start();
  // Lets running calls finish, at most 10 s.
  void Stop();
  int port() const { return port_; }

 private:
  struct State;
  const MethodTable& table_;
  const GrpcServerOptions options_;
  std::unique_ptr<State> state_;
  int port_ = 0;
};

}  // namespace parley::rpc
